#pragma once

// How a claim is judged, as YAML says it: criteria, controls and predictions of rival accounts.

#include <string>

#include "base/yaml.h"
#include "harness/record/verdict.h"

namespace replicate {

/// The kind of a claim and all that its YAML says about judging it.
Judging read_judging(const Yaml& yaml);

Criterion read_criterion(const Yaml& yaml);

/// The keys of a criterion, which may stand among others.
Criterion criterion_of(const Yaml& yaml);

/// A number above 0. `remedy` says what to give.
double read_above_zero(const Yaml& yaml, const std::string& remedy);

/// Two criteria may bound one metric from both sides; the same line twice is a slip.
void check_distinct(const Yaml& yaml, const Judging& judging);

/// The only criterion, or control, on `metric`. Error, at `yaml`, when there are none or several.
Criterion& criterion_on(Judging& judging, const std::string& metric, const Yaml& yaml);
Control& control_on(Judging& judging, const std::string& metric, const Yaml& yaml);

void set_threshold(Criterion& criterion, const Yaml& value, const std::string& source);
void set_fraction(Control& control, const Yaml& value, const std::string& source);

}  // namespace replicate
