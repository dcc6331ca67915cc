"""scripts/keep_run.py keeps a run's records and the samples of what is judged, and refuses a run of a changed tree."""

import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import keep_run  # noqa: E402

RECORD = {"claim": "sink_onset", "environment": {"commit": "0123456789ab"}, "criteria": [{"metric": "share"}], "checks": [{"metric": "check"}],
          "controls": [{"metric": "control", "of": "effect"}], "stages": [{"criteria": [{"metric": "share_of_a_stage"}]}]}
SAMPLES = "metric,inputs,where,unit,value\n"


class KeepRun(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.run_folder, self.target = pathlib.Path(scratch.name, "run"), pathlib.Path(scratch.name, "kept")
        for name in ("summary.json", "report.md", "report.html", "log.txt", "survey.json", "survey_inputs.jsonl"):
            self.write(name, name)

    def write(self, name, text):
        path = self.run_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def add_claim(self, metrics, **changes):
        self.write("sink_onset/record.json", json.dumps(RECORD | changes))
        self.write("sink_onset/plot.svg", "<svg/>")
        self.write("sink_onset/report.html", "a page")
        self.write("sink_onset/samples.csv", SAMPLES + "".join(f"{metric},natural,,0,1\n" for metric in metrics))

    def kept(self):
        keep_run.keep(self.run_folder, self.target)
        return {str(file.relative_to(self.target)) for file in self.target.rglob("*") if file.is_file()}

    def test_pages_and_logs_are_left_out(self):
        self.add_claim(["share"])
        self.assertEqual(self.kept(), {"summary.json", "report.md", "survey.json", "sink_onset/record.json", "sink_onset/plot.svg",
                                       "sink_onset/samples.csv"})

    def test_samples_of_what_is_judged_are_kept_at_every_stage(self):
        judged = ["share", "check", "control", "effect", "share_of_a_stage"]
        self.add_claim(["described", *judged, "another"])
        self.kept()
        rows = (self.target / "sink_onset" / "samples.csv").read_text("utf-8").splitlines()
        self.assertEqual([row.split(",")[0] for row in rows], ["metric", *judged])

    def test_a_claim_without_judged_samples_has_no_table_of_them(self):
        self.add_claim(["described"])
        self.assertNotIn("sink_onset/samples.csv", self.kept())

    def test_a_run_of_a_changed_tree_is_refused(self):
        for commit in ("0123456789ab-dirty", "unknown"):
            self.add_claim(["share"], environment={"commit": commit})
            self.assertRaisesRegex(SystemExit, commit, self.kept)

    def test_a_folder_without_records_is_refused(self):
        self.assertRaisesRegex(SystemExit, "no records", self.kept)


if __name__ == "__main__":
    unittest.main()
