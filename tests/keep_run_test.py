"""scripts/keep_run.py keeps a run's records and the samples of what is judged, and refuses a run of a changed tree;
scripts/keep_robustness.py keeps the verdicts of runs with one thing changed."""

import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import keep_robustness  # noqa: E402
import keep_run  # noqa: E402

RECORD = {"claim": "sink_onset", "profile": "cpu", "seed": 1, "environment": {"commit": "0123456789ab"}, "criteria": [{"metric": "share"}], "checks": [{"metric": "check"}],
          "controls": [{"metric": "control", "of": "effect"}], "stages": [{"criteria": [{"metric": "share_of_a_stage"}]}]}
SAMPLES = "metric,inputs,where,unit,value\n"


class KeepRun(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.run_folder, self.target = pathlib.Path(scratch.name, "run"), pathlib.Path(scratch.name, "kept")
        for name in ("summary.json", "report.md", "metrics.csv", "report.html", "log.txt", "survey.json", "survey_inputs.jsonl"):
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

    def test_samples_of_a_share_of_tokens_are_left_out(self):
        self.add_claim(["share"])
        with open(self.run_folder / "sink_onset" / "samples.csv", "a", encoding="utf-8") as file:
            file.writelines(f"check,vocabulary,,{unit},1\n" for unit in range(1001))
        self.kept()
        self.assertEqual((self.target / "sink_onset" / "samples.csv").read_text("utf-8").count("\n"), 2)

    def test_a_claim_without_judged_samples_has_no_table_of_them(self):
        self.add_claim(["described"])
        self.assertNotIn("sink_onset/samples.csv", self.kept())

    def test_a_run_of_a_changed_tree_is_refused(self):
        for commit in ("0123456789ab-dirty", "unknown", ""):
            self.add_claim(["share"], environment={"commit": commit})
            self.assertRaisesRegex(SystemExit, commit, self.kept)

    def test_what_was_kept_before_is_replaced_whole(self):
        self.add_claim(["share"])
        (self.target / "rotation").mkdir(parents=True)
        self.assertNotIn("rotation", {pathlib.Path(name).parts[0] for name in self.kept()})
        self.assertEqual([path.name for path in self.target.parent.iterdir() if path.name.startswith(".")], [])

    def test_a_mixed_run_is_refused_and_what_was_kept_stays(self):
        self.add_claim(["share"])
        self.kept()
        for changes in ({"environment": {"commit": "ba9876543210"}}, {"profile": "smoke"}, {"seed": 2}):
            self.write("another/record.json", json.dumps(RECORD | {"claim": "another"} | changes))
            self.assertRaisesRegex(SystemExit, "more than one", self.kept)
        self.assertTrue((self.target / "sink_onset" / "record.json").exists())

    def test_a_damaged_or_hostile_record_is_refused(self):
        for text in ("{", "[]", json.dumps({"claim": "sink_onset"}), json.dumps(RECORD | {"claim": "../.."}), json.dumps(RECORD | {"claim": ""}),
                     json.dumps(RECORD | {"claim": str(self.target)})):
            self.write("sink_onset/record.json", text)
            self.assertRaisesRegex(SystemExit, "keep_run: .*record.json", self.kept)

    def test_a_folder_without_records_is_refused(self):
        self.assertRaisesRegex(SystemExit, "no records", self.kept)


class KeepRobustness(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        original, keep_robustness.FOLDER = keep_robustness.FOLDER, self.folder / "kept"
        self.addCleanup(setattr, keep_robustness, "FOLDER", original)

    def run_of(self, dtype="float32", noise=0, verdict="pass", **changes):
        claim = self.folder / "run" / "sink_onset"
        claim.mkdir(parents=True, exist_ok=True)
        record = RECORD | {"model": {"name": "small"}, "verdict": verdict, "metrics": [{"name": "share", "value": 0.25}]} | changes
        (claim / "record.json").write_text(json.dumps(record), "utf-8")
        (claim.parent / "config.yaml").write_text(f"profile: cpu\ndtype: {dtype}\nweight_noise: {noise}\n", "utf-8")
        return claim.parent

    def rows(self):
        return (self.folder / "kept" / "small.csv").read_text("utf-8").splitlines()[1:]

    def test_a_change_keeps_its_verdicts_and_replaces_its_own(self):
        keep_robustness.keep(self.run_of(noise=3))
        keep_robustness.keep(self.run_of(dtype="bfloat16", verdict="inconclusive"))
        keep_robustness.keep(self.run_of(noise=3, verdict="fail"))
        self.assertEqual(self.rows(), ["bfloat16,sink_onset,inconclusive,share,0.25,0123456789ab",
                                       "weight noise 3,sink_onset,fail,share,0.25,0123456789ab"])

    def test_a_run_that_differs_by_nothing_or_by_two_things_is_refused(self):
        for changes in ({}, {"dtype": "bfloat16", "noise": 3}, {"noise": 3, "environment": {"commit": "0123456789ab+"}}):
            self.assertRaises(SystemExit, keep_robustness.keep, self.run_of(**changes))


if __name__ == "__main__":
    unittest.main()
