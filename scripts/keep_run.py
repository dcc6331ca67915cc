#!/usr/bin/env python3
"""Keeps a run as a recorded one: results/reference/NAME, with what a reader needs to check its verdicts.

    scripts/keep_run.py RUN NAME

What is kept: the records, the settings, the survey, the report in Markdown, the drawings, and the samples of what is
judged. Samples of described metrics, the log and report.html are left out, because `replicate report` writes the page again and
the same settings give the same samples. A run of a changed tree is refused: its commit would not be what made it. A
claim that is recorded there and not in RUN stays. Then run scripts/known.py and commit both.
"""

import csv
import json
import pathlib
import shutil
import sys

REFERENCE = pathlib.Path(__file__).parent.parent / "results" / "reference"
OF_THE_RUN = ("config.yaml", "summary.json", "junit.xml", "report.md", "chain.svg", "metrics.csv", "curves.csv", "heads.csv")
OF_A_CLAIM = ("record.json", "plot.svg", "maps.svg")
MOST_BYTES = 3_000_000


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
    with open(source, newline="") as file:
        head, *rows = csv.reader(file)
    kept = [row for row in rows if row[0] in metrics]
    if kept:
        with open(target, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *kept])


def keep(run, target):
    records = {file: json.loads(file.read_text()) for file in sorted(run.glob("*/record.json"))}
    if not records:
        sys.exit(f"keep_run: no records ({run}): name the folder of a run")
    for file, record in records.items():
        commit = record["environment"]["commit"]
        if commit.endswith("-dirty") or commit == "unknown":
            sys.exit(f"keep_run: made by a tree with changes, commit {commit} ({file}): commit first, build, and run again")
    target.mkdir(parents=True, exist_ok=True)
    for name in (*OF_THE_RUN, *(file.name for file in run.glob("survey*.json"))):
        if (run / name).exists():
            shutil.copyfile(run / name, target / name)
    for file, record in records.items():
        folder = target / record["claim"]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in OF_A_CLAIM:
            if (file.parent / name).exists():
                shutil.copyfile(file.parent / name, folder / name)
        judged = judged_metrics([record[key] for key in ("criteria", "checks", "controls", "stages") if key in record])
        if (file.parent / "samples.csv").exists():
            keep_samples(file.parent / "samples.csv", folder / "samples.csv", judged)


def say_size(target):
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target}: {size / 1e6:.1f} MB")
    if size > MOST_BYTES:
        print(f"keep_run: larger than {MOST_BYTES / 1e6:.0f} MB: see what takes the space before it is committed", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: scripts/keep_run.py RUN NAME")
    keep(pathlib.Path(sys.argv[1]), REFERENCE / sys.argv[2])
    say_size(REFERENCE / sys.argv[2])
