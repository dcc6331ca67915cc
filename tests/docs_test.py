"""docs/why_did_this_fail.md knows every claim that was recorded, and names only metrics and series that the recorded runs have;
docs/performance.md shows the race as it was recorded, docs/claims.md the claims as they are configured; links lead somewhere."""

import hashlib
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(ROOT, "scripts"))
import calibration_tables  # noqa: E402
import docs_tables  # noqa: E402
import findings_tables  # noqa: E402
import prediction_tables  # noqa: E402
import results_tables  # noqa: E402

ROW = re.compile(r"^\| `(?P<claim>\w+)`[^|]*\|[^|]*\|(?P<look>[^|]*)\|$", re.MULTILINE)


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


RUNS = os.path.join(ROOT, "results", "reference")


def recorded_claims():
    return {claim for run in os.listdir(RUNS) for claim in os.listdir(os.path.join(RUNS, run))
            if os.path.exists(os.path.join(RUNS, run, claim, "record.json"))}


def judged(claim):
    """Names of the metrics that the claim is judged by, on the models of the tests."""
    files = ("claims.json", "training_claims.json")
    names = [name.split("/") for file in files for name in json.loads(read("tests", "golden", file))]
    return {metric for _, judged_claim, metric in names if judged_claim == claim}


def measured(claim):
    """Names of the metrics and series of a claim in the kept runs, and of those that it is judged by."""
    names = judged(claim)
    for run in os.listdir(RUNS):
        path = os.path.join(RUNS, run, claim, "record.json")
        if os.path.exists(path):
            record = json.loads(read(path))
            names |= {item["name"] for item in record["metrics"] + record["series"]}
    return names


class WhyDidThisFail(unittest.TestCase):
    def setUp(self):
        self.rows = dict(ROW.findall(read("docs", "why_did_this_fail.md")))
        self.claims = {name[: -len(".yaml")] for name in os.listdir(os.path.join(ROOT, "configs", "claims"))}

    def test_it_has_a_row_for_every_recorded_claim(self):
        self.assertLessEqual(recorded_claims() & self.claims, set(self.rows))  # a record may be of a former claim
        self.assertLessEqual(set(self.rows), self.claims)

    def test_it_names_what_is_measured(self):
        for claim, look in self.rows.items():
            known = measured(claim) | self.claims
            words = re.findall(r"`([^`]+)`", look)
            self.assertTrue(words, claim)
            self.assertEqual([word for word in words if word not in known], [], claim)


class Speed(unittest.TestCase):
    def test_the_table_is_the_recorded_one(self):
        table = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "tests", "bench", "race.py"), "--table",
                                os.path.join(ROOT, "results", "bench", "race.json")], capture_output=True, text=True, check=True)
        self.assertIn(table.stdout.strip(), read("docs", "performance.md"))


MUST_HOLD = re.compile(r"^- `(\w+)` \((\d+);", re.MULTILINE)


class Claims(unittest.TestCase):
    def setUp(self):
        self.claims = docs_tables.read_claims(pathlib.Path(ROOT, "configs", "claims"))
        self.levels = docs_tables.levels_of(read("configs", "judging.yaml"))

    def test_the_tables_are_what_the_settings_and_the_recorded_runs_say(self):
        for page, text in docs_tables.pages().items():
            present = page.read_text("utf-8")
            self.assertTrue(present == docs_tables.with_tables(present, text), f"{page.name}: run scripts/docs_tables.py")

    def test_every_claim_has_a_row_and_a_changed_setting_another_one(self):
        tables = docs_tables.tables(self.claims, self.levels)
        for claim in self.claims:
            self.assertEqual(tables.count(f"| [`{claim['id']}`]"), 1, claim["id"])
            for key, other in (("title", "Another title"), ("figures", ["99"]), ("family", "another"), ("version", "99"), ("arithmetic", "Always.")):
                self.assertNotEqual(docs_tables.tables([claim | {key: other}], self.levels), docs_tables.tables([claim], self.levels), key)

    def test_what_must_hold_is_said_of_every_claim_in_its_present_version(self):
        said = MUST_HOLD.findall(read("docs", "claims.md"))
        self.assertEqual(sorted(said), sorted((claim["id"], claim["version"] or "1") for claim in self.claims))

    @unittest.skipUnless(importlib.util.find_spec("yaml"), "no yaml")
    def test_the_settings_are_read_as_a_reader_of_yaml_does(self):
        import yaml  # pylint: disable=import-outside-toplevel
        for claim in self.claims:
            settings = yaml.safe_load(read("configs", "claims", claim["id"] + ".yaml"))
            for key in ("title", "kind", "family", "version", "arithmetic"):
                self.assertEqual(claim[key], str(settings.get(key, "")).strip(), (claim["id"], key))
            self.assertEqual(claim["figures"], [str(figure) for figure in settings["paper"]["figures"]], claim["id"])
        self.assertEqual(self.levels, {family: str(level) for family, level in yaml.safe_load(read("configs", "judging.yaml"))["levels"].items()})

    def test_texts_are_read_in_every_form(self):
        for text, words in (("one: two", "one: two"), ('"a | \\"b\\": c"  # d', 'a | "b": c'), ("one two  # three", "one two"),
                            (">-\n  one\n  two", "one two"), ("", "")):
            self.assertEqual(docs_tables.words(text), words)
        for text in ("[1, 2]", "{a: b}", "'one'"):
            self.assertRaises(SystemExit, docs_tables.words, text)
        self.assertRaises(SystemExit, docs_tables.with_tables, "no markers", "")


RECORD = {"claim": "sink_onset", "kind": "mechanism", "edition": 2, "profile": "cpu", "model": {"name": "small"}, "verdict": "fail",
          "bearing": "contradicts", "variations": [{"agrees": True}, {"agrees": False}, {"agrees": None}],
          "stages": [{"spike": 3, "verdict": "fail"}, {"spike": 12, "verdict": "pass"}, {"spike": 0, "verdict": "pass"}],
          "criteria": [{"metric": "share", "op": ">", "threshold": 0.5, "outcome": "fail"}],
          "checks": [{"metric": "share_null", "op": "<", "threshold": 2000, "outcome": "pass"}], "version": 2, "standing": "confirmatory",
          "controls": [{"metric": "share_null", "of": "share", "fraction": 0.2, "outcome": "negative"}],
          "metrics": [{"name": "share", "value": 0.25, "low": 0.1, "high": 0.3}, {"name": "share", "value": 9},
                      {"name": "share_null", "value": 1234.5}]}


class Results(unittest.TestCase):
    robustness = {"small": {"weight noise 10": {"sink_onset": "fail"}, "weight noise 2": {"sink_onset": "pass", "emergence": "pass"}}}
    claims = [{"id": "sink_onset", "kind": "mechanism", "family": "pretrained"}, {"id": "emergence", "kind": "training", "family": "beyond"}]

    def tables(self, *records):
        with tempfile.TemporaryDirectory() as scratch:
            for number, record in enumerate(records):
                folder = pathlib.Path(scratch, "run", str(number))
                folder.mkdir(parents=True)
                (folder / "record.json").write_text(json.dumps(record), "utf-8")
            return results_tables.tables(self.claims, results_tables.read_runs(pathlib.Path(scratch)), self.robustness)

    def test_a_claim_has_its_verdict_and_what_was_judged(self):
        rows = self.tables(RECORD).splitlines()
        self.assertIn("| claim | small (confirmatory) |", rows)
        self.assertIn("| `sink_onset` | **fail**, contradicts; layer 12: pass; 1 of 2 |", rows)
        self.assertIn("| `sink_onset` | `share` | > 0.5 | **0.25 [0.1, 0.3]** |", rows)
        self.assertIn("| `sink_onset` | `share_null` | check: < 2000 | 1234 |", rows)
        self.assertIn("| `sink_onset` | `share_null` | control: below 0.2 x `share` | 1234 |", rows)

    def test_verdicts_that_change_with_the_weights_are_named(self):
        rows = self.tables(RECORD).splitlines()
        first = rows.index("| small | weight noise 2 | 1 | 1 | `sink_onset`: fail to pass |")
        self.assertEqual(rows[first + 1], "| small | weight noise 10 | 1 | 0 |  |")

    def test_what_another_edition_judged_is_left_out(self):
        for edition in ({"edition": 1}, {}):
            record = {key: value for key, value in RECORD.items() if key != "edition"} | edition
            self.assertNotIn("sink_onset", self.tables(record))

    def test_models_stand_beside_each_other_and_training_apart(self):
        other = RECORD | {"model": {"name": "another"}, "verdict": "pass", "bearing": "supports", "stages": [], "variations": []}
        training = RECORD | {"claim": "emergence", "kind": "training", "stages": [], "variations": []}
        text = self.tables(RECORD, other, training)
        self.assertIn("| `sink_onset` | pass, supports | **fail**, contradicts; layer 12: pass; 1 of 2 |", text)
        self.assertIn("| claim | cpu (confirmatory) |", text[text.index("training"):])

    def test_a_step_has_the_number_of_each_stage_of_its_own(self):
        numbers = [{"name": "onset_correlation", "value": value, "low": value - 0.1, "high": value + 0.1, "where": where}
                   for value, where in ((0.25, {"spike": 3}), (0.5, {"spike": 12}), (0.75, {"spike": 0}), (9, {}))]
        record = RECORD | {"metrics": numbers}
        cells = {"**fail**: 0.25 [0.15, 0.35]; layer 12: pass, 0.5": record, "not applicable": record | {"verdict": "not applicable", "bearing": "silent"},
                 "pass: 9 [8.9, 9.1]": record | {"verdict": "pass", "bearing": "silent", "stages": [], "metrics": numbers[3:]},
                 "inconclusive": record | {"verdict": "inconclusive", "bearing": "silent", "metrics": []}}
        text = findings_tables.tables({str(number): {"sink_onset": one} for number, one in enumerate(cells.values())})
        self.assertIn("| " + " | ".join(cells) + " |", text)

    def test_a_number_of_the_paper_stands_beside_ours(self):
        locking = RECORD | {"claim": "qk_locking", "metrics": [{"name": "sink_key_alignment", "value": 0.25, "low": 0.1, "high": 0.3}]}
        rows = [line for line in self.tables(locking).splitlines() if line.startswith("| `qk_locking` | alignment")]
        self.assertEqual(len(rows), 1)
        self.assertTrue(rows[0].endswith("| 1 | small | 0.25 [0.1, 0.3] | 0.25 |"), rows[0])


PREDICTIONS = """# a comment
models:
  small:
    date: 2026-12-31
    sha256: abc
    profile: cpu
    smollm2_commit: 0123456789ab
    claims:
      sink_onset: {version: 2, paper: [0.9, 0.05, 0.05], smollm2: [0.1, 0.8, 0.1], rivals: [0.2, 0.6, 0.2]}
      emergence: {version: 2, paper: [0.9, 0.05, 0.05], smollm2: [0.1, 0.8, 0.1], rivals: [0.5, 0.25, 0.25]}
"""


class Predictions(unittest.TestCase):
    claims = Results.claims
    predictions = prediction_tables.read_predictions(PREDICTIONS)

    def measured(self, *records):
        return prediction_tables.tables(self.claims, self.predictions, {str(name): {record["claim"]: record} for name, record in enumerate(records)})

    def record(self, **changes):
        return RECORD | {"model": {"name": "any", "sha256": "abc"}} | changes

    def test_before_the_model_is_recorded_nothing_is_scored(self):
        text = self.measured()
        self.assertIn("| `sink_onset` | 0.90 / 0.05 / 0.05 | 0.10 / 0.80 / 0.10 | 0.20 / 0.60 / 0.20 |  |", text)
        self.assertNotIn("Brier", text)

    def test_a_verdict_is_scored_by_what_was_predicted_of_it(self):
        text = self.measured(self.record())
        self.assertIn("0.20 | fail |", text)
        self.assertIn("- all claims, 1: the paper 1.715, SmolLM2 0.060, the rivals 0.240\n", text)

    def test_means_are_given_for_the_papers_claims_and_where_a_rival_predicts(self):
        text = self.measured(self.record(), self.record(claim="emergence", verdict="pass"))
        self.assertIn("- all claims, 2: the paper 0.865", text)
        self.assertIn("- claims of the paper, 1: the paper 1.715", text)
        self.assertIn("- claims for which a rival predicts an outcome, 1: the paper 1.715", text)

    def test_only_the_run_that_was_predicted_is_scored(self):
        for changes in ({"model": {"name": "any", "sha256": "another"}}, {"profile": "smoke"}, {"version": 3}, {"standing": "unregistered"},
                        {"standing": "arithmetic"}, {"verdict": "not applicable"}, {"kind": "training"}):
            self.assertNotIn("Brier", self.measured(self.record(**changes)), changes)
        self.assertRaises(SystemExit, self.measured, self.record(), self.record())

    def test_a_line_that_is_laid_out_otherwise_is_not_skipped(self):
        for before, after in (("version: 2, ", "version: 2,  "), ("sha256: abc", "sha265: abc"), ("  small:", "  small:  # a model"),
                              ("      emergence", "      sink_onset")):
            self.assertRaises(SystemExit, prediction_tables.read_predictions, PREDICTIONS.replace(before, after))

    def test_equal_probabilities_score_two_thirds(self):
        for verdict in prediction_tables.OUTCOMES:
            self.assertAlmostEqual(prediction_tables.brier([1 / 3] * 3, verdict), 2 / 3)

    def test_what_was_predicted_follows_the_rules(self):
        claims = {claim["id"] for claim in docs_tables.read_claims(pathlib.Path(ROOT, "configs", "claims")) if claim["kind"] != "training"}
        reasons = dict(re.findall(r"^\| `(\w+)` \| (pass|fail), (?:in)?directly \|", read("docs", "predictions.md"), re.MULTILINE))
        for model in prediction_tables.read_predictions(read("configs", "predictions.yaml")).values():
            self.assertEqual(set(model["claims"]), claims)
            for claim, forecasts in model["claims"].items():
                self.assertEqual((forecasts["paper"], sorted(forecasts["smollm2"])), ([0.9, 0.05, 0.05], [0.1, 0.1, 0.8]), claim)
                likely = prediction_tables.OUTCOMES[forecasts["rivals"].index(max(forecasts["rivals"]))]
                if claim in reasons:
                    self.assertEqual(likely, reasons[claim], claim)
                    self.assertIn(sorted(forecasts["rivals"]), ([0.15, 0.15, 0.7], [0.2, 0.2, 0.6]), claim)
                else:
                    self.assertEqual(forecasts["rivals"], prediction_tables.NO_PREDICTION, claim)

    def test_what_was_predicted_is_not_changed_afterwards(self):
        """A prediction of a further model may follow. These lines must not change."""
        registered = "".join(line for line in read("configs", "predictions.yaml").splitlines(True)[:29])
        self.assertEqual(hashlib.sha256(registered.encode()).hexdigest(), "853284c21170f5c6728129005ad066b17b0137f62027c38dd9e971e56d6a04a7")


COUNTS = """# a comment
claims:
  sink_onset:
    null_runs: 300
    false_passes: 2
    uninformative: 7
    near_miss_runs: 0
    near_miss_passes: 0
    planted_runs: 100
    missed: 0
    controls:
      a_control: {runs: 100, fired: 97}
"""


class Calibration(unittest.TestCase):
    def test_a_claim_has_its_counts_with_bounds_and_its_controls(self):
        text = calibration_tables.tables(Results.claims, calibration_tables.read_counts(COUNTS))
        self.assertIn("| `sink_onset` | 2 of 300 (at most 2.1%) |  | 0 of 100 (at most 3%) |", text)
        self.assertIn("| `sink_onset` | `a_control` | 97 of 100 |", text)
        self.assertNotIn("emergence", text)

    def test_bounds_are_those_of_clopper_and_pearson(self):
        for case in json.loads(read("tests", "golden", "binomial_bound.json")):
            self.assertAlmostEqual(calibration_tables.upper_bound(case["successes"], case["n"]), case["upper"], places=9)


# A fence, or code within a line: what looks like a link there is none.
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^()\s]+)\)")


def pages():
    """Every page that is written for readers of the sources."""
    return [pathlib.Path(ROOT, "README.md"), pathlib.Path(ROOT, "CONTRIBUTING.md"), pathlib.Path(ROOT, "results", "LOG.md"),
            *sorted(pathlib.Path(ROOT, "docs").glob("*.md"))]


def anchors(text):
    """The anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page):
    """Relative links of a page that lead to no file, or to no heading of it."""
    for link in LINK.finditer(CODE.sub("", page.read_text("utf-8"))):
        path, _, anchor = link["target"].partition("#")
        target = page.parent / path if path else page
        if "://" in path or path.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text("utf-8"))):
            yield link["target"]


class Pages(unittest.TestCase):
    def test_relative_links_lead_somewhere(self):
        links = sum(len(LINK.findall(page.read_text("utf-8"))) for page in pages())
        self.assertGreater(links, 100)
        self.assertEqual({page.name: broken for page in pages() if (broken := list(broken_links(page)))}, {})

    def test_a_link_that_leads_nowhere_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder, "page.md")
            page.write_text("# One, two\n[a](page.md) [b](#one-two) [c](page.md#one-two) [d](https://example.org/x) `[e](code.md)`\n"
                            "```\n[f](fence.md)\n# Three\n```\n[g](none.md) ![h](none.png) [i](#three) [j](page.md#two)\n", "utf-8")
            self.assertEqual(list(broken_links(page)), ["none.md", "none.png", "#three", "page.md#two"])

    def test_the_index_has_every_page(self):
        linked = {path.partition("#")[0] for path in LINK.findall(read("docs", "index.md"))}
        self.assertLessEqual(set(os.listdir(os.path.join(ROOT, "docs"))) - {"index.md"}, linked)

    def test_what_follows_comes_after_and_not_behind(self):
        for page in (page for page in pages() if page.name not in ("CONTRIBUTING.md", "LOG.md")):
            self.assertEqual(re.findall(r".*\bbehind\b.*", page.read_text("utf-8")), [], page.name)

    def test_the_first_page_is_short(self):
        lines = read("README.md").splitlines()
        self.assertLessEqual(len(lines), 150)
        self.assertEqual([line for line in lines if len(line) > 120], [])


if __name__ == "__main__":
    unittest.main()
