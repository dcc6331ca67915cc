#!/usr/bin/env python3
"""The largest relative difference between the metrics of two runs: compare_records.py RUN RUN [LIMIT]; exit 1 above it."""

import json
import pathlib
import sys

SMALLEST = 1e-3  # differences of smaller values are taken relative to this


def metrics(file):
    record = json.loads(file.read_text("utf-8"))
    return {(m["name"], json.dumps(m["where"], sort_keys=True), m["inputs"]): m["value"] for m in record["metrics"]}


def main():
    first, second = map(pathlib.Path, sys.argv[1:3])
    limit = float(sys.argv[3]) if len(sys.argv) > 3 else 1e-4
    worst, compared = (0.0, ()), 0
    for file in sorted(first.glob("*/record.json")):
        others = metrics(second / file.parent.name / "record.json")
        for key, value in metrics(file).items():
            if value is None or others[key] is None:
                continue
            compared += 1
            difference = abs(value - others[key]) / max(abs(others[key]), SMALLEST)
            if difference > worst[0]:
                worst = (difference, (file.parent.name, *key))
    print(f"{compared} metrics, largest relative difference {worst[0]:.2g}", *worst[1])
    sys.exit(compared == 0 or worst[0] > limit)


if __name__ == "__main__":
    main()
