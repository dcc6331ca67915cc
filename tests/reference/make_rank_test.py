#!/usr/bin/env python3
"""Writes tests/golden/rank_test.json: exact p values of Mann and Whitney's test by scipy; with ties by counting all groups.

    python3 tests/reference/make_rank_test.py
"""

import itertools
import json
import pathlib

import numpy
import scipy.stats

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "rank_test.json"


def counted(first, second):
    """P(U >= u) and P(U <= u) over all choices of the first group."""
    ranks = scipy.stats.rankdata(numpy.concatenate([first, second]))
    observed = ranks[: len(first)].sum()
    sums = numpy.array([sum(chosen) for chosen in itertools.combinations(ranks, len(first))])
    return float((sums >= observed).mean()), float((sums <= observed).mean())


def case(first, second):
    first, second = numpy.asarray(first, dtype=float), numpy.asarray(second, dtype=float)
    test = [scipy.stats.mannwhitneyu(first, second, alternative=side, method="exact") for side in ("greater", "less")]
    tied = len(set(first) | set(second)) < len(first) + len(second)
    above, below = counted(first, second) if tied else (float(one.pvalue) for one in test)
    return {"first": first.tolist(), "second": second.tolist(),
            "auc": float(test[0].statistic) / len(first) / len(second), "p_above": above, "p_below": below}


def main():
    random = numpy.random.default_rng(20261129)
    draw = lambda shift, n: numpy.round(random.normal(shift, 1, n), 5)
    cases = [case(draw(0.8, 12), draw(0, 12)), case(draw(-0.5, 6), draw(0, 18)), case(draw(0, 18), draw(0, 6)),
             case([5, 6, 7, 8], [1, 2, 3, 4]), case([1], [2, 3]), case([1, 2, 2, 3, 5], [2, 2, 4, 4, 4, 6]), case([1, 1], [1, 1])]
    GOLDEN.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
