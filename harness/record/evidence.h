#pragma once

// How sure a criterion is, beyond pass or fail, from its metric's interval alone: effect sizes, p values, Holm's
// correction, power. Checked against scipy and statsmodels (tests/reference/make_statistics.py).

#include <span>

#include "harness/record/record.h"

namespace replicate {

/// What the interval was made with: the normal distribution's quantile stands for a bootstrap's, Student's for seeds'.
enum class Sampling { bootstrap, student };

/// Of a criterion with an interval; nothing where there is none. The standard error is taken from the side of the
/// interval that faces the threshold, so that p < 0.025 just where that side does not reach it. An interval of no width
/// (a layer found in every resample) has an infinite effect size and p of 0 or 1.
struct Evidence {
  double effect_size;  ///< (value - threshold) in standard deviations of one unit of sampling; > 0: on the wanted side
  double p;            ///< one-sided: of such a value or a better one, if the truth were the threshold
};
std::optional<Evidence> evidence_for(const Criterion& criterion, const Metric& metric, Sampling sampling);

/// Equivalence by two one-sided tests (Schuirmann 1987): the larger p that the control's truth lies at -limit or below,
/// at limit or above.
std::optional<double> equivalence_p(const Metric& control, double limit, Sampling sampling);

/// Holm's step-down adjustment (1979): the chance of any false one among those at or below 0.025 stays below 0.025.
std::vector<double> holm(std::span<const double> p);

/// Upper 95% bound (one-sided, Clopper and Pearson 1934) of a probability that came true `successes` times in n.
double binomial_upper_bound(int64_t successes, int64_t n);

/// Chance that a two-sided t test at 95% finds an effect of that size with n units of sampling, on its right side.
double power(double effect_size, int64_t n);

/// Fewest units with a power of 0.8; nothing where a million do not reach it.
std::optional<int64_t> units_needed(double effect_size);

}  // namespace replicate
