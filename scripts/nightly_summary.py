#!/usr/bin/env python3
"""What a team reads in the morning about one night's run: which verdicts flipped, what it cost, where the report lies.

    python3 -B scripts/nightly_summary.py TONIGHT [LAST COUNTS]    TONIGHT, LAST: run folders; COUNTS: the line of counts with
                                                                   which `replicate diff LAST TONIGHT` ends
"""

import json
import pathlib
import sys

VERDICTS = ("pass", "fail", "inconclusive", "not applicable", "not run", "descriptive", "skipped", "error")


def records(run):
    """The records of a run by claim."""
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(run.glob("*/record.json"))}


def flips(tonight, last):
    """"sink_onset: pass became fail", for every claim of both runs whose verdict differs."""
    return [f"{claim}: {last[claim]['verdict']} became {record['verdict']}"
            for claim, record in tonight.items() if claim in last and last[claim]["verdict"] != record["verdict"]]


def heading(name, tonight, last, counts):
    """What flipped, by name; else what else changed, counted."""
    if not last:
        return f"## replicate, {name}: the first night"
    return f"## replicate, {name}: " + ("; ".join(flips(tonight, last)) or counts.rpartition(" compared, ")[2])


def values(run, *keys):
    """The different values of one field, such as environment.device, joined."""
    found = []
    for record in run.values():
        value = record
        for key in keys:
            value = value.get(key) or {}
        if value and str(value) not in found:
            found.append(str(value))
    return ", ".join(found) or "unknown"


def compared(amount, before, unit):
    """"812 MB (800 MB the night before)"."""
    return f"{amount:,.0f} {unit}" + ("" if before is None else f" ({before:,.0f} {unit} the night before)")


def cost(tonight, last):
    def total(run, key, combine):
        return combine(record.get(key) or 0 for record in run.values()) if run else None
    return (compared(total(tonight, "seconds", sum), total(last, "seconds", sum), "s") + ", "
            + compared(total(tonight, "peak_memory_mb", max), total(last, "peak_memory_mb", max), "MB"))


def verdicts(tonight):
    """One line per verdict, with the claims that did not pass."""
    for verdict in VERDICTS:
        claims = [claim for claim, record in tonight.items() if record["verdict"] == verdict]
        if claims:
            yield f"- {len(claims)} {verdict}" + ("" if verdict == "pass" else ": " + ", ".join(f"`{claim}`" for claim in claims))


def summary(folder, last_folder, counts):
    tonight, last = records(folder), records(last_folder) if last_folder else {}
    yield heading(folder.name, tonight, last, counts)
    yield ""
    yield f"- model {values(tonight, 'model', 'name')}, profile {values(tonight, 'profile')}"
    yield f"- device {values(tonight, 'environment', 'device')}, commit {values(tonight, 'environment', 'commit')}"
    yield f"- claims took {cost(tonight, last)}"
    yield f"- report: {folder / 'report.html'}"
    yield ""
    yield "### Verdicts"
    yield ""
    yield from verdicts(tonight)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    run, last_run, last_line = (*sys.argv[1:], None, None)[:3]
    print("\n".join(summary(pathlib.Path(run), last_run and pathlib.Path(last_run), last_line)))
