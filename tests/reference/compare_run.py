#!/usr/bin/env python3
"""Compares the records of a run with the reference values of transformers_reference.py.

    compare_run.py RUN_DIR REFERENCE.json [--tolerance 1e-3] [--floor 1e-2] [--claims ID ...]

For every series of the reference the record of its claim must have a series of the same name and inputs whose
values obey |a - b| <= tolerance * max(|b|, floor), b being the reference. Thresholded series (sink_rate) and
metrics are shown and not judged. Series that the reference marks `optional` may be absent, and so may points that
do not exist (null in the reference). Where the record states the hash of its token ids, it must be the reference's.
RUN_DIR may also be a second REFERENCE.json. Prints the largest deviations; exit status 1 if anything fails.
"""

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

NOT_JUDGED = ("sink_rate",)


@dataclass
class Row:
    claim: str
    name: str
    deviation: float  # |a - b| / max(|b|, floor)
    where: str = ""
    run: float | None = None
    reference: float | None = None
    judged: bool = True
    failed: bool = False
    note: str = ""


def load_run(path, claim):
    """-> record of one claim, or None."""
    path = Path(path)
    if path.is_file():
        whole = json.loads(path.read_text())
        record = whole["claims"].get(claim)
        return record and {**record, "inputs": [whole["inputs"]]}
    file = path / claim / "record.json"
    return json.loads(file.read_text()) if file.is_file() else None


def hash_problem(record, inputs):
    """The record's token ids must be the reference's, else nothing below means anything."""
    for entry in record.get("inputs", []):
        label = entry.get("label", entry.get("kind"))
        if label == inputs["label"] and entry.get("sha256", inputs["sha256"]) != inputs["sha256"]:
            return f"the run's '{label}' ids have another hash than the reference's"
    return None


def deviation(a, b, floor):
    if (a is None) != (b is None):
        return math.inf
    if a is None or a == b:
        return 0.0
    return abs(a - b) / max(abs(b), floor)


def compare_series(claim, expected, record, tolerance, floor):
    name = expected["name"]
    judged = not name.startswith(NOT_JUDGED)
    row = Row(claim, name, 0.0, judged=judged)
    found = [s for s in record["series"] if s["name"] == name and s["inputs"] == expected["inputs"]]
    if not found:
        row.note = "not in the run"
        row.failed = not expected.get("optional", False)
        row.judged = row.failed
        return row
    values = dict(zip(found[0]["x"], found[0]["y"]))
    row.deviation = -1.0
    for x, b in zip(expected["x"], expected["y"]):
        if x not in values and b is not None:
            row.note, row.failed = f"no {expected['axis']} {x} in the run", judged
            continue
        d = deviation(values.get(x), b, floor)
        if d > row.deviation:
            row.deviation, row.where = d, f"{expected['axis']} {x}"
            row.run, row.reference = values.get(x), b
    row.failed = row.failed or (judged and row.deviation > tolerance)
    if not judged:
        row.note = "thresholded, not judged"
    return row


def compare_metrics(claim, expected, record, floor):
    """Metrics are for information: a run may select its layers on sequences of its own."""
    rows = []
    for metric in expected:
        same = lambda m: all(m.get(key) == metric.get(key) for key in ("name", "inputs"))
        placed = [m for m in record["metrics"] if same(m)]
        exact = [m for m in placed if m.get("where") == metric.get("where")] or placed
        if exact:
            a, b = exact[0]["value"], metric["value"]
            where = " ".join(f"{k} {v}" for k, v in metric.get("where", {}).items())
            row = Row(claim, metric["name"], deviation(a, b, floor), where, a, b, judged=False)
            rows.append(row)
    return rows


def show(title, rows):
    text = lambda v: "-" if v is None else f"{v:.7g}"
    print(f"\n{title}")
    print(f"  {'claim':<20} {'name':<40} {'deviation':>10}  {'at':<14} {'run':>14} {'reference':>14}")
    for row in sorted(rows, key=lambda r: (not r.failed, -r.deviation)):
        mark = "FAIL" if row.failed else ""
        size = "-" if row.run is None and row.note else f"{row.deviation:.2e}"
        line = f"  {row.claim:<20} {row.name:<40} {size:>10}  {row.where:<14} {text(row.run):>14}"
        print(f"{line} {text(row.reference):>14} {mark} {row.note}".rstrip())


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder of a run, or a second reference file")
    parser.add_argument("reference", help="written by transformers_reference.py")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--floor", type=float, default=1e-2)
    parser.add_argument("--claims", nargs="+", help="only these; all of the reference's otherwise")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    whole = json.loads(Path(arguments.reference).read_text())
    series, metrics, problems = [], [], []
    for claim in arguments.claims or whole["claims"]:
        if claim not in whole["claims"]:
            problems.append(f"{claim}: not in the reference")
            continue
        record = load_run(arguments.run, claim)
        if record is None:
            problems.append(f"{claim}: no record in the run")
            continue
        problem = hash_problem(record, whole["inputs"])
        if problem:
            problems.append(f"{claim}: {problem}")
            continue
        for expected in whole["claims"][claim]["series"]:
            series.append(compare_series(claim, expected, record, arguments.tolerance, arguments.floor))
        metrics += compare_metrics(claim, whole["claims"][claim]["metrics"], record, arguments.floor)
    show(f"Series: largest |run - reference| / max(|reference|, {arguments.floor:g})", series)
    show("Metrics (for information)", metrics)
    for problem in problems:
        print(f"FAIL {problem}")
    failed = sum(row.failed for row in series)
    judged = sum(row.judged for row in series)
    print(f"\n{judged} series judged at {arguments.tolerance:g}, {failed} failed, {len(problems)} other problems")
    sys.exit(1 if failed or problems or not judged else 0)


if __name__ == "__main__":
    main()
