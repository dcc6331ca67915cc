#!/usr/bin/env python3
"""Writes tests/golden/statistics.json: what scipy and numpy say on cases with ties, constants and NaN,
and what an independent xoshiro256** draws. Needs numpy and scipy; run it from anywhere:

    python3 tests/reference/make_statistics.py
"""

import json
import pathlib

import numpy
import scipy.stats
from scipy.stats import _resampling  # the draws can only be given to its inner function

MASK = (1 << 64) - 1
QUANTILES = [0.0, 0.025, 0.3, 0.5, 0.975, 1.0]
GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "statistics.json"


def rotate(x, k):
    return ((x << k) | (x >> (64 - k))) & MASK


class Xoshiro:
    """xoshiro256** seeded by splitmix64, after the authors' public-domain C."""

    def __init__(self, seed):
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            z = seed
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            self.state.append(z ^ (z >> 31))

    def next(self):
        s = self.state
        result = (rotate((s[1] * 5) & MASK, 7) * 9) & MASK
        shifted = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotate(s[3], 45)
        return result

    def below(self, bound):
        rejected = (1 << 64) % bound
        draw = self.next()
        while draw < rejected:
            draw = self.next()
        return draw % bound


def number(x):
    return None if numpy.isnan(x) else float(x)


def correlation_cases(rng):
    pairs = [
        ([1, 2], [1, 2]),
        ([1, 2], [2, 1]),
        ([1, 1, 1], [1, 2, 3]),
        ([1, 2, 3], [5, 5, 5]),
        ([1, 1, 2, 2], [1, 2, 1, 2]),
        ([1, 2, float("nan")], [1, 2, 3]),
        ([-0.0, 0.0, 1], [1, 2, 3]),
    ]
    for n in (2, 3, 7, 50, 401):
        pairs.append((rng.normal(size=n).round(4), rng.normal(size=n).round(4)))
        x = rng.integers(0, max(2, n // 4), size=n)
        pairs.append((x, x + rng.integers(0, 3, size=n)))
        pairs.append((rng.integers(0, 2, size=n), -rng.integers(0, 2, size=n)))
    cases = []
    for x, y in pairs:
        x, y = numpy.asarray(x, float), numpy.asarray(y, float)
        with numpy.errstate(all="ignore"):
            spearman = scipy.stats.spearmanr(x, y).statistic
            kendall = scipy.stats.kendalltau(x, y, variant="b").statistic
        cases.append({"x": [number(v) for v in x], "y": [number(v) for v in y],
                      "spearman": number(spearman), "kendall": number(kendall)})
    return cases


def quantile_cases(rng):
    lists = [[3.0], [1.0, 2.0], [2.0, 2.0, 2.0], [1e300, -1e300, 0.0]]
    lists += [rng.normal(size=n).round(4) for n in (3, 10, 41, 500)]
    return [{"x": [float(v) for v in x],
             "q": QUANTILES,
             "quantiles": [float(v) for v in numpy.quantile(x, QUANTILES)],
             "mean": float(numpy.mean(x)),
             "median": float(numpy.median(x))} for x in lists]


def bca_case(values, statistic, resamples, rng):
    """scipy's BCa interval of a statistic, with the draws and the jackknife that it rests on."""
    values = numpy.asarray(values)
    draws = numpy.array([statistic(rng.choice(values, len(values))) for _ in range(resamples)])
    jackknife = [statistic(numpy.delete(values, i)) for i in range(len(values))]

    def along(x, axis):
        return numpy.apply_along_axis(statistic, axis, x)

    low, high, _ = _resampling._bca_interval([values], along, -1, 0.025, draws, None, numpy)
    low, high = (float(numpy.quantile(draws, share)) for share in (float(low), float(high)))
    return {"value": float(statistic(values)), "draws": draws.tolist(), "jackknife": [float(v) for v in jackknife],
            "low": low, "high": high}


def t_case(values):
    """The mean's Student t interval."""
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, numpy.mean(values), scipy.stats.sem(values))
    return {"values": [float(v) for v in values], "value": float(numpy.mean(values)),
            "low": float(low), "high": float(high)}


def random_case(seed):
    raw, bounded = Xoshiro(seed), Xoshiro(seed)
    bounds = [1, 2, 3, 10, 1000, (1 << 63) + 1]
    return {"seed": str(seed),  # 64 bits do not fit every reader's numbers
            "next": [str(raw.next()) for _ in range(8)],
            "bounds": [str(bound) for bound in bounds],
            "below": [str(bounded.below(bound)) for bound in bounds]}


def main():
    rng = numpy.random.default_rng(7)
    golden = {
        "correlations": correlation_cases(rng),
        "quantiles": quantile_cases(rng),
        "bca": [bca_case(rng.normal(size=12), numpy.mean, 199, rng),
                bca_case(rng.exponential(size=9), numpy.mean, 200, rng),
                bca_case(rng.exponential(size=20), lambda x: numpy.var(x, ddof=1), 300, rng),
                bca_case(rng.exponential(size=7), lambda x: float(numpy.max(x)), 150, rng)],
        "t_intervals": [t_case([1.0, 2.0]), t_case([-0.041, -0.035, -0.052, -0.029])]
                       + [t_case(rng.normal(size=n)) for n in (3, 5, 12, 40)],
        "random": [random_case(0), random_case(1), random_case(MASK)],
    }
    GOLDEN.write_text(json.dumps(golden, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
