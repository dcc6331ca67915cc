#!/usr/bin/env python3
"""Compares the records of two runs bit for bit: same_numbers.py OLD_RUN NEW_RUN

What the old run has, the new run must have too: values, bounds and n of metrics, series, samples, maps, verdicts,
outcomes, and the sha256 of inputs. What only the new run has is listed, and so are texts that differ. Time, memory,
environment, command, fingerprint, order and fields that this script does not know play no part. A metric of time
(seconds_...) must be there, with any value.
Exit status: 0: equal; 1: something differs or is missing; 2: usage, or a run that cannot be read.
"""

import collections
import csv
import json
import pathlib
import struct
import sys

SHOWN = 20  # differences and missing things that are printed; the rest is counted

# What is compared, by the record's list: the fields that tell its items apart, those that must stay, and those that are
# only listed. A name may stand several times under one key, and the first of them is judged: their order counts.
LISTS = {
    "metrics": (("name", "inputs", "where"), ("value", "low", "high", "n"), ()),
    "series": (("name", "inputs"), ("x", "y", "low", "high"), ("axis",)),
    "maps": (("name", "inputs", "where"), ("values",), ("title",)),
    "inputs": (("label",), ("sha256",), ()),
    "criteria": (("metric", "op"), ("threshold", "outcome", "p"), ()),
    "checks": (("metric", "op"), ("threshold", "outcome", "p"), ()),
    "controls": (("metric", "of"), ("fraction", "outcome", "p"), ()),
    "variations": (("suffix",), ("agrees",), ("changes", "reason")),
}
TEXTS = ("title", "reason", "unmet", "inapplicable", "notes")

Difference = collections.namedtuple("Difference", "claim thing field old new")


def place(where):
    return ";".join(f"{key}={where[key]}" for key in sorted(where))


def label(kind, item, keys):
    """Such as "metrics onset_layer natural layer=3"."""
    parts = [place(item[key]) if key == "where" else item[key] for key in keys]
    return " ".join([kind, *filter(None, parts)])


class Things:
    """What a record holds: under each label, a list of items, each a dictionary of fields."""

    def __init__(self):
        self.numbers = collections.defaultdict(list)
        self.texts = collections.defaultdict(list)

    def add(self, name, item, fields, texts=()):
        fields = () if " seconds_" in name else fields
        self.numbers[name].append({field: item[field] for field in fields if field in item})
        if texts:
            self.texts[name].append({field: item[field] for field in texts if field in item})

    def count(self):
        return sum(len(leaves(value)) for items in self.numbers.values() for item in items for value in item.values())


def leaves(value, path=""):
    """Each single value of nested lists, with its place."""
    if not isinstance(value, list):
        return [(path, value)]
    return [leaf for i, item in enumerate(value) for leaf in leaves(item, f"{path}[{i}]")]


def read_samples(file, things):
    columns = []
    with open(file, newline="", encoding="utf-8") as text:
        for row in csv.DictReader(text):
            if row["unit"] == "0":
                columns.append((f"samples {row['metric']} {row['inputs']} {row['where']}".rstrip(), []))
            columns[-1][1].append(float(row["value"]))
    for name, values in columns:
        things.add(name, {"values": values}, ("values",))


def as_text(value):
    return " ".join(value) if isinstance(value, list) else value


def read_record(folder):
    record = json.loads((folder / "record.json").read_text("utf-8"))
    things = Things()
    things.add("verdict", record, ("verdict",))
    things.texts["text"] = [{key: as_text(record[key]) for key in TEXTS if key in record}]
    for kind, (keys, fields, texts) in LISTS.items():
        for item in record.get(kind, []):
            things.add(label(kind, item, keys), item, fields, texts)
    if (folder / "samples.csv").exists():
        read_samples(folder / "samples.csv", things)
    return things


def read_run(folder):
    return {file.parent.name: read_record(file.parent) for file in sorted(pathlib.Path(folder).glob("*/record.json"))}


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(old, new):
    if is_number(old) and is_number(new):
        return struct.pack("d", old) == struct.pack("d", new) or (old != old and new != new)
    return old == new


def first_difference(old, new):
    """-> (place, old, new, how many differ), or None. Where lengths differ, these are what is told."""
    olds, news = leaves(old), leaves(new)
    if [path for path, _ in olds] != [path for path, _ in news]:
        return "", f"{len(olds)} values", f"{len(news)} values", 1
    found = [(path, a, b) for (path, a), (_, b) in zip(olds, news) if not same(a, b)]
    return (*found[0], len(found)) if found else None


def differing_fields(old, new):
    for field in dict.fromkeys([*old, *new]):
        found = first_difference(old.get(field, "absent"), new.get(field, "absent"))
        if found:
            where, a, b, count = found
            yield field + where + (f" and {count - 1} more" if count > 1 else ""), a, b


class Comparison:
    def __init__(self, old, new):
        self.differing, self.texts = [], []
        self.removed = [(claim, "the whole claim") for claim in old if claim not in new]
        self.added = [(claim, "the whole claim") for claim in new if claim not in old]
        self.claims, self.values = len(old), sum(things.count() for things in old.values())
        for claim in old:
            if claim in new:
                self.compare(claim, old[claim], new[claim])

    def compare(self, claim, old, new):
        for name, items in old.numbers.items():
            others = new.numbers.get(name, [])
            self.removed += [(claim, name)] * (len(items) - len(others))
            self.differing += pairs(claim, name, items, others)
        for name, items in new.numbers.items():
            self.added += [(claim, name)] * (len(items) - len(old.numbers.get(name, [])))
        for name, items in old.texts.items():
            self.texts += pairs(claim, name, items, new.texts.get(name, []))

    def moved(self):
        return bool(self.differing or self.removed)

    def summary(self):
        verdict = "MOVED" if self.moved() else "same numbers"
        return (f"{verdict}: {self.values} values of {self.claims} claims compared; "
                f"{len(self.differing)} differ, {len(self.removed)} removed, {len(self.added)} added, "
                f"{len(self.texts)} texts changed")


def pairs(claim, name, olds, news):
    return [Difference(claim, name, *found) for old, new in zip(olds, news) for found in differing_fields(old, new)]


def relative(old, new):
    if not (is_number(old) and is_number(new)) or old == 0:
        return ""
    return f" ({abs(new - old) / abs(old):.2g})"


def show_differing(differing):
    if not differing:
        return
    print("Differs (old -> new, relative difference):")
    for d in differing[:SHOWN]:
        print(f"  {d.claim}: {d.thing}: {d.field}: {d.old!r} -> {d.new!r}{relative(d.old, d.new)}")
    counts = collections.Counter(d.claim for d in differing)
    print("  in all: " + ", ".join(f"{claim} {count}" for claim, count in counts.items()))


def show_things(title, things, most):
    if not things:
        return
    print(title)
    for claim, name in things[:most]:
        print(f"  {claim}: {name}")
    if len(things) > most:
        print(f"  and {len(things) - most} more")


def show_texts(texts):
    if texts:
        print("Texts that changed:")
    for d in texts:
        print(f"  {d.claim}: {d.thing}: {d.field}\n    - {d.old}\n    + {d.new}")


def show_errors(old, new):
    """Two errors are equal, and nothing was compared."""
    failed = [{claim for claim in run if run[claim].numbers["verdict"] == [{"verdict": "error"}]} for run in (old, new)]
    both = sorted(failed[0] & failed[1])
    if both:
        print("Ended in an error in both runs, so that nothing of it was compared: " + ", ".join(both))


def main(arguments):
    if len(arguments) != 2:
        sys.stderr.write("usage: same_numbers.py OLD_RUN NEW_RUN\n")
        return 2
    try:
        old, new = map(read_run, arguments)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        sys.stderr.write(f"a record cannot be read ({error!r}): run both programs again\n")
        return 2
    if not old:
        sys.stderr.write(f"no records ({arguments[0]}): name a run folder\n")
        return 2
    comparison = Comparison(old, new)
    show_texts(comparison.texts)
    show_things("Added:", comparison.added, len(comparison.added))
    show_things("Removed:", comparison.removed, SHOWN)
    show_differing(comparison.differing)
    show_errors(old, new)
    print(comparison.summary())
    return int(comparison.moved())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
