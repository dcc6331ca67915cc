#!/usr/bin/env python3
"""Keeps a run as a recorded one: results/reference/NAME, with what a reader needs to check its verdicts.

    scripts/keep_run.py RUN NAME

What is kept: the records, the settings, the survey, the report in Markdown, the drawings, and the samples of what is
judged. Samples of described metrics, the log, the tables and report.html are left out, because `replicate report` writes tables
and pages again and the same settings give the same samples. What was recorded there before is replaced. A run of a changed tree is refused: its
commit would not be what made it. Then run scripts/known.py and scripts/docs_tables.py, and commit all of it.
"""

import collections
import csv
import json
import pathlib
import re
import shutil
import sys

REFERENCE = pathlib.Path(__file__).parent.parent / "results" / "reference"
OF_THE_RUN = ("config.yaml", "summary.json", "junit.xml", "report.md", "chain.svg")
OF_A_CLAIM = ("record.json", "attention.json", "plot.svg", "maps.svg")
MOST_BYTES = 6_000_000
MOST_UNITS = 1000  # a share of thousands of tokens is told by its value and their number


def judged_metrics(node):
    """The names of all metrics that a record's criteria, checks and controls name, at every stage."""
    if isinstance(node, list):
        return set().union(*map(judged_metrics, node))
    if not isinstance(node, dict):
        return set()
    own = {node[key] for key in ("metric", "of") if isinstance(node.get(key), str)}
    return own.union(*(judged_metrics(value) for value in node.values()))


def keep_samples(source, target, metrics):
    """Copies the lines of samples.csv whose metric is among those."""
    with open(source, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    units = collections.Counter((row[0], row[2]) for row in rows if len(row) > 2)
    kept = [row for row in rows[1:] if len(row) > 2 and row[0] in metrics and units[row[0], row[2]] <= MOST_UNITS]
    if kept:
        with open(target, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([rows[0], *kept])


def read_records(run):
    """{file: record}, all of one profile, seed and commit, and none from a changed tree."""
    records, made_by = {}, set()
    for file in sorted(run.glob("*/record.json")):
        try:
            record = json.loads(file.read_text("utf-8"))
            claim, commit = record["claim"], record["environment"]["commit"]
            made_by.add((commit, record["profile"], record["seed"]))
        except (ValueError, KeyError, TypeError) as error:
            sys.exit(f"keep_run: no record of a run ({file}): {error!r}")
        if claim != file.parent.name or not re.fullmatch("[a-z0-9_]+", claim):
            sys.exit(f"keep_run: the folder of another claim ({file}): {claim}")
        if not re.fullmatch("[0-9a-f]+", commit):
            sys.exit(f"keep_run: made by a tree with changes, commit {commit} ({file}): commit first, build, and run again")
        records[file] = record
    if not records:
        sys.exit(f"keep_run: no records ({run}): name the folder of a run")
    if len(made_by) > 1:
        sys.exit(f"keep_run: records of more than one commit, profile or seed ({run}): run all claims again")
    return records


def keep(run, target):
    """Replaces the target once all of it is written."""
    records = read_records(run)
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in (*OF_THE_RUN, *(file.name for file in run.glob("survey*.json"))):
        if (run / name).exists():
            shutil.copyfile(run / name, part / name)
    for file, record in records.items():
        folder = part / record["claim"]
        folder.mkdir()
        for name in OF_A_CLAIM:
            if (file.parent / name).exists():
                shutil.copyfile(file.parent / name, folder / name)
        judged = judged_metrics([record[key] for key in ("criteria", "checks", "controls", "stages") if key in record])
        if (file.parent / "samples.csv").exists():
            keep_samples(file.parent / "samples.csv", folder / "samples.csv", judged)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def say_size(target):
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {size / 1e6:.1f} MB")
    if size > MOST_BYTES:
        print(f"keep_run: larger than {MOST_BYTES / 1e6:.0f} MB: see what takes the space before it is committed", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not re.fullmatch("[a-z0-9.-]+", sys.argv[2]):
        sys.exit("usage: scripts/keep_run.py RUN NAME")
    keep(pathlib.Path(sys.argv[1]), REFERENCE / sys.argv[2])
    say_size(REFERENCE / sys.argv[2])
