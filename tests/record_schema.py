"""Holds records against docs/record.schema.json.

    record_schema.py RECORD...    record.json files, or folders to look for them in; exit 1 when one does not fit
"""

import json
import os
import sys

import jsonschema

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "record.schema.json")


def read(path):
    """JSON as the standard has it: Python's reader would take NaN and Infinity."""

    def refuse(word):
        raise ValueError(f"{word} is no JSON ({path}): a record has null there")

    with open(path, encoding="utf-8") as file:
        return json.load(file, parse_constant=refuse)


def validator():
    schema = read(SCHEMA)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def lengths(record):
    """What no schema can say: the columns of a series, and the rows of a map, are of one length."""
    for number, series in enumerate(record["series"]):
        columns = {len(series["x"]), len(series["y"])} | {len(series[k]) for k in ("low", "high") if series.get(k)}
        if len(columns) > 1:
            yield f"series/{number}: x, y, low and high differ in length"
    for number, matrix in enumerate(record.get("maps", [])):
        if len({len(row) for row in matrix["values"]}) > 1:
            yield f"maps/{number}: rows differ in length"


def findings(checker, record):
    """One line for each place that does not fit; empty: the record does."""
    found = ["/".join(map(str, error.absolute_path)) + f": {error.message[:200]}" for error in checker.iter_errors(record)]
    return found or list(lengths(record))


def records_in(path):
    if os.path.isfile(path):
        return [path]
    return sorted(
        os.path.join(folder, "record.json") for folder, _, files in os.walk(path) if "record.json" in files
    )


def main(paths):
    files = [file for path in paths for file in records_in(path)]
    if not files:
        sys.exit(f"no record ({' '.join(paths)}): name a run's folder")
    checker = validator()
    wrong = [f"{file}: {line}" for file in files for line in findings(checker, read(file))]
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(files)} records, {len({line.split(': ')[0] for line in wrong})} do not fit the schema")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
