"""The tables of docs/verdicts.md: how often the claims erred on models of which the truth is known. A part of docs_tables.py."""

import math
import re
import sys

CONFIDENCE = 0.95


def read_counts(text):
    """{claim: {count: number, "controls": {metric: (runs, fired)}}} of configs/calibration.yaml."""
    claims, claim = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"^\s*(#|$)", line) or line in ("claims:", "claims: {}", "    controls:"):
            continue
        if match := re.match(r"^  (\w+):$", line):
            claim = claims.setdefault(match[1], {"controls": {}})
        elif match := re.match(r"^    (\w+): (\d+)$", line):
            claim[match[1]] = int(match[2])
        elif match := re.match(r"^      (\w+): \{runs: (\d+), fired: (\d+)\}$", line):
            claim["controls"][match[1]] = (int(match[2]), int(match[3]))
        elif not re.match(r"^    definition: [0-9a-f]{64}$", line):
            sys.exit(f"docs_tables: this line is not laid out as the others are (calibration.yaml:{number}): {line}")
    return claims


def upper_bound(events, runs):
    """The largest rate at which as few events in so many runs still have a chance of 5% (Clopper and Pearson, one-sided)."""
    if events >= runs:
        return 1.0
    low, high = events / runs, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        chance = sum(math.comb(runs, k) * rate**k * (1 - rate) ** (runs - k) for k in range(events + 1))
        low, high = (rate, high) if chance > 1 - CONFIDENCE else (low, rate)
    return high


def rate_text(events, runs):
    """"2 of 300 (at most 2.1%)", or nothing where nothing was run."""
    return f"{events} of {runs} (at most {100 * upper_bound(events, runs):.2g}%)" if runs else ""


def tables(claims, counts):
    """`claims`: of docs_tables.read_claims, which gives the order."""
    text = "| claim | passes where it is false | passes where it nearly holds | not passed where it holds |\n|---|---|---|---|\n"
    controls = "| claim | control | fired where it should |\n|---|---|---|\n"
    for claim in claims:
        count = counts.get(claim["id"])
        if count is None:
            continue
        cells = [rate_text(count.get(events, 0), count.get(runs, 0)) for events, runs in
                 (("false_passes", "null_runs"), ("near_miss_passes", "near_miss_runs"), ("missed", "planted_runs"))]
        text += f"| `{claim['id']}` | " + " | ".join(cells) + " |\n"
        for metric, (runs, fired) in count["controls"].items():
            controls += f"| `{claim['id']}` | `{metric}` | {fired} of {runs} |\n"
    return text + "\n" + controls
