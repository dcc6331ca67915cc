"""python/: the package reads recorded runs as they are, tells damaged ones by name, and starts the program. The program that is
started here is made up: it copies a recorded run to what --out names."""

import collections
import contextlib
import csv
import importlib.util
import io
import json
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import unittest.mock
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "results" / "reference"
RUNS = sorted(REFERENCE.glob("cpu-*"))
SMOLLM2 = REFERENCE / "cpu-smollm2"
CLAIMS = ("sink_onset", "dimension_disparity", "rank_collapse")

sys.path.insert(0, str(ROOT / "python"))

import pandas as pd  # pylint: disable=wrong-import-position

import sinkrep  # pylint: disable=wrong-import-position
from sinkrep import plotting, program  # pylint: disable=wrong-import-position


def records(run):
    """The records of a run by claim, read without the package."""
    return {file.parent.name: json.loads(file.read_text("utf-8")) for file in run.glob("*/record.json")}


def same(ours, theirs):
    """Whether two numbers are one; what a record does not have is None, and NaN in a table."""
    return math.isnan(ours) if theirs is None else ours == theirs


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name).resolve()

    def copied(self, *claims):
        """A run of some claims of a recorded one, to be changed."""
        run = self.folder / "run"
        for claim in claims:
            shutil.copytree(SMOLLM2 / claim, run / claim)
        return run

    def fails(self, *words, run=None):
        """The message of the RunError that reading ends with: one line that holds these words."""
        with self.assertRaises(sinkrep.RunError) as raised:
            sinkrep.read(run or self.folder / "run")
        message = str(raised.exception)
        self.assertNotIn("\n", message)
        for word in words:
            self.assertIn(str(word), message)
        return message


class Reading(unittest.TestCase):
    def test_every_number_is_the_record_s(self):
        for folder in RUNS:
            run, known = sinkrep.read(folder), records(folder)
            self.assertEqual(set(run.claims), set(known))
            for name, claim in run.items():
                self.assertEqual((claim.verdict, claim.reason, claim.title), tuple(known[name][key] for key in ("verdict", "reason", "title")))
                self.check_metrics(claim.metrics, known[name]["metrics"])
                self.assertEqual(claim.curves, [(one["name"], one["inputs"]) for one in known[name]["series"]])
            self.check_tables_of_the_run(run, known)

    def check_metrics(self, table, metrics):
        self.assertEqual(len(table), len(metrics))
        for row, metric in zip(table.to_dict("records"), metrics):
            self.assertEqual((row["metric"], row["n"], row["inputs"]), (metric["name"], metric["n"], metric["inputs"]))
            self.assertTrue(all(same(row[key], metric.get(key)) for key in ("value", "low", "high")), metric)
            self.assertEqual({key: row[key] for key in table.columns[6:] if pd.notna(row[key])}, metric.get("where", {}))

    def check_tables_of_the_run(self, run, known):
        self.assertEqual(len(run.metrics), sum(len(record["metrics"]) for record in known.values()))
        self.assertEqual(len(run.curves), sum(len(series["x"]) for record in known.values() for series in record["series"]))
        self.assertEqual(run.metrics["value"].sum(), sum(run[claim].metrics["value"].sum() for claim in run) or 0)

    def test_a_curve_has_its_axis_and_its_interval(self):
        series = records(SMOLLM2)["sink_onset"]["series"]
        claim = sinkrep.read(SMOLLM2)["sink_onset"]
        for name, inputs in (("excess_attention", "natural"), ("excess_attention", "random"), ("max_excess_attention_by_length", "natural")):
            known = next(one for one in series if (one["name"], one["inputs"]) == (name, inputs))
            curve = claim.curve(name, inputs)
            self.assertEqual(list(curve.columns), [known["axis"], "y", "low", "high"])
            for column, key in zip(curve.columns, ("x", "y", "low", "high")):
                self.assertEqual(list(curve[column]), known[key])
        self.assertTrue(claim.curve("excess_attention").equals(claim.curve("excess_attention", "natural")))
        self.assertEqual(str(claim.curve("excess_attention")["layer"].dtype), "int64")
        self.assertTrue(sinkrep.read(SMOLLM2)["variance_discrepancy"].curve("predicted_variance")["low"].isna().all())

    def test_the_number_that_decided_is_the_report_s(self):
        """Of a fail and an open verdict it stands in the reason, as the program wrote it."""
        counted = collections.Counter()
        for folder in RUNS:
            for name, row in sinkrep.read(folder).verdicts.iterrows():
                if not isinstance(row["metric"], str):
                    self.assertNotIn(row["verdict"], ("pass", "fail"), name)
                    continue
                counted[row["op"]] += 1
                if row["verdict"] != "pass":
                    stated = re.search(rf"\b{row['metric']} = (-?[0-9.e+-]*[0-9])", row["reason"])
                    self.assertTrue(stated and math.isclose(float(stated[1]), row["value"], rel_tol=1e-3), (name, row["reason"]))
        self.assertTrue({">", "<", ">=", "within"} <= set(counted), counted)

    def test_verdicts_have_what_the_records_have(self):
        row = sinkrep.read(SMOLLM2).verdicts.loc["falsification_densify"]
        record = records(SMOLLM2)["falsification_densify"]
        control = next(one for one in record["controls"] if one["outcome"] == "fires")
        effect = next(one for one in record["metrics"] if one["name"] == control["of"] and one["where"]["spike"] == record["stages"][0]["spike"])
        self.assertEqual((row["metric"], row["op"]), (control["metric"], "within"))
        self.assertAlmostEqual(row["threshold"], control["fraction"] * abs(effect["value"]))
        told = [one["agrees"] for one in record["variations"] if one["agrees"] is not None]
        self.assertEqual((row["agree"], row["told"], row["seconds"]), (sum(told), len(told), record["seconds"]))
        for key in ("title", "kind", "standing", "bearing", "known_verdict"):
            self.assertEqual(row[key] if pd.notna(row[key]) else None, record[key])

    def test_claims_stand_in_the_order_of_the_report(self):
        for folder in RUNS:
            summary = json.loads((folder / "summary.json").read_text("utf-8"))
            self.assertEqual(sinkrep.read(folder).claims, [one["claim"] for one in summary["claims"]])

    def test_samples_are_those_of_the_file(self):
        for claim in ("sink_onset", "dimension_disparity"):
            with open(SMOLLM2 / claim / "samples.csv", newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            table = sinkrep.read(SMOLLM2)[claim].samples()
            self.assertEqual(list(table["value"]), [float(row["value"]) for row in rows])
            self.assertEqual(list(table["unit"]), [int(row["unit"]) for row in rows])
            spikes = [row["where"].partition("spike=")[2] for row in rows]
            if any(spikes):
                self.assertEqual([str(spike) for spike in table["spike"]], spikes)

    def test_old_records_are_read_as_far_as_they_go(self):
        run = sinkrep.read(REFERENCE / "cpu-long")
        self.assertEqual({record["schema"] for record in records(run.path).values()}, {1})
        self.assertEqual(set(run.verdicts["verdict"]), {"fail", "inconclusive", "skipped"})
        self.assertTrue(run.verdicts[["standing", "bearing", "agree", "told"]].isna().all(axis=None))
        self.assertGreater(len(run.curves), 100)
        self.assertEqual(run.model["name"], "trained here on prose")

    def test_maps_are_tables(self):
        known = records(SMOLLM2)["mask_induced_sink"]["maps"]
        for ours, theirs in zip(sinkrep.read(SMOLLM2)["mask_induced_sink"].maps, known):
            self.assertEqual((ours.name, ours.inputs, ours.title, ours.where), tuple(theirs[key] for key in ("name", "inputs", "title", "where")))
            self.assertTrue(all(same(a, b) for row, known_row in zip(ours.values.to_numpy(), theirs["values"]) for a, b in zip(row, known_row)))
        self.assertEqual(len(known), 2)

    def test_what_is_changed_in_a_table_or_a_record_stays_there(self):
        run = sinkrep.read(SMOLLM2)
        verdicts = run.verdicts
        verdicts.loc["sink_onset", "verdict"] = "pass"
        self.assertEqual(run.verdicts["verdict"]["sink_onset"], "inconclusive")
        run.record("sink_onset")["metrics"].clear()
        run.model["name"] = "another"
        self.assertEqual(run.record("sink_onset"), records(SMOLLM2)["sink_onset"])
        self.assertEqual(run.model, records(SMOLLM2)["sink_onset"]["model"])

    def test_a_run_and_a_claim_show_themselves(self):
        run = sinkrep.read(SMOLLM2)
        self.assertEqual(repr(run), f"<Run {str(SMOLLM2)!r}: smollm2, profile cpu, 28 claims: 11 inconclusive, 8 pass, 8 fail, 1 not run>")
        self.assertEqual(repr(run["rank_collapse"]), f"<Claim rank_collapse: fail, {run['rank_collapse'].reason}>")
        for shown in (run._repr_html_(), run["sink_onset"]._repr_html_()):  # pylint: disable=protected-access
            self.assertIn("sink_onset", shown)
            self.assertIn("&gt;=", shown)
            self.assertNotIn(">=", shown)


class Names(unittest.TestCase):
    def test_an_unknown_name_is_a_key_error_with_near_ones(self):
        run = sinkrep.read(SMOLLM2)
        cases = (
            (lambda: run["sink_onsett"], "no claim is called 'sink_onsett': did you mean sink_onset"),
            (lambda: run.record("zzz"), "no claim is called 'zzz': there are variance_discrepancy, "),
            (lambda: run["sink_onset"].curve("exces_attention"), "did you mean excess_attention"),
            (lambda: run["sink_onset"].curve("norm"), "first_token_norm"),
            (lambda: run["sink_onset"].curve("sink_rate", "prose"), "there are natural, random, repeated"),
            (lambda: run["dense_ffn"].curve("norm"), "there are none"),
            (lambda: run["sink_onset"].plot(6), "5: The sink against the length of the text"),
        )
        for ask, words in cases:
            with self.assertRaises(KeyError) as raised:
                ask()
            self.assertIsInstance(raised.exception, sinkrep.UnknownName)
            self.assertIn(words, str(raised.exception))
        self.assertNotIn("sink_onsett", run)
        self.assertIsNone(run.get("sink_onsett"))


class Damage(InAFolder):
    def test_a_damaged_record_is_told_by_its_file(self):
        whole = (SMOLLM2 / "sink_onset" / "record.json").read_text("utf-8")
        broken = (
            ("empty", "", "it is not JSON"),
            ("truncated", whole[:5000], "it is not JSON"),
            ("a list", "[1, 2]", "it is no JSON object"),
            ("a number", "7", "it is no JSON object"),
            ("null", "null", "it is no JSON object"),
            ("an object without a claim", "{}", "it has no claim"),
            ("not UTF-8", b"\xff\xfe{\x00}\x00", "it is not UTF-8"),
            ("a byte in the middle", whole[:300].encode() + b"\xe9" + whole[300:].encode(), "it is not UTF-8"),
            ("nested without end", "[" * 100_000, "it is not JSON"),
            ("zeros", b"\0" * 4096, "it is not JSON"),
        )
        for what, content, words in broken:
            file = self.copied("sink_onset") / "sink_onset" / "record.json"
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            with self.subTest(what):
                self.fails(file, words, "restore the file or measure the claim again")
            shutil.rmtree(self.folder / "run")

    def test_a_field_of_another_kind_is_told(self):
        def first(key, **changes):
            return lambda record: record[key][0].update(changes)
        changes = (
            (lambda record: record.pop("verdict"), "it has no verdict"),
            (lambda record: record.update(claim="emergence"), "the record of another claim, emergence"),
            (lambda record: record.update(claim=["sink_onset"]), "it has no claim"),
            (lambda record: record.update(metrics={}), "metrics is no list of objects"),
            (lambda record: record.update(metrics=[1]), "metrics is no list of objects"),
            (lambda record: record.update(metrics=None), "metrics is no list of objects"),
            (lambda record: record.update(model="smollm2"), "model is no object"),
            (lambda record: record.update(seconds="long"), "seconds is no number"),
            (first("metrics", value="0.5"), "value is no number in an entry of metrics"),
            (first("metrics", name=3), "name is no text in an entry of metrics"),
            (first("metrics", where=[3]), "where is no object in an entry of metrics"),
            (lambda record: record["metrics"][0].pop("name"), "an entry of metrics has no name"),
            (first("series", y=[1.0]), "attention_to_first has columns of different lengths"),
            (first("series", low=[1.0]), "attention_to_first has columns of different lengths"),
            (first("series", y="none"), "attention_to_first has something that is no number"),
            (first("series", x=[{}] * 30), "attention_to_first has something that is no number"),
            (first("criteria", threshold="much"), "threshold is no number in an entry of criteria"),
            (first("panels", curves=[{}]), "an entry of the curves of a panel has no series"),
            (lambda record: record.update(maps=[{"name": "a", "values": [[1], [1, 2]]}]), "a has columns of different lengths"),
        )
        run = self.copied("sink_onset")
        file, whole = run / "sink_onset" / "record.json", records(SMOLLM2)["sink_onset"]
        for change, words in changes:
            record = json.loads(json.dumps(whole))
            change(record)
            file.write_text(json.dumps(record), "utf-8")
            with self.subTest(words):
                self.fails(file, words)

    def test_what_is_no_run_is_told(self):
        self.fails("there is no such run", "name a run's folder")
        (self.folder / "run").mkdir()
        self.fails("no records", self.folder / "run")
        (self.folder / "run" / "sink_onset").mkdir()
        self.fails("no records")
        self.fails("this is a file", run=SMOLLM2 / "summary.json")
        self.fails("the folder of one claim", f"name the run's, {SMOLLM2}", run=SMOLLM2 / "sink_onset")
        self.fails("name one of its runs", REFERENCE / "cpu-", run=REFERENCE)
        (self.folder / "run" / "sink_onset" / "record.json").mkdir()
        self.fails("the record cannot be read")

    def test_what_a_record_lacks_is_missing_in_the_tables(self):
        run = self.folder / "run" / "sink_onset"
        run.mkdir(parents=True)
        (run / "record.json").write_text('{"claim": "sink_onset", "verdict": "pass", "schema": 9, "of a later edition": [1]}')
        found = sinkrep.read(run.parent)
        self.assertEqual((len(found.metrics), len(found.curves), found.model, found["sink_onset"].maps), (0, 0, {}, []))
        self.assertTrue(found.verdicts.drop(columns="verdict").isna().all(axis=None))
        self.assertEqual(repr(found), f"<Run {str(run.parent)!r}: unknown model, profile unknown, 1 claim: 1 pass>")

    def test_samples_that_are_not_there_or_damaged_are_told(self):
        run = self.copied("sink_onset")
        claim, file = sinkrep.read(run)["sink_onset"], run / "sink_onset" / "samples.csv"
        header = b"metric,inputs,where,unit,value\n"
        for content, words in ((b"", "damaged"), (b"a,b\n1,2\n", "the columns are not"), (header + b"a,b,,0,1,2,3\n", "damaged"),
                               (header + b"a,b,,0,many\n", "damaged"), (header + b"\xff,b,,0,1\n", "damaged"),
                               (header + b"a,b,spike,0,1\n", "damaged"), (header + b"a,b,spike=x,0,1\n", "damaged"), (None, "kept no samples")):
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)
            with self.subTest(content), self.assertRaises(sinkrep.RunError) as raised:
                claim.samples()
            self.assertIn(words, str(raised.exception))
            self.assertIn(str(file), str(raised.exception))

    def test_a_value_that_was_not_finite_is_nan(self):
        run = self.copied("sink_onset")
        (run / "sink_onset" / "samples.csv").write_text('metric,inputs,where,unit,value\n"a, b",NA,layer=2;spike=3,0,-nan\na,None,,1,2.5\n')
        table = sinkrep.read(run)["sink_onset"].samples()
        self.assertEqual((list(table["metric"]), list(table["inputs"]), list(table.columns)),
                         (["a, b", "a"], ["NA", "None"], ["metric", "inputs", "layer", "spike", "unit", "value"]))
        self.assertTrue(math.isnan(table["value"][0]) and table["layer"][0] == 2 and pd.isna(table["layer"][1]))


@unittest.skipUnless(importlib.util.find_spec("matplotlib"), "no matplotlib")
@unittest.mock.patch.dict(os.environ, MPLBACKEND="Agg")
class Plots(unittest.TestCase):
    def test_a_panel_is_drawn_as_the_record_says(self):
        from matplotlib import pyplot  # pylint: disable=import-outside-toplevel
        self.addCleanup(pyplot.close, "all")
        claim = sinkrep.read(SMOLLM2)["sink_onset"]
        panel = claim.record["panels"][2]
        axes, = claim.plot(3).axes
        self.assertEqual((axes.get_title(), axes.get_xscale(), axes.get_yscale()), (panel["title"], "linear", "log"))
        self.assertEqual([line.get_label() for line in axes.lines], [curve["label"] for curve in panel["curves"]])
        self.assertEqual(list(axes.lines[0].get_ydata()), list(claim.curve("first_token_norm")["y"]))
        self.assertEqual(len(axes.collections), 3)
        axes, = claim.plot(2).axes
        self.assertEqual(axes.lines[-1].get_ydata()[0], panel_threshold(claim, 2))

    def test_all_panels_make_one_figure(self):
        from matplotlib import pyplot  # pylint: disable=import-outside-toplevel
        self.addCleanup(pyplot.close, "all")
        claim = sinkrep.read(SMOLLM2)["rank_collapse"]
        titles = [axes.get_title() for axes in claim.plot().axes if axes.get_visible()]
        self.assertEqual((titles, len(titles)), (claim.panels, 3))

    def test_the_colours_are_those_of_the_reports(self):
        yaml = (ROOT / "configs" / "figures.yaml").read_text("utf-8")
        self.assertEqual([colour for colour, _, _ in plotting.STYLES], re.findall(r'colour: "(#\w+)"', yaml))

    def test_a_claim_without_panels_says_so(self):
        with self.assertRaisesRegex(sinkrep.RunError, "dense_ffn has no panels"):
            sinkrep.read(SMOLLM2)["dense_ffn"].plot()


def panel_threshold(claim, number):
    return claim.record["panels"][number - 1]["thresholds"][0]["value"]


# Notes its arguments, copies $RECORDED to what --out names, says two lines and ends with $CODE. With $SLOW it first waits for an
# interrupt, and notes that it came.
MADE_UP = """\
    #!/bin/sh
    printf '%s\\n' "$@" >"$NOTES/arguments"
    while [ $# -gt 0 ]; do
      case $1 in
        --out) out=$2 ;;
        --model) ! [ -d "$2" ] || ls "$2" >"$NOTES/model" ;;
      esac
      shift
    done
    echo "survey" >&2
    if [ -n "$SLOW" ]; then
      trap 'echo interrupt >>"$NOTES/interrupts"; echo "writing" >&2; exit 130' INT
      touch "$NOTES/started"
      for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 0.25; done
    fi
    [ -z "$RECORDED" ] || cp -r "$RECORDED" "${out:-$NOTES/new}"
    echo "replicate: the last line (here): what to do" >&2
    echo "a table"
    [ -z "$RECORDED" ] || echo "${out:-$NOTES/new}/report.html"
    [ -z "$SIGNAL" ] || kill -"$SIGNAL" $$
    exit "${CODE:-0}"
"""


class Config:
    _name_or_path = "some-org/Tiny Model-1B"
    model_type = "llama"


class LiveModel:
    """What a model of `transformers` is to this package."""
    config = Config()
    weights = "model.safetensors"

    def save_pretrained(self, folder):
        pathlib.Path(folder).mkdir()
        (pathlib.Path(folder) / self.weights).write_text("weights")
        self.saved_to = pathlib.Path(folder)  # pylint: disable=attribute-defined-outside-init


class LiveTokenizer:
    def save_pretrained(self, folder):
        (pathlib.Path(folder) / "tokenizer.json").write_text("{}")


class Starting(InAFolder):
    def setUp(self):
        super().setUp()
        self.program = self.folder / "bin" / "made-up"
        self.program.parent.mkdir()
        self.program.write_text(textwrap.dedent(MADE_UP))
        self.program.chmod(0o755)
        self.recorded = self.copied(*CLAIMS)
        self.environment(NOTES=str(self.folder), RECORDED=str(self.recorded))

    def environment(self, **variables):
        patch = unittest.mock.patch.dict(os.environ, variables)
        patch.start()
        self.addCleanup(patch.stop)

    def run_it(self, **options):
        """What run gives, and what it shows."""
        shown = io.StringIO()
        with contextlib.redirect_stderr(shown):
            return sinkrep.run(**{"program": self.program, "out": self.folder / "out", **options}), shown.getvalue()

    def refused(self, **options):
        with self.assertRaises(sinkrep.RunError) as raised:
            self.run_it(**options)
        self.assertNotIn("\n", str(raised.exception))
        return str(raised.exception)

    def arguments(self):
        return (self.folder / "arguments").read_text("utf-8").splitlines()

    def test_it_shows_the_program_s_lines_and_reads_its_run(self):
        run, shown = self.run_it()
        self.assertEqual(shown, "survey\nreplicate: the last line (here): what to do\n")
        self.assertEqual((run.path, set(run)), (self.folder / "out", set(CLAIMS)))
        self.assertEqual(self.arguments(), ["--all", "--out", str(self.folder / "out"), "--offline"])
        shutil.rmtree(self.folder / "out")
        self.assertEqual(self.run_it(progress=False)[1], "")

    def test_it_passes_what_it_is_given(self):
        changes = {"claims.sink_onset.natural.sequences": 4, "sweep_texts": ["code", "NAME"], "weight_noise": 0.5, "a": True, "b": "x y"}
        run, _ = self.run_it(model="smollm2", only="sink_onset", profile="smoke", out=None, device="cpu", set=changes,
                             arguments=["--bos", "on"], download=True)
        self.assertEqual(run.path, self.folder / "new")
        self.assertEqual(self.arguments(), [
            "--only", "sink_onset", "--profile", "smoke", "--device", "cpu", "--set", "claims.sink_onset.natural.sequences=4",
            "--set", 'sweep_texts=["code", "NAME"]', "--set", "weight_noise=0.5", "--set", "a=true", "--set", "b=x y", "--bos", "on", "--yes",
            "--model", "smollm2"])

    def test_several_claims_make_one_pattern(self):
        self.run_it(only=["sink_onset", "intervention"])
        self.assertEqual(self.arguments()[:2], ["--only", "sink_onset,intervention"])
        self.assertIn("only= is an empty list", self.refused(only=[]))

    def test_a_path_is_no_name(self):
        for model, said in ((pathlib.Path("smollm2"), os.path.abspath("smollm2")), ("~/m.gguf", os.path.expanduser("~/m.gguf")),
                            ("smollm2", "smollm2")):
            self.run_it(model=model)
            self.assertEqual(self.arguments()[-2:], ["--model", said])
            shutil.rmtree(self.folder / "out")

    def test_a_live_model_is_saved_for_as_long_as_the_run_takes(self):
        model = LiveModel()
        self.run_it(model=model, tokenizer=LiveTokenizer())
        self.assertEqual((self.folder / "model").read_text().split(), ["model.safetensors", "tokenizer.json"])
        self.assertEqual(self.arguments()[-1], str(model.saved_to))
        self.assertEqual(model.saved_to.name, "Tiny_Model-1B")
        self.assertFalse(model.saved_to.parent.exists())
        self.environment(CODE="2")
        self.refused(model=model)
        self.assertFalse(model.saved_to.parent.exists())

    def test_what_is_no_model_is_refused(self):
        old = LiveModel()
        old.weights = "pytorch_model.bin"
        self.assertIn("without safetensors", self.refused(model=old))
        self.assertIn("this is no model (int)", self.refused(model=7))
        self.assertIn("tokenizer= belongs to a live model", self.refused(model="smollm2", tokenizer=LiveTokenizer()))
        self.assertFalse((self.folder / "arguments").exists())

    def test_exit_codes(self):
        self.environment(CODE="1")
        self.assertEqual(len(self.run_it()[0]), len(CLAIMS))
        self.environment(CODE="2")
        self.assertEqual(self.refused(), "replicate: the last line (here): what to do")
        for code in ("4", "127", "130"):
            self.environment(CODE=code)
            self.assertEqual(self.refused(progress=False), "replicate: the last line (here): what to do")
        self.environment(SIGNAL="KILL")
        self.assertIn("ended by signal 9 (SIGKILL); its last line: replicate: the last line", self.refused())

    def test_a_claim_that_ended_in_an_error_is_a_warning(self):
        self.environment(CODE="3")
        with self.assertWarnsRegex(UserWarning, "the program ended with 3: replicate: the last line"):
            self.run_it()
        shutil.rmtree(self.folder / "out")
        file = self.recorded / "sink_onset" / "record.json"
        file.write_text(json.dumps(records(SMOLLM2)["sink_onset"] | {"verdict": "error", "reason": "out of memory"}))
        with self.assertWarnsRegex(UserWarning, "sink_onset ended in an error") as warned:
            self.assertEqual(self.run_it()[0]["sink_onset"].reason, "out of memory")
        self.assertEqual(warned.filename, __file__)

    def test_a_run_that_left_nothing_is_an_error(self):
        self.environment(RECORDED="")
        for code in ("0", "1", "3"):
            self.environment(CODE=code)
            for out in (None, self.folder / "out"):
                self.assertRegex(self.refused(out=out), f"the program ended with {code} and left no run that can be read: replicate: the last")

    def test_the_program_is_looked_for(self):
        checkout = self.folder / "checkout"
        (checkout / "configs" / "claims").mkdir(parents=True)
        (checkout / "docs").mkdir()
        for file in (checkout / "replicate", self.folder / "bin" / "replicate"):
            shutil.copy(self.program, file)
        self.addCleanup(os.chdir, os.getcwd())
        installed = unittest.mock.patch.object(program, "__file__", str(self.folder / "site-packages" / "sinkrep" / "program.py"))
        with installed, unittest.mock.patch.dict(os.environ, PATH=str(self.folder / "bin")):
            os.environ.pop("REPLICATE", None)
            os.chdir(self.folder)
            self.assertEqual(program.find_program(), str(self.folder / "bin" / "replicate"))
            os.chdir(checkout / "docs")
            self.assertEqual(program.find_program(), str(checkout / "replicate"))
            os.environ["REPLICATE"] = str(self.program)
            self.assertEqual(program.find_program(), str(self.program))
            self.assertEqual(program.find_program(checkout / "replicate"), str(checkout / "replicate"))
            os.environ["REPLICATE"] = str(self.folder / "nowhere")
            with self.assertRaisesRegex(sinkrep.RunError, "there is no program that can be started .*REPLICATE is to name"):
                program.find_program()
            del os.environ["REPLICATE"]
            os.environ["PATH"] = str(self.folder)
            os.chdir(self.folder)
            with self.assertRaisesRegex(sinkrep.RunError, "the program was not found: name it with program= or"):
                program.find_program()
        self.assertEqual(program.find_program(), str(ROOT / "replicate"))

    def test_what_cannot_be_started_is_told(self):
        self.program.write_bytes(b"\x7fELF, of another machine")
        self.assertRegex(self.refused(), r"the program cannot be started \(.*made-up\): ")

    def test_ctrl_c_reaches_the_program_once_and_waits_for_it(self):
        self.environment(SLOW="1")
        threading.Thread(target=self.interrupt_when_started, daemon=True).start()
        began = time.monotonic()
        with self.assertRaises(KeyboardInterrupt):
            self.run_it()
        self.assertLess(time.monotonic() - began, 4.5)
        self.assertEqual((self.folder / "interrupts").read_text().splitlines(), ["interrupt"])
        self.assertFalse((self.folder / "out").exists())

    def interrupt_when_started(self):
        while not (self.folder / "started").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)


class Package(unittest.TestCase):
    def test_its_version_is_the_project_s(self):
        cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
        self.assertIn(f'version = "{cited[1]}"', (ROOT / "python" / "pyproject.toml").read_text("utf-8"))

    def test_it_needs_no_matplotlib_to_be_read(self):
        """Nor transformers: both are for those who ask for them."""
        code = "import sys, sinkrep; sys.exit(any(name in sys.modules for name in ('matplotlib', 'transformers', 'torch')))"
        self.assertEqual(subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT / "python", check=False).returncode, 0)


if __name__ == "__main__":
    warnings.simplefilter("error", DeprecationWarning)
    unittest.main()
