"""The files of a run's folder, read and checked. docs/record.schema.json describes a record; what later parts of this package
rely on is checked here, so that a damaged file is told by its name and never by a traceback."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from .errors import RunError

Record = dict[str, Any]

# Lists of objects in a record, with what each object must have. Records of older editions lack some of the lists.
LISTS: dict[str, tuple[str, ...]] = {
    "metrics": ("name", "value"),
    "series": ("name", "axis", "x", "y"),
    "maps": ("name", "values"),
    "panels": ("title", "curves"),
    "criteria": ("metric", "op", "threshold", "outcome"),
    "checks": ("metric", "outcome"),
    "controls": ("metric", "of", "fraction", "outcome"),
    "stages": ("spike", "verdict"),
    "variations": ("suffix",),
}
OBJECTS = ("model", "paper", "environment")
TEXTS = {"name", "metric", "of", "op", "outcome", "verdict", "suffix", "inputs", "axis", "title", "series", "label"}
NUMBERS = {"value", "low", "high", "n", "threshold", "fraction"}
SAMPLES = ["metric", "inputs", "where", "unit", "value"]


def read_records(folder: Path) -> dict[str, Record]:
    """The records of a run by claim. RunError where there are none, or one is damaged."""
    files = _record_files(folder)
    return {file.parent.name: read_record(file) for file in files}


def read_record(file: Path) -> Record:
    """One record.json. RunError where it cannot be read or is no record."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"the record cannot be read ({file}): {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _damaged(file, "it is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(file, f"it is not JSON, {error}") from error
    fault = _fault(record, file.parent.name)
    if fault:
        raise _damaged(file, fault)
    return dict(record)


def read_samples(file: Path) -> list[dict[str, Any]]:
    """The rows of samples.csv, each with the keys of SAMPLES; `where` is a mapping. RunError where one is damaged."""
    try:
        with open(file, newline="", encoding="utf-8") as opened:
            lines = csv.reader(opened, strict=True)
            if next(lines, None) != SAMPLES:
                raise ValueError(f"the columns are not {','.join(SAMPLES)}")
            return [_sample(row, lines.line_num) for row in lines]
    except OSError as error:
        raise RunError(f"the samples cannot be read ({file}): {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        why = "they are not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise RunError(f"the samples are damaged ({file}): {why}; restore the file or measure the claim again") from error


def _sample(row: list[str], line: int) -> dict[str, Any]:
    try:
        metric, inputs, where, unit, value = row
        pairs = (part.partition("=") for part in where.split(";") if part)
        places = {key: int(number) for key, _, number in pairs}  # of "layer=3;head=2"
        return {"metric": metric, "inputs": inputs, "where": places, "unit": int(unit), "value": float(value)}
    except ValueError:
        raise ValueError(f"line {line} is no sample") from None


def _record_files(folder: Path) -> list[Path]:
    if not folder.exists():
        raise RunError(f"there is no such run ({folder}): name a run's folder, such as results/NAME")
    if not folder.is_dir():
        raise RunError(f"this is a file ({folder}): name the folder of the run, which holds a folder per claim")
    if (folder / "record.json").exists():
        raise RunError(f"this is the folder of one claim ({folder}): name the run's, {folder.parent}")
    try:
        files = sorted(folder.glob("*/record.json"))
    except OSError as error:
        raise RunError(f"the run cannot be read ({folder}): {error.strerror or error}") from error
    if not files:
        runs = sorted({file.parent.parent.name for file in folder.glob("*/*/record.json")})
        wanted = f"name one of its runs, such as {folder / runs[0]}" if runs else "name the folder of a run that has measured a claim"
        raise RunError(f"no records ({folder}): {wanted}")
    return files


def _damaged(file: Path, why: str) -> RunError:
    return RunError(f"the record is damaged ({file}): {why}; restore the file or measure the claim again")


def _fault(record: object, claim: str) -> Optional[str]:
    """What is wrong with a record; None where all that this package reads is as it should be."""
    if not isinstance(record, dict):
        return "it is no JSON object"
    return next(_faults(record, claim), None)


def _faults(record: Record, claim: str) -> Iterator[str]:
    for key in ("claim", "verdict"):
        if not isinstance(record.get(key), str):
            yield f"it has no {key}"
    if record["claim"] != claim:
        yield f"it is the record of another claim, {record['claim']}"
    yield from (f"{key} is no object" for key in OBJECTS if not isinstance(record.get(key, {}), dict))
    if not _is_number(record.get("seconds")):
        yield "seconds is no number"
    for key, needed in LISTS.items():
        yield from _faults_of_list(record.get(key, []), key, needed)
    for curve in record.get("series", []):
        yield from _faults_of_columns(curve["name"], [curve["x"], curve["y"], curve.get("low") or None, curve.get("high") or None])
    for found in record.get("maps", []):
        yield from _faults_of_columns(found["name"], found["values"])
    for panel in record.get("panels", []):
        yield from _faults_of_list(panel["curves"], "the curves of a panel", ("series",))
        yield from _faults_of_list(panel.get("thresholds", []), "the thresholds of a panel", ("value",))


def _faults_of_list(entries: object, key: str, needed: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        yield f"{key} is no list of objects"
        return
    for entry in entries:
        yield from (f"an entry of {key} has no {name}" for name in needed if name not in entry)
        yield from (f"{name} is no text in an entry of {key}" for name in TEXTS & entry.keys() if not isinstance(entry[name], str))
        if not isinstance(entry.get("where", {}), dict):
            yield f"where is no object in an entry of {key}"
        if key != "series":  # whose bounds are lists
            yield from (f"{name} is no number in an entry of {key}" for name in NUMBERS & entry.keys() if not _is_number(entry[name]))


def _faults_of_columns(name: str, columns: object) -> Iterator[str]:
    """Of a curve or a map: columns or rows of numbers, equally long. None is a column that is not there."""
    there: list[Any] = [column for column in columns if column is not None] if isinstance(columns, list) else [None]
    if not all(isinstance(column, list) and all(map(_is_number, column)) for column in there):
        yield f"{name} has something that is no number"
    elif len(set(map(len, there))) > 1:
        yield f"{name} has columns of different lengths"


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
