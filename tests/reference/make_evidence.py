#!/usr/bin/env python3
"""Writes tests/golden/evidence.json: p values, equivalence tests, Holm's correction and power by scipy and statsmodels.

    python3 tests/reference/make_evidence.py
"""

import json
import math
import pathlib

import numpy
import scipy.stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "evidence.json"


def seeds_case(values, threshold, limit):
    """A mean over seeds against a threshold, and its equivalence to zero within a limit."""
    values = numpy.asarray(values)
    test = scipy.stats.ttest_1samp
    return {
        "values": values.tolist(),
        "threshold": threshold,
        "limit": limit,
        "effect_size": float((values.mean() - threshold) / values.std(ddof=1)),
        "p_greater": float(test(values, threshold, alternative="greater").pvalue),
        "p_less": float(test(values, threshold, alternative="less").pvalue),
        "p_equivalence": float(max(test(values, limit, alternative="less").pvalue,
                                   test(values, -limit, alternative="greater").pvalue)),
    }


def interval_case(value, low, high, threshold):
    """A bootstrap interval: the bound that faces the threshold is 1.96 standard errors away."""
    error = (value - low if value > threshold else high - value) / scipy.stats.norm.ppf(0.975)
    return {"value": value, "low": low, "high": high, "threshold": threshold,
            "p_greater": float(scipy.stats.norm.sf((value - threshold) / error))}


def holm_case(p):
    return {"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()}


def power_case(effect_size):
    def power(n):
        t = scipy.stats.t.ppf(0.975, n - 1)
        return float(scipy.stats.nct.sf(t, n - 1, effect_size * math.sqrt(n)))

    needed = next(n for n in range(2, 100_000) if power(n) >= 0.8)
    solved = TTestPower().solve_power(effect_size, alpha=0.025, power=0.8, alternative="larger")
    assert math.ceil(max(solved, 2)) == needed, (solved, needed)
    return {"effect_size": effect_size, "n": [2, 4, 16, 100], "power": [power(n) for n in (2, 4, 16, 100)], "needed": needed}


def binomial_case(successes, n):
    interval = scipy.stats.binomtest(successes, n, alternative="less").proportion_ci(0.95, method="exact")
    return {"successes": successes, "n": n, "upper": float(interval.high)}


def main():
    rng = numpy.random.default_rng(11)
    golden = {
        "seeds": [seeds_case([-0.041, -0.035, -0.052, -0.029], 0, 0.06), seeds_case([1.0, 3.0], 2.5, 1),
                  seeds_case(rng.normal(size=12) + 1, 0.5, 2)],
        "intervals": [interval_case(0.53, 0.51, 0.6, 0.5), interval_case(0.53, 0.41, 0.6, 0.5),
                      interval_case(-2, -3, 1, 0), interval_case(9, 8.9, 9.05, 1)],
        "holm": [holm_case([0.01]), holm_case([0.04, 0.001, 0.02, 0.02, 0.9]), holm_case(rng.uniform(size=20).tolist())],
        "binomial": [binomial_case(*case) for case in ((0, 300), (3, 300), (7, 20), (20, 20))],
        "power": [power_case(d) for d in (0.05, 0.3, 1, 2.5)],
    }
    GOLDEN.write_text(json.dumps(golden, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
