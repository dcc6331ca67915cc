"""Means, pseudo-values, the test of a mean, and numbers that depend on random draws."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

BLOCKS = 16


def pseudo_values(statistic, sequences):
    """`statistic(indices)` of 16 equal blocks of consecutive sequences, the rest left out -> [16]. Its mean is the
    jackknife's estimate. None where there are too few sequences for 16 blocks."""
    size = sequences // BLOCKS
    if size == 0:
        return None
    everything = np.arange(size * BLOCKS)
    whole = statistic(everything)
    without = [statistic(np.delete(everything, range(b * size, (b + 1) * size))) for b in range(BLOCKS)]
    return BLOCKS * whole - (BLOCKS - 1) * np.array(without)


def estimate(values, low=-np.inf, high=np.inf):
    """The mean of pseudo-values, cut to the range of the statistic."""
    return None if values is None else float(np.clip(np.mean(values), low, high))


def p_above(values, threshold):
    """That the mean is not above the threshold: Hall's transformed t (docs/measures.md, "The test of a mean")."""
    x = np.asarray(values, dtype=np.float64)
    n, m, s = len(x), x.mean(), x.std(ddof=1)
    least = 2.0**-n
    if s == 0:
        return least if m > threshold else 1.0
    g, t = ((x - m) ** 3).mean() / s**3, (m - threshold) / s
    h = t + g * t**2 / 3 + g**2 * t**3 / 27 + g / (6 * n)
    return max(student.sf(np.sqrt(n) * h, n - 1), least)


@dataclass
class Drawn:
    """A number of which the run makes one random draw and this script several."""

    draws: list

    def range(self):
        """Where one more draw lies with a probability of 99.7% (Student's prediction interval)."""
        x = np.array(self.draws, dtype=np.float64)
        wide = student.ppf(0.9985, len(x) - 1) * x.std(ddof=1) * np.sqrt(1 + 1 / len(x))
        return min(x.min(), x.mean() - wide), max(x.max(), x.mean() + wide)

    def mean(self):
        return float(np.mean(self.draws))


def drawn(once, draws):
    """`once()` -> {name: number}, with random numbers of its own each time -> {name: Drawn}"""
    all_draws = [once() for _ in range(draws)]
    return {name: Drawn([one[name] for one in all_draws]) for name in all_draws[0]}
