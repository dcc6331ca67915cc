"""Nights in a row: scripts/nightly.sh says in its first line which verdicts flipped, and ends with 1 when
anything but time and memory differs. What it starts is made up: it copies a recorded run; what compares is the program.

    python3 -B tests/nightly_test.py PROGRAM    PROGRAM: build/release/replicate
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parent.parent
RECORDED = ROOT / "results" / "reference" / "cpu-gemma3-270m"
CLAIMS = ("sink_onset", "rank_collapse")

# Copies the run in $NIGHT to what --out names, which comes last.
LAUNCHER = '#!/bin/sh\nfor out; do :; done\necho "$@" >>"$ARGUMENTS"\ncp -r "$NIGHT" "$out"\nexit "${CODE:-0}"\n'


class Nights(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        root = self.root = pathlib.Path(self.folder.name) / "root"
        shutil.copytree(ROOT / "scripts", root / "scripts")
        (root / "build" / "release").mkdir(parents=True)
        (root / "build" / "release" / "replicate").symlink_to(PROGRAM)
        (root / "replicate").write_text(LAUNCHER)
        (root / "replicate").chmod(0o755)
        self.night = pathlib.Path(self.folder.name) / "night"
        for claim in CLAIMS:
            shutil.copytree(RECORDED / claim, self.night / claim)
        shutil.copy(RECORDED / "summary.json", self.night)
        self.number = 0

    def tearDown(self):
        self.folder.cleanup()

    def change(self, claim, edit):
        path = self.night / claim / "record.json"
        record = json.loads(path.read_text())
        edit(record)
        path.write_text(json.dumps(record))

    def run_night(self, *arguments, code=0):
        """One night under a clock of its own: folders are named by seconds. Exit code and lines."""
        self.number += 1
        clock = pathlib.Path(self.folder.name) / "bin"
        clock.mkdir(exist_ok=True)
        (clock / "date").write_text(f"#!/bin/sh\necho 2030-01-{self.number:02}T000000Z\n")
        (clock / "date").chmod(0o755)
        environment = dict(os.environ, PATH=f"{clock}:{os.environ['PATH']}", NIGHT=str(self.night), CODE=str(code),
                           ARGUMENTS=str(pathlib.Path(self.folder.name) / "arguments"), NIGHTLY_DIR=str(self.root / "nights"))
        environment.pop("GITHUB_STEP_SUMMARY", None)
        done = subprocess.run([self.root / "scripts" / "nightly.sh", *arguments], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines() or [done.stderr]

    def test_equal_nights_end_with_0(self):
        self.assertEqual(self.run_night()[1][0], "## replicate, 2030-01-01T000000Z: the first night")
        code, lines = self.run_night()
        self.assertEqual((code, lines[0]), (0, "## replicate, 2030-01-02T000000Z: nothing changed beyond noise"))
        self.assertIn("nothing changed beyond noise", lines[-1])

    def test_a_flip_is_the_first_line_and_ends_with_1(self):
        self.run_night()
        self.change("rank_collapse", lambda record: record.update(verdict="fail"))
        code, lines = self.run_night()
        self.assertEqual((code, lines[0]), (1, "## replicate, 2030-01-02T000000Z: rank_collapse: pass became fail"))
        self.assertIn("1 verdict flipped", lines[-1])

    def test_a_judged_drift_ends_with_1(self):
        self.run_night()
        def drift(record):
            judged = {criterion["metric"] for criterion in record["criteria"]}
            for metric in record["metrics"]:
                if metric["name"] in judged:
                    metric.update({key: metric[key] + 100 for key in ("value", "low", "high") if metric.get(key) is not None})
        self.change("sink_onset", drift)
        code, lines = self.run_night()
        self.assertEqual(code, 1)
        self.assertRegex(lines[0], ": [0-9]+ judged numbers? drifted")

    def test_time_and_memory_are_told_and_decide_nothing(self):
        self.change("sink_onset", lambda record: record.update(seconds=10, peak_memory_mb=100))
        self.change("rank_collapse", lambda record: record.update(seconds=10, peak_memory_mb=100))
        self.run_night()
        self.change("sink_onset", lambda record: record.update(seconds=4000, peak_memory_mb=900))
        code, lines = self.run_night()
        self.assertEqual(code, 0)
        self.assertIn("- claims took 4,010 s (20 s the night before), 900 MB (100 MB the night before)", lines)

    def test_a_run_that_broke_is_not_compared_with(self):
        self.run_night()
        self.assertEqual(self.run_night(code=3)[0], 3)
        self.assertEqual((self.root / "nights" / "last").resolve().name, "2030-01-01T000000Z")

    def test_claims_can_be_chosen(self):
        self.run_night("--only", "sink_onset", "--profile", "smoke")
        words = (pathlib.Path(self.folder.name) / "arguments").read_text()
        self.assertIn("--only sink_onset --profile smoke", words)
        self.assertNotIn("--all", words)


if __name__ == "__main__":
    PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=0)
