#!/usr/bin/env python3
"""Writes tests/golden/mean_test.json: p values and intervals of Hall's transformed t by scipy, the interval by root finding.

    python3 tests/reference/make_mean_test.py
"""

import json
import math
import pathlib

import numpy
import scipy.optimize
import scipy.stats

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "mean_test.json"


def statistic(x, c):
    n, s = len(x), x.std(ddof=1)
    g = ((x - x.mean()) ** 3).mean() / s**3
    t = (x.mean() - c) / s
    return math.sqrt(n) * (t + g * t**2 / 3 + g**2 * t**3 / 27 + g / (6 * n))


def case(x, thresholds):
    x = numpy.asarray(x, dtype=float)
    n = len(x)
    student, floor, spread = scipy.stats.t(n - 1), 2.0**-n, 50 * x.std(ddof=1)

    def bound(quantile):
        return scipy.optimize.brentq(lambda c: statistic(x, c) - quantile, x.mean() - spread, x.mean() + spread, xtol=1e-13)

    return {
        "x": x.tolist(),
        "low": bound(student.ppf(0.975)),
        "high": bound(student.ppf(0.025)),
        "tests": [{"c": c, "p_above": max(floor, float(student.sf(statistic(x, c)))),
                   "p_below": max(floor, float(student.cdf(statistic(x, c))))} for c in thresholds],
    }


def main():
    random = numpy.random.default_rng(20261129)
    cases = [case(numpy.round(random.normal(1, 1, 16), 6), [0, 0.5, 1, 3, -40]),
             case(numpy.round(random.lognormal(0, 0.5, 16), 6), [0.5, 1, 1.13, 2]),
             case(numpy.round(-random.lognormal(0, 1, 32), 6), [-3, -1.6, -1]),
             case((random.random(16) < 0.25).astype(float), [0.1, 0.25, 0.6]),
             case([1, 2, 3, 4, 5], [2.5, 3]),  # no skewness
             case([0.1, 0.3], [0.0, 0.2])]
    GOLDEN.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
