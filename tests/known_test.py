"""configs/known.yaml says what the runs in results/reference say, and keeps what a person wrote."""

import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import known  # noqa: E402

WRITTEN = """models:
  small:
    a_claim_without_a_run:
      expected: {verdict: fail, since: 2026-11-29, why: no sink}
    sink_onset:
      expected: {verdict: pass, since: 2026-11-29,
        why: "a reason"}
      recorded: {run: an_older_run, profile: cpu, verdict: fail,
        thresholds_sha256: 1}
    rank_collapse:
      recorded: {run: an_older_run, profile: cpu, verdict: fail,
        thresholds_sha256: 1}
profiles: {}
"""


def write_record(run, claim, **changes):
    record = {"claim": claim, "profile": "cpu", "verdict": "pass", "thresholds_sha256": "0", "kind": "mechanism",
              "model": {"name": "small"}}
    folder = pathlib.Path(run, claim)
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record | changes))


class Known(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.run_folder = pathlib.Path(scratch.name, "a_run")
        self.run_folder.mkdir()

    def test_is_what_the_recorded_runs_say(self):
        text = known.TARGET.read_text()
        self.assertEqual(text, known.known(text, (ROOT / "results" / "reference").glob("*")),
                         "run scripts/known.py results/reference/* and commit the result")
        self.assertGreater(text.count("thresholds_sha256"), 30)
        self.assertGreater(text.count("expected:"), 15)

    def test_writes_what_was_recorded_and_keeps_what_was_written(self):
        write_record(self.run_folder, "sink_onset")
        write_record(self.run_folder, "emergence", kind="training")
        self.assertEqual(known.known(WRITTEN, [self.run_folder]), known.HEAD + """models:
  small:
    a_claim_without_a_run:
      expected: {verdict: fail, since: 2026-11-29, why: no sink}
    sink_onset:
      expected: {verdict: pass, since: 2026-11-29,
        why: "a reason"}
      recorded: {run: a_run, profile: cpu, verdict: pass,
        thresholds_sha256: 0}
profiles:
  cpu:
    emergence:
      recorded: {run: a_run, profile: cpu, verdict: pass,
        thresholds_sha256: 0}
""")

    def test_leaves_out_what_is_no_claim_any_more(self):
        write_record(self.run_folder, "sink_onset")
        write_record(self.run_folder, "a_former_claim")
        text = known.known("", [self.run_folder])
        self.assertIn("sink_onset:", text)
        self.assertNotIn("a_former_claim", text)

    def test_refuses_what_it_would_lose(self):
        for line in ("      why: no sink", "    a_claim: {expected: {}}", "  small: {}", "other:"):
            text = WRITTEN if line.startswith("    a") else ""
            with self.assertRaisesRegex(SystemExit, "not laid out as the others"):
                known.known(text + line + "\n", [])

    def test_refuses_a_claim_that_two_runs_recorded(self):
        other = self.run_folder.parent / "other_run"
        for run in (self.run_folder, other):
            write_record(run, "sink_onset")
        with self.assertRaisesRegex(SystemExit, "is in two runs"):
            known.known("", [self.run_folder, other])


if __name__ == "__main__":
    unittest.main()
