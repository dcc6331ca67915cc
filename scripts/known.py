#!/usr/bin/env python3
"""Writes into configs/known.yaml what recorded runs say: the verdict of each claim, and under which thresholds.

    scripts/known.py results/reference/*

To be run, and committed, with the recorded runs. Later runs name what has changed since. A recorded claim that
configs/claims does not have any more is left out. What a person wrote of a claim (`expected`) stays as it is.
"""

import json
import pathlib
import re
import sys

CONFIGS = pathlib.Path(__file__).parent.parent / "configs"
TARGET = CONFIGS / "known.yaml"
HEAD = """# What claims are known to end with: on a model, or, for those that train their own models, with a profile.
# `expected` is written by hand: a verdict with its reason. The report says where a run departs from it.
# `recorded` is written by scripts/known.py from the runs in results/reference: the verdict and thresholds as last recorded.
# A run marks thresholds that have changed since.
"""
GROUPS = ("models", "profiles")
RECORDED = "      recorded:"


def entry(run, record):
    """The lines of `recorded`."""
    return [f"{RECORDED} {{run: {run}, profile: {record['profile']}, verdict: {record['verdict']},",
            f"        thresholds_sha256: {record['thresholds_sha256']}}}"]


def group_of(record):
    if record["kind"] == "training":
        return "profiles", record["profile"]
    return "models", record["model"]["name"]


def is_claim(record):
    return (CONFIGS / "claims" / f"{record['claim']}.yaml").exists()


def written(text):
    """What a person wrote: for each group, name and claim its lines as they are, without those of `recorded`."""
    groups = {group: {} for group in GROUPS}
    group = name = claim = None
    recorded = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip() or re.fullmatch(r"(models|profiles): \{\}", line):
            continue
        if match := re.fullmatch(r"(models|profiles):", line):
            group, name, claim = groups[match[1]], None, None
        elif (match := re.fullmatch(r"  (\S+):", line)) and group is not None:
            name, claim = group.setdefault(match[1], {}), None
        elif (match := re.fullmatch(r"    (\w+):", line)) and name is not None:
            claim, recorded = name.setdefault(match[1], []), False
        elif line.startswith("      ") and claim is not None:
            if line[6] != " ":
                recorded = line.startswith(RECORDED)
            if not recorded:
                claim.append(line)
        else:
            sys.exit(f"known: this line is not laid out as the others are ({TARGET.name}:{number}): {line}")
    return groups


def known(text, folders):
    """The file's text, made of its former text and the runs."""
    groups = written(text)
    runs = {}
    for folder in sorted(map(pathlib.Path, folders)):
        for file in sorted(folder.glob("*/record.json")):
            record = json.loads(file.read_text())
            if not is_claim(record):
                continue
            group, name = group_of(record)
            place = (group, name, record["claim"])
            if place in runs:
                sys.exit(f"known: {record['claim']} of {name} is in two runs: {file}")
            runs[place] = entry(folder.name, record)
            groups[group].setdefault(name, {}).setdefault(record["claim"], [])
    text = HEAD
    for group, names in groups.items():
        blocks = ""
        for name, claims in sorted(names.items()):
            lines = {claim: own + runs.get((group, name, claim), []) for claim, own in sorted(claims.items())}
            entries = "".join(f"    {claim}:\n" + "\n".join(its) + "\n" for claim, its in lines.items() if its)
            blocks += f"  {name}:\n{entries}" if entries else ""
        text += f"{group}:\n{blocks}" if blocks else f"{group}: {{}}\n"
    return text


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: scripts/known.py RUN...")
    TARGET.write_text(known(TARGET.read_text(), sys.argv[1:]))
