"""The comparison of scripts/same_numbers.py sees what moved between two runs, and only that."""

import contextlib
import copy
import io
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import same_numbers  # noqa: E402

SAMPLES = ("metric,inputs,where,unit,value\n"
           "share,natural,,0,0.25\nshare,natural,,1,0.5\nshare,natural,layer=3,0,nan\nshare,natural,layer=3,1,1e-3\n"
           "seconds_ratio,natural,,0,1.5\n")


def metric(name, value, **fields):
    return {"name": name, "where": {}, "value": value, "n": 4, "inputs": "natural", **fields}


RECORD = {
    "schema": 1, "claim": "onset", "title": "The sink has an onset", "seconds": 3.5, "peak_memory_mb": 100.0,
    "environment": {"commit": "a"}, "command": "./replicate", "fingerprint": "f",
    "inputs": [{"label": "natural", "sha256": "00", "sequences": 4, "length": 8}],
    "metrics": [metric("share", 0.1, low=0.05, high=0.2), metric("share", 0.7, where={"layer": 3, "head": 1}),
                metric("none", None, low=None, high=None), metric("seconds_ratio", 1.5, low=1.0, high=2.0)],
    "series": [{"name": "norm", "inputs": "natural", "axis": "layer", "x": [1.0, 2.0], "y": [0.5, None],
                "low": [], "high": []}],
    "maps": [{"name": "attention", "inputs": "natural", "title": "Attention", "where": {"layer": 1},
              "values": [[1.0], [0.5]]}],
    "notes": ["A note."], "unmet": None, "inapplicable": None,
    "criteria": [{"metric": "share", "op": ">", "threshold": 0.2, "outcome": "fail", "p": 0.9}],
    "checks": [{"metric": "share", "op": ">", "threshold": 0.1, "outcome": "pass", "p": 0.0}],
    "controls": [{"metric": "none", "of": "share", "fraction": 0.2, "outcome": "inconclusive", "p": None}],
    "variations": [{"suffix": "t64", "changes": "length: 64", "agrees": True, "reason": ""}],
    "verdict": "fail", "reason": "share = 0.1",
}


def write(folder, records, samples=SAMPLES):
    for claim, record in records.items():
        path = pathlib.Path(folder, claim)
        path.mkdir(parents=True)
        (path / "record.json").write_text(json.dumps(record))
        if samples is not None:
            (path / "samples.csv").write_text(samples)
    return str(folder)


def compared(old, new, old_samples=SAMPLES, new_samples=SAMPLES):
    """-> exit status and what is printed."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
        runs = [write(f"{folder}/old", old, old_samples), write(f"{folder}/new", new, new_samples)]
        return same_numbers.main(runs), printed.getvalue()


def after(change):
    """The comparison of RECORD with itself after `change` of the new one."""
    new = copy.deepcopy(RECORD)
    change(new)
    return compared({"onset": RECORD}, {"onset": new})


def up(number):
    return math.nextafter(number, math.inf)


MOVED = {
    "a value by one ulp": (lambda r: r["metrics"][0].update(value=up(0.1)), "metrics share natural: value: 0.1 -> "),
    "a value to null": (lambda r: r["metrics"][0].update(value=None), "0.1 -> None"),
    "null to a value": (lambda r: r["metrics"][2].update(value=0.0), "None -> 0.0"),
    "zero to minus zero": (lambda r: r["metrics"][2].update(low=-0.0), "None -> -0.0"),
    "a bound by one ulp": (lambda r: r["metrics"][0].update(high=up(0.2)), "high: 0.2 -> "),
    "a bound that is gone": (lambda r: r["metrics"][0].pop("low"), "low: 0.05 -> 'absent'"),
    "a bound that is new": (lambda r: r["metrics"][1].update(low=0.6), "low: 'absent' -> 0.6"),
    "n": (lambda r: r["metrics"][0].update(n=3), "n: 4 -> 3"),
    "a metric removed": (lambda r: r["metrics"].pop(1), "metrics share natural head=1;layer=3"),
    "a metric of another place":
        (lambda r: r["metrics"][1].update(where={}), "Removed:\n  onset: metrics share natural head=1;layer=3"),
    "a duplicate before the judged one": (lambda r: r["metrics"].insert(0, metric("share", 0.3)), "value: 0.1 -> 0.3"),
    "a series by one ulp": (lambda r: r["series"][0].update(y=[up(0.5), None]), "series norm natural: y[0]: 0.5 -> "),
    "a series to null": (lambda r: r["series"][0].update(x=[1.0, None]), "x[1]: 2.0 -> None"),
    "a shorter series": (lambda r: r["series"][0].update(x=[1.0], y=[0.5]), "y: '2 values' -> '1 values'"),
    "a map": (lambda r: r["maps"][0].update(values=[[1.0], [up(0.5)]]),
              "maps attention natural layer=1: values[1][0]: 0.5 -> "),
    "a map removed": (lambda r: r.update(maps=[]), "maps attention natural layer=1"),
    "a metric of time removed": (lambda r: r["metrics"].pop(3), "Removed:\n  onset: metrics seconds_ratio natural"),
    "the verdict": (lambda r: r.update(verdict="pass"), "verdict: verdict: 'fail' -> 'pass'"),
    "a criterion's outcome":
        (lambda r: r["criteria"][0].update(outcome="pass"), "criteria share >: outcome: 'fail' -> 'pass'"),
    "a criterion's threshold": (lambda r: r["criteria"][0].update(threshold=0.3), "threshold: 0.2 -> 0.3 (0.5)"),
    "a p value": (lambda r: r["criteria"][0].update(p=up(0.9)), "p: 0.9 -> "),
    "a criterion removed": (lambda r: r.update(criteria=[]), "criteria share >"),
    "a control's outcome": (lambda r: r["controls"][0].update(outcome="fires"), "controls none share: outcome"),
    "a control's fraction": (lambda r: r["controls"][0].update(fraction=0.1), "fraction: 0.2 -> 0.1"),
    "a check's outcome": (lambda r: r["checks"][0].update(outcome="fail"), "checks share >: outcome: 'pass' -> 'fail'"),
    "a variation that agrees":
        (lambda r: r["variations"][0].update(agrees=False), "variations t64: agrees: True -> False"),
    "a variation removed": (lambda r: r.update(variations=[]), "variations t64"),
    "other inputs": (lambda r: r["inputs"][0].update(sha256="01"), "inputs natural: sha256: '00' -> '01'"),
}

EQUAL = {
    "nothing": (lambda r: None, "same numbers"),
    "the reason": (lambda r: r.update(reason="share is 0.1"), "+ share is 0.1"),
    "a note": (lambda r: r["notes"].append("Another."), "+ A note. Another."),
    "a title": (lambda r: r.update(title="T"), "+ T"),
    "why there is no number": (lambda r: r.update(unmet="no sink"), "+ no sink"),
    "a map's title": (lambda r: r["maps"][0].update(title="T"), "+ T"),
    "a variation's reason": (lambda r: r["variations"][0].update(reason="R"), "+ R"),
    "order": (lambda r: r["metrics"].reverse() or r["metrics"].insert(0, r["metrics"].pop()), "0 differ"),
    "time, memory, environment, command, fingerprint and schema":
        (lambda r: r.update(seconds=1.0, peak_memory_mb=1.0, environment={}, command="c", fingerprint="g", schema=2),
         "0 differ"),
    "a metric of time": (lambda r: r["metrics"][3].update(value=9.0, low=8.0), "0 differ"),
    "fields that are not known": (lambda r: (r.update(stages=[]), r["metrics"][0].update(unit="share")), "0 added"),
    "a metric added": (lambda r: r["metrics"].append(metric("more", 1.0)), "Added:\n  onset: metrics more natural"),
    "a duplicate after the judged one":
        (lambda r: r["metrics"].append(metric("share", 9.0)), "Added:\n  onset: metrics share natural"),
    "a series added": (lambda r: r["series"].append({**r["series"][0], "name": "more"}), "onset: series more natural"),
    "whole numbers without a point": (lambda r: r["series"][0].update(x=[1, 2]), "0 differ"),
}


class Comparison(unittest.TestCase):
    def expect(self, code, table):
        for name, (change, printed) in table.items():
            with self.subTest(name):
                self.assertEqual((code, True), (after(change)[0], printed in after(change)[1]), after(change)[1])

    def test_what_moved_or_is_missing_fails(self):
        self.expect(1, MOVED)

    def test_what_is_worded_ordered_or_added_does_not_fail(self):
        self.expect(0, EQUAL)

    def test_samples_are_compared_in_each_column(self):
        changes = {"": 0, "0.25 0.2500001": 1, "1e-3 nan": 1, "nan 0": 1, "share,natural,,1,0.5\n ": 1,
                   "layer=3 layer=4": 1, "nan -nan": 0, "1e-3 0.001": 0, "1.5 2.5": 0}
        for change, code in changes.items():
            with self.subTest(change):
                old, _, new = change.partition(" ")
                samples = SAMPLES.replace(old, new) if change else SAMPLES
                self.assertEqual(compared({"onset": RECORD}, {"onset": RECORD}, new_samples=samples)[0], code)
        self.assertEqual(compared({"onset": RECORD}, {"onset": RECORD}, new_samples=None)[0], 1)

    def test_a_claim_may_be_added_but_not_removed(self):
        both = {"onset": RECORD, "rank": RECORD}
        self.assertEqual(compared({"onset": RECORD}, both)[0], 0)
        code, printed = compared(both, {"onset": RECORD})
        self.assertEqual(code, 1)
        self.assertIn("Removed:\n  rank: the whole claim\n", printed)

    def test_twenty_differences_are_shown_and_all_are_counted(self):
        old = {claim: {**RECORD, "metrics": [metric(f"m{i}", 1.0) for i in range(15)]} for claim in ("onset", "rank")}
        new = {claim: {**RECORD, "metrics": [metric(f"m{i}", 1.5) for i in range(15)]} for claim in ("onset", "rank")}
        _, printed = compared(old, new)
        self.assertEqual(printed.count("1.0 -> 1.5 (0.5)"), 20)
        self.assertIn("in all: onset 15, rank 15", printed)
        self.assertIn("30 differ", printed.splitlines()[-1])

    def test_two_errors_are_named(self):
        record = {**RECORD, "verdict": "error"}
        code, printed = compared({"onset": record}, {"onset": record})
        self.assertEqual(code, 0)
        self.assertIn("nothing of it was compared: onset", printed)

    def test_runs_that_cannot_be_read_are_told_from_equal_ones(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            whole = write(f"{folder}/whole", {"onset": RECORD})
            broken = write(f"{folder}/broken", {"onset": {"metrics": [{}]}})
            for arguments in ([], [whole], [folder, whole], [broken, whole], [whole, broken]):
                self.assertEqual(same_numbers.main(arguments), 2, arguments)


class Command(unittest.TestCase):
    def test_wrong_usage_is_told_before_anything_is_built(self):
        for arguments in ([], ["--only", "x"], ["no-such-commit"], ["HEAD", "--out", "x"], ["HEAD", "--resume"]):
            run = subprocess.run([ROOT / "scripts" / "same_numbers", *arguments], capture_output=True, text=True)
            self.assertEqual(run.returncode, 2, arguments)
            self.assertTrue(run.stderr, arguments)


if __name__ == "__main__":
    unittest.main()
