#!/usr/bin/env python3
"""Compares the metrics of a run with the values of mechanism_reference.py.

    compare_metrics.py RUN_DIR REFERENCE.json [--tolerance 0.01] [--noise 1e-5] [--claims ID ...]

A metric found on both sides agrees when the run's value is within the tolerance of the reference's, or differs from
it by less than float32 noise, or when the reference lies in the run's interval (or their ranges overlap, where the
reference has a range). The last column says which: an interval over few sequences is wide, so `interval` says
less than `1%`. Lists what only one side has. Exit status 1 if a metric differs, the ids are not the same, or
nothing was compared.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from compare_run import load_run

@dataclass
class Row:
    claim: str
    name: str
    run: dict  # value, low, high
    reference: float
    outcome: str


def key_of(metric):
    where = metric.get("where") or {}
    inside = ",".join(f"{key}={where[key]:g}" for key in ("layer", "neuron", "head") if key in where)
    return f"{metric['name']}[{inside}]" if inside else metric["name"]


def run_metrics(record):
    """name[where] -> metric; the first of a name is the primary condition."""
    found = {}
    for metric in record["metrics"]:
        found.setdefault(key_of(metric), metric)
    return found


def spellings(key, expected, headline_layers):
    """Names under which a run may have the reference's `key`. The headline layer's value may go without a layer."""
    name, _, where = key.partition("[")
    yield key
    if not where:
        yield from (f"{name}[layer={layer}]" for layer in headline_layers if f"{name}[layer={layer}]" not in expected)
    elif "," not in where:
        layer = int(where.strip("]").removeprefix("layer="))
        yield f"{name}_layer{layer}"
        if layer in headline_layers and name not in expected:
            yield name


def outcome(metric, reference, tolerance, noise):
    value, low, high = (metric.get(key) for key in ("value", "low", "high"))
    span = reference if isinstance(reference, dict) else {"value": reference, "low": reference, "high": reference}
    if value is None or span["value"] is None:
        return "both undefined" if value is span["value"] else "DIFFERS"
    difference = abs(value - span["value"])
    if difference <= tolerance * abs(span["value"]):
        return f"{100 * tolerance:g}%"
    if difference <= noise:
        return "noise"
    low, high = (value if bound is None else bound for bound in (low, high))
    return "interval" if low <= span["high"] and span["low"] <= high else "DIFFERS"


def ids_problem(record, inputs):
    hashes = [entry["sha256"] for entry in record.get("inputs", []) if "sha256" in entry]
    if hashes and inputs["sha256"] not in hashes:
        return "the run's token ids are not the reference's"
    return None


def compare_claim(claim, expected, record, headline_layers, arguments):
    """-> rows, names only in the run, names only in the reference"""
    found, rows, used, absent = run_metrics(record), [], set(), []
    for key, reference in expected.items():
        match = next((s for s in spellings(key, expected, headline_layers) if s in found), None)
        if match is None:
            absent.append(key)
            continue
        used.add(match)
        result = outcome(found[match], reference, arguments.tolerance, arguments.noise)
        centre = reference["value"] if isinstance(reference, dict) else reference
        rows.append(Row(claim, match, found[match], centre, result))
    return rows, [key for key in found if key not in used], absent


def show(rows):
    text = lambda v: "-" if v is None else f"{v:.6g}"
    print(f"{'claim':<28} {'metric':<44} {'run':>12} {'interval':>27} {'reference':>12}  agrees")
    for row in rows:
        interval = f"[{text(row.run.get('low'))}, {text(row.run.get('high'))}]"
        line = f"{row.claim:<28} {row.name:<44} {text(row.run.get('value')):>12} {interval:>27}"
        print(f"{line} {text(row.reference):>12}  {row.outcome}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("reference", help="written by mechanism_reference.py")
    parser.add_argument("--tolerance", type=float, default=0.01, help="relative (default: 0.01)")
    parser.add_argument("--noise", type=float, default=1e-5, help="absolute: values that are zero up to rounding")
    parser.add_argument("--claims", nargs="+", help="only these; all of the reference's otherwise")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    whole = json.loads(Path(arguments.reference).read_text())
    headline_layers = [layer for layer in (1, whole["dominant_spike"]) if layer]
    rows, missing, problems = [], [], []
    for claim in arguments.claims or whole["claims"]:
        record = load_run(arguments.run, claim)
        if record is None or claim not in whole["claims"]:
            missing.append(f"{claim}: no record in the run" if record is None else f"{claim}: not in the reference")
            continue
        if problem := ids_problem(record, whole["inputs"]):
            problems.append(f"{claim}: {problem}")
            continue
        compared = compare_claim(claim, whole["claims"][claim], record, headline_layers, arguments)
        rows += compared[0]
        missing += [f"{claim}: {name} is only in the run" for name in compared[1]]
        missing += [f"{claim}: {name} is only in the reference" for name in compared[2]]
    show(rows)
    if missing:
        print("\nNot compared")
    for line in missing + [f"FAIL {problem}" for problem in problems]:
        print(f"  {line}")
    count = lambda name: sum(row.outcome == name for row in rows)
    summary = ", ".join(f"{count(name)} {name}" for name in dict.fromkeys(row.outcome for row in rows))
    print(f"\n{len(rows)} metrics compared: {summary or 'none'}; {len(problems)} other problems")
    sys.exit(1 if problems or not rows or count("DIFFERS") else 0)


if __name__ == "__main__":
    main()
