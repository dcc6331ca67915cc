#!/usr/bin/env python3
"""Keeps what runs of one model say when its weights or its arithmetic are a little different: results/robustness/MODEL.csv.

    scripts/keep_robustness.py RUN...

A run differs from the recorded one by `--dtype bfloat16` or `--set weight_noise=N`, and says so in its config.yaml. Of each
claim the verdict is kept, and the number that its first criterion judged. Rows of the same model and change are replaced. A damaged
run, or one of a changed tree, is refused as scripts/keep_run.py does. Then run scripts/docs_tables.py, and commit all of it.
"""

import csv
import pathlib
import re
import sys

import keep_run
import results_tables

FOLDER = pathlib.Path(__file__).parent.parent / "results" / "robustness"
COLUMNS = ("change", "claim", "verdict", "metric", "value", "commit")


def change_of(config):
    """"bfloat16", "weight noise 3"."""
    settings = dict(re.findall(r"^(dtype|weight_noise): (\S+)$", config, flags=re.MULTILINE))
    changes = [settings["dtype"]] if settings["dtype"] != "float32" else []
    if settings["weight_noise"] != "0":
        changes.append(f"weight noise {settings['weight_noise']}")
    if len(changes) != 1:
        sys.exit("keep_robustness: a run has to differ by a smaller dtype or by weight noise, and by one of them")
    return changes[0]


def row_of(record, change):
    name = record["criteria"][0]["metric"] if record["criteria"] else ""
    metric = results_tables.measured(record, name)
    value = "" if metric is None or metric["value"] is None else f"{metric['value']:.6g}"
    return dict(zip(COLUMNS, (change, record["claim"], record["verdict"], name, value, record["environment"]["commit"])))


def keep(run):
    records = list(keep_run.read_records(run).values())
    change = change_of((run / "config.yaml").read_text("utf-8"))
    file = FOLDER / f"{records[0]['model']['name']}.csv"
    rows = list(csv.DictReader(file.open(encoding="utf-8"))) if file.exists() else []
    rows = [row for row in rows if row["change"] != change] + [row_of(record, change) for record in records]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: (row["change"], row["claim"])))
    print(f"{file}: {change}, {len(records)} claims")


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    for run in map(pathlib.Path, arguments):
        keep(run)


if __name__ == "__main__":
    main(sys.argv[1:])
