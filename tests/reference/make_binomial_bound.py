#!/usr/bin/env python3
"""Writes tests/golden/binomial_bound.json: upper bounds of probabilities by scipy.

    python3 tests/reference/make_binomial_bound.py
"""

import json
import pathlib

import scipy.stats

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "binomial_bound.json"


def case(successes, n):
    interval = scipy.stats.binomtest(successes, n, alternative="less").proportion_ci(0.95, method="exact")
    return {"successes": successes, "n": n, "upper": float(interval.high)}


if __name__ == "__main__":
    cases = [case(*counts) for counts in ((0, 300), (3, 300), (7, 20), (20, 20))]
    GOLDEN.write_text(json.dumps(cases, allow_nan=False) + "\n")
