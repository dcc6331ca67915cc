#!/usr/bin/env python3
"""Writes configs/registered.yaml from recorded runs: under which thresholds each claim came to its verdict, and how
large its effects were.

    scripts/register.py results/reference/*

To be run, and committed, with the recorded runs. Later runs name what has changed since. A recorded claim that
configs/claims does not have any more is left out.
"""

import json
import pathlib
import sys

CONFIGS = pathlib.Path(__file__).parent.parent / "configs"
TARGET = CONFIGS / "registered.yaml"
HEAD = """# Written by scripts/register.py from the runs in results/reference: the thresholds and verdicts as last recorded, and the
# criteria's effect sizes, for --dry-run. A run marks thresholds that have changed since.
"""


def entry(run, record):
    sizes = {c["metric"]: c["effect_size"] for c in record["criteria"] if c.get("effect_size") is not None}
    effect_sizes = ", ".join(f"{metric}: {size:.4g}" for metric, size in sizes.items())
    return (f"{record['claim']}: {{run: {run}, profile: {record['profile']}, verdict: {record['verdict']}, effect_sizes: {{{effect_sizes}}},\n"
            f"      thresholds_sha256: {record['thresholds_sha256']}}}")


def group_of(record):
    if record["kind"] == "training":
        return "profiles", record["profile"]
    return "models", record["model"]["name"]


def is_claim(record):
    return (CONFIGS / "claims" / f"{record['claim']}.yaml").exists()


def registered(folders):
    """The file's text."""
    groups = {"models": {}, "profiles": {}}
    for folder in sorted(map(pathlib.Path, folders)):
        for file in sorted(folder.glob("*/record.json")):
            record = json.loads(file.read_text())
            if not is_claim(record):
                continue
            kind, name = group_of(record)
            claims = groups[kind].setdefault(name, {})
            if record["claim"] in claims:
                sys.exit(f"register: {record['claim']} of {name} is in two runs: {file}")
            claims[record["claim"]] = entry(folder.name, record)
    text = HEAD
    for kind, names in groups.items():
        text += f"{kind}:\n" if names else f"{kind}: {{}}\n"
        for name, claims in names.items():
            text += f"  {name}:\n" + "".join(f"    {line}\n" for line in claims.values())
    return text


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: scripts/register.py RUN...")
    TARGET.write_text(registered(sys.argv[1:]))
