#!/usr/bin/env python3
"""Prints the table of docs/measures.md, "The test of a mean": how often Hall's transformed t test says that a mean is above a
threshold at which it is exactly. With scipy, and none of this project's code.

    python3 tests/reference/mean_test_errors.py
"""

import numpy
from scipy.stats import t as student

SAMPLES = 200_000
CASES = ((16, 0.003), (32, 0.003), (10, 0.007))  # units, level


def p_above(x, c):
    """x [samples, n]."""
    n, m, s = x.shape[1], x.mean(1), x.std(1, ddof=1)
    g = ((x - m[:, None]) ** 3).mean(1) / s**3
    t = (m - c) / s
    h = t + g * t**2 / 3 + g**2 * t**3 / 27 + g / (6 * n)
    return numpy.maximum(student.sf(numpy.sqrt(n) * h, n - 1), 2.0**-n)


def lognormal(draw, shape, sigma):
    return numpy.exp(sigma * draw.normal(size=shape))


def two_states(draw, shape, share):
    """1 in so large a share of the units, else 0, each with a spread of 0.1."""
    return (draw.uniform(size=shape) < share) + 0.1 * draw.normal(size=shape)


# Name, units, their true mean. A tail or a state on the bad side pulls the mean down, to the threshold.
POPULATIONS = (
    ("normal", lambda draw, shape: draw.normal(size=shape), 0),
    ("uniform", lambda draw, shape: draw.uniform(size=shape), 0.5),
    ("lognormal (sigma 0.5), tail on the good side", lambda draw, shape: lognormal(draw, shape, 0.5), numpy.exp(0.125)),
    ("lognormal (sigma 0.5), tail on the bad side", lambda draw, shape: -lognormal(draw, shape, 0.5), -numpy.exp(0.125)),
    ("lognormal (sigma 1), tail on the bad side", lambda draw, shape: -lognormal(draw, shape, 1), -numpy.exp(0.5)),
    ("two states, 25% of units in the bad one", lambda draw, shape: -two_states(draw, shape, 0.25), -0.25),
    ("two states, 10% of units in the bad one", lambda draw, shape: -two_states(draw, shape, 0.1), -0.1),
)

if __name__ == "__main__":
    for name, units, mean in POPULATIONS:
        draw = numpy.random.default_rng(1)
        errors = [(p_above(units(draw, (SAMPLES, n)), mean) <= level).mean() for n, level in CASES]
        print(f"| {name} |", " | ".join(f"{error:.2%}" for error in errors), "|")
