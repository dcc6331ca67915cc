#include "harness/record/requirement.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <functional>
#include <iterator>

#include "base/error.h"
#include "base/mean_test.h"
#include "base/number_text.h"
#include "base/statistics.h"
#include "harness/record/clauses.h"
#include "harness/record/verdict.h"

namespace replicate {
namespace {

constexpr double kLevelOf95 = 0.025;  // one-sided, of intervals that are shown

bool upwards(Operator op) { return op == Operator::above || op == Operator::at_least; }

bool holds(const Criterion& criterion, double value) {
  switch (criterion.op) {
    case Operator::above: return value > criterion.threshold;
    case Operator::at_least: return value >= criterion.threshold;
    case Operator::below: return value < criterion.threshold;
    case Operator::at_most: break;
  }
  return value <= criterion.threshold;
}

std::string wanted(const Criterion& criterion) {
  return "must be " + to_string(criterion.op) + " " + short_number(criterion.threshold);
}

/// The smaller --dtype's error of a metric, 0 where it was not measured.
double dtype_error(const Judged& judged, const std::string& name) {
  const auto* error = judged.metric(name + kDtypeError);
  return error && std::isfinite(error->value) ? error->value : 0;
}

Outcome outcome_of(double p, double opposite, double level) {
  if (p <= level) return Outcome::pass;
  return opposite <= level ? Outcome::fail : Outcome::inconclusive;
}

const Metric& required(const Judged& judged, const std::string& name) {
  if (const auto* metric = judged.metric(name)) return *metric;
  throw Error("the metric " + in_quotes(name) + " was not measured", "judging " + name,
              "correct the metric's name in configs/claims or measure it");
}

Tested open(const std::string& name, const std::string& why) {
  return {.name = name, .outcome = Outcome::inconclusive, .clause = why};
}

/// A number without sampling.
Tested test_exact(const Metric& metric, const Requirement& requirement) {
  const auto& criterion = requirement.criterion;
  const auto value = criterion.metric + " = " + short_number(metric.value);
  if (!std::isfinite(metric.value)) return open(criterion.metric, value);
  const auto failed = [&] {
    if (!requirement.fails_at) return true;
    return upwards(criterion.op) ? metric.value <= *requirement.fails_at : metric.value >= *requirement.fails_at;
  };
  if (holds(criterion, metric.value)) return {criterion.metric, Outcome::pass, 0, 1, value};
  if (failed()) return {criterion.metric, Outcome::fail, 1, 0, value + ", " + wanted(criterion)};
  return open(criterion.metric, value + " is open: " + wanted(criterion));
}

/// The units; missing ones have the worst value among the others and the threshold.
std::vector<double> with_worst_for_missing(std::vector<double> values, const Criterion& criterion) {
  const bool up = upwards(criterion.op);
  double worst = criterion.threshold;
  for (const double value : values) {
    if (std::isfinite(value)) worst = up ? std::min(worst, value) : std::max(worst, value);
  }
  std::replace_if(
      values.begin(), values.end(), [](double value) { return !std::isfinite(value); }, worst);
  return values;
}

/// As the record shows it: cut to the metric's range. With missing units counted as the worst there is another mean,
/// and its own interval.
MeanTest::Interval interval_of(const Metric& metric, const MeanTest& test, const Requirement& requirement) {
  if (requirement.missing_is_worst || !metric.low || !metric.high) return test.interval();
  return {*metric.low, *metric.high};
}

/// A mean of per-unit values against the threshold.
Tested test_mean(const Metric& metric, const Samples& samples, const Requirement& requirement, double level) {
  const auto& criterion = requirement.criterion;
  const MeanTest test(requirement.missing_is_worst ? with_worst_for_missing(samples.values, criterion)
                                                   : samples.values);
  const auto [low, high] = test.interval();
  Tested tested{.name = criterion.metric, .too_few_units = least_p(test.n()) > level};
  tested.clause = criterion.metric + " = " + short_number(test.mean());
  if (!std::isfinite(low) || !std::isfinite(high)) {
    return open(criterion.metric, tested.clause + " has no interval: " + wanted(criterion));
  }
  const auto shown = interval_of(metric, test, requirement);
  tested.clause += " [" + short_number(shown.low) + ", " + short_number(shown.high) + "]";
  if (tested.too_few_units) {
    tested.outcome = Outcome::inconclusive;
    tested.clause += " has too few units: " + std::to_string(test.n());
    return tested;
  }
  const double above = test.p_above(criterion.threshold), below = test.p_below(criterion.threshold);
  tested.p = upwards(criterion.op) ? above : below;
  tested.opposite = upwards(criterion.op) ? below : above;
  tested.outcome = outcome_of(tested.p, tested.opposite, level);
  tested.clause += tested.outcome == Outcome::pass
                       ? ", p = " + significant_text(tested.p, 2)
                       : ", " + wanted(criterion) + ", p = " + significant_text(tested.p, 2) +
                             ", opposite p = " + significant_text(tested.opposite, 2);
  return tested;
}

/// Open, where a smaller --dtype could have moved the number over its threshold.
std::optional<Tested> within_dtype_error(const Judged& judged, const Metric& metric, const Criterion& criterion) {
  const auto error = dtype_error(judged, criterion.metric);
  if (!(std::abs(metric.value - criterion.threshold) < error)) return std::nullopt;
  return open(criterion.metric, criterion.metric + " = " + short_number(metric.value) + " is closer to " +
                                    short_number(criterion.threshold) + " than the error of the arithmetic, " +
                                    short_number(error));
}

Tested test_check(const Judged& judged, const Requirement& check) {
  const auto& metric = required(judged, check.criterion.metric);
  if (auto too_near = within_dtype_error(judged, metric, check.criterion)) return *std::move(too_near);
  return test_exact(metric, check);
}

Tested test_criterion(const Judged& judged, const Requirement& requirement, double level) {
  const auto& criterion = requirement.criterion;
  const auto& metric = required(judged, criterion.metric);
  if (auto too_near = within_dtype_error(judged, metric, criterion)) return *std::move(too_near);
  if (requirement.exact) return test_exact(metric, requirement);
  const auto* samples = judged.samples(criterion.metric);
  if (!samples) return open(criterion.metric, criterion.metric + " has no per-unit values to be judged by");
  return test_mean(metric, *samples, requirement, level);
}

/// The clauses of those whose outcome this is.
std::string joined(const std::vector<Tested>& all, Outcome outcome) {
  std::string text;
  for (const auto& one : all) {
    if (one.outcome == outcome) add_clause(text, one.clause);
  }
  return text;
}

Tested test_group(const Judged& judged, const Requirement& group, double level) {
  Tested tested{.name = group.name};
  std::vector<double> p, opposite;
  for (const auto& member : group.members) {
    tested.members.push_back(test(judged, member, level));
    tested.too_few_units |= tested.members.back().too_few_units;
    p.push_back(tested.members.back().p);
    opposite.push_back(tested.members.back().opposite);
  }
  const auto n = static_cast<int64_t>(p.size());
  if (group.at_least) {
    tested.p = at_least_p(p, *group.at_least);
    tested.opposite = at_least_p(opposite, n - *group.at_least + 1);
  } else {
    tested.p = *std::max_element(p.begin(), p.end());
    tested.opposite = *std::min_element(opposite.begin(), opposite.end());
  }
  tested.outcome = outcome_of(tested.p, tested.opposite, level);
  const auto how_many = group.at_least ? std::to_string(*group.at_least) + " of " + std::to_string(n) : "all";
  tested.clause = group.name + " (" + how_many + " required), p = " + significant_text(tested.p, 2);
  if (tested.outcome == Outcome::pass) return tested;  // its members' numbers stand in the table of criteria
  std::string clauses;
  for (const auto& member : tested.members) add_clause(clauses, member.clause);
  tested.clause += ": " + clauses;
  return tested;
}

// Controls.

std::vector<double> scaled(std::vector<double> x, double factor) {
  for (auto& value : x) value *= factor;
  return x;
}

struct Moments {
  double mean, error2, degrees;  // error2: squared standard error of the mean

  explicit Moments(const std::vector<double>& x) : mean(replicate::mean(x)), error2(0) {
    for (const double value : x) error2 += (value - mean) * (value - mean);
    degrees = static_cast<double>(x.size()) - 1;
    error2 /= degrees * static_cast<double>(x.size());
  }
};

/// One-sided p values that the mean of a lies below (above) that of b.
struct Comparison {
  double below = 1, above = 1;
};

/// Welch's test.
Comparison compare_unpaired(const std::vector<double>& x, const std::vector<double>& y) {
  const Moments a(x), b(y);
  const auto error2 = a.error2 + b.error2;
  const auto difference = a.mean - b.mean;
  const auto least = least_p(static_cast<int64_t>(std::min(x.size(), y.size())));
  if (!(error2 > 0)) return {difference < 0 ? least : 1, difference > 0 ? least : 1};
  const auto degrees = error2 * error2 / (a.error2 * a.error2 / a.degrees + b.error2 * b.error2 / b.degrees);
  const boost::math::students_t student(degrees);
  const auto t = difference / std::sqrt(error2);
  return {std::max(least, boost::math::cdf(student, t)),
          std::max(least, boost::math::cdf(boost::math::complement(student, t)))};
}

Comparison compare_paired(std::vector<double> x, const std::vector<double>& y) {
  for (size_t i = 0; i < x.size(); ++i) x[i] -= y[i];
  const MeanTest test(x);
  return {test.p_below(0), test.p_above(0)};
}

bool has_units(const Samples* samples) {
  return samples && samples->values.size() >= 2 &&
         std::all_of(samples->values.begin(), samples->values.end(), [](double x) { return std::isfinite(x); });
}

bool any(const std::vector<Tested>& all, Outcome outcome) {
  return std::any_of(all.begin(), all.end(), [&](const Tested& one) { return one.outcome == outcome; });
}

/// What does not apply decides nothing, and what holds by arithmetic only where there is nothing else.
bool decides(const Tested& one, const Ruling& ruling) {
  return one.outcome != Outcome::not_measured && (!one.arithmetic || ruling.by_arithmetic);
}

std::vector<Tested> deciding(const Ruling& ruling) {
  std::vector<Tested> decide;
  std::ranges::copy_if(ruling.requirements, std::back_inserter(decide),
                       [&](const Tested& one) { return decides(one, ruling); });
  return decide;
}

bool is_measured(const Judged& judged, const Requirement& requirement) {
  if (!requirement.is_group()) return judged.metric(requirement.criterion.metric) != nullptr;
  return std::ranges::all_of(requirement.members, [&](const Requirement& one) { return is_measured(judged, one); });
}

bool is_left_out(const Judged& judged, const Requirement& requirement) {
  return requirement.optional && !is_measured(judged, requirement);
}

bool is_left_out(const Judged& judged, const JointControl& control) {
  return control.optional && !(judged.metric(control.metric) && judged.metric(control.of));
}

Tested left_out(const std::string& name) {
  return {.name = name, .outcome = Outcome::not_measured, .clause = name + " does not apply"};
}

Tested left_out(const Requirement& requirement) {
  auto tested = left_out(requirement.is_group() ? requirement.name : requirement.criterion.metric);
  tested.arithmetic = requirement.arithmetic;
  for (const auto& member : requirement.members) tested.members.push_back(left_out(member));
  return tested;
}

/// What is wrong, and the checks that say so: "the intervention did not take: a = 1, > 2 wanted; b = ...".
std::string unmet_checks(const Requirements& requirements, const std::vector<Tested>& tested) {
  std::string text, before;
  for (size_t i = 0; i < tested.size(); ++i) {
    if (tested[i].outcome == Outcome::pass) continue;
    const auto& unmet = requirements.checks[i].unmet;
    const auto what = unmet.empty() ? "the intervention did not take" : unmet;
    add_clause(text, (what == before ? "" : what + ": ") + tested[i].clause);
    before = what;
  }
  return text;
}

std::string too_few_units(const std::vector<Tested>& all) {
  std::string text;
  for (const auto& one : all) {
    if (one.too_few_units) add_clause(text, one.clause);
  }
  return text;
}

void decide(Ruling& ruling) {
  auto all = deciding(ruling);
  const bool requirement_fails = any(all, Outcome::fail);
  std::ranges::copy_if(ruling.controls, std::back_inserter(all),
                       [](const Tested& one) { return one.outcome != Outcome::not_measured; });
  if (any(all, Outcome::fail)) {
    ruling.verdict = Verdict::fail;
    ruling.by_a_control_alone = !requirement_fails;
    ruling.reason = joined(all, Outcome::fail);
  } else if (any(all, Outcome::inconclusive)) {
    ruling.verdict = Verdict::inconclusive;
    ruling.reason = joined(all, Outcome::inconclusive);
    const bool at_95 = std::all_of(all.begin(), all.end(), [](const Tested& one) { return one.p <= kLevelOf95; });
    if (at_95) ruling.reason += "; reaches 95% but not the family's level";
  } else {
    ruling.verdict = Verdict::pass;
    ruling.reason = joined(all, Outcome::pass);
  }
}

void add_metrics(const Requirement& requirement, std::set<std::string>& names) {
  for (const auto& member : requirement.members) add_metrics(member, names);
  if (!requirement.is_group()) names.insert(requirement.criterion.metric);
}

/// A requirement as text, without its source.
std::string line_of(const Requirement& requirement) {
  if (!requirement.is_group()) {
    const auto& criterion = requirement.criterion;
    return criterion.metric + " " + to_string(criterion.op) + " " + exact_number(criterion.threshold) +
           (requirement.exact ? " exact" : "") +
           (requirement.fails_at ? " fails at " + exact_number(*requirement.fails_at) : "") +
           (requirement.missing_is_worst ? " missing is worst" : "") +
           (requirement.arithmetic ? " by arithmetic" : "") + (requirement.optional ? " where it applies" : "");
  }
  auto text =
      requirement.at_least ? "at least " + std::to_string(*requirement.at_least) + " of (" : std::string("all of (");
  for (const auto& member : requirement.members) text += line_of(member) + "; ";
  return text + ")" + (requirement.arithmetic ? " by arithmetic" : "") +
         (requirement.optional ? " where it applies" : "");
}

// Point estimates.

bool holds(const Judged& judged, const Requirement& requirement) {
  if (!requirement.is_group())
    return holds(requirement.criterion, required(judged, requirement.criterion.metric).value);
  const auto holding = std::count_if(requirement.members.begin(), requirement.members.end(),
                                     [&](const Requirement& member) { return holds(judged, member); });
  return holding >= requirement.at_least.value_or(static_cast<int64_t>(requirement.members.size()));
}

bool holds(const Judged& judged, const JointControl& control) {
  const double sign = upwards(control.op) ? 1 : -1;
  const double change = sign * required(judged, control.metric).value,
               effect = sign * required(judged, control.of).value;
  return (control.two_sided ? std::abs(change) : change) < control.fraction * effect;
}

std::set<std::string> metrics_of(const Requirement& requirement) {
  std::set<std::string> names;
  add_metrics(requirement, names);
  return names;
}

std::set<std::string> metrics_of(const JointControl& control) { return {control.metric, control.of}; }

/// Of the requirements or controls that `decided`, with what came of them.
struct Compared {
  bool all_hold = true;
  std::string untold = {};  ///< why that cannot be told

  template <typename One>
  void add(const Judged& variation, const std::vector<One>& all, const std::vector<Tested>& tested,
           const std::function<bool(const Tested&)>& decided) {
    for (size_t i = 0; i < all.size(); ++i) {
      if (!decided(tested[i])) continue;
      for (const auto& name : metrics_of(all[i])) add_number(variation, name);
      if (untold.empty()) all_hold &= holds(variation, all[i]);
    }
  }

 private:
  void add_number(const Judged& variation, const std::string& name) {
    const auto* metric = variation.metric(name);
    if (!metric) untold = name + " does not apply";
    if (metric && !std::isfinite(metric->value)) untold = name + " has no value";
  }
};

}  // namespace

const Metric* Judged::metric(const std::string& name) const {
  const auto carries = [&](const Metric& metric) {
    return std::all_of(where.begin(), where.end(), [&](const auto& entry) {
      const auto found = metric.where.find(entry.first);
      return found != metric.where.end() && found->second == entry.second;
    });
  };
  const auto found = std::find_if(measurement.metrics.begin(), measurement.metrics.end(),
                                  [&](const Metric& metric) { return metric.name == name && carries(metric); });
  return found == measurement.metrics.end() ? nullptr : &*found;
}

const Samples* Judged::samples(const std::string& name) const {
  const auto* judged = metric(name);
  if (!judged) return nullptr;
  const auto found = std::find_if(measurement.samples.begin(), measurement.samples.end(), [&](const Samples& samples) {
    return samples.metric == name && samples.inputs == judged->inputs && samples.where == judged->where;
  });
  return found == measurement.samples.end() ? nullptr : &*found;
}

double at_least_p(std::vector<double> p, int64_t u) {
  const auto n = static_cast<int64_t>(p.size());
  std::nth_element(p.begin(), p.begin() + (u - 1), p.end());
  return std::min(1.0, static_cast<double>(n - u + 1) * p[u - 1]);
}

Tested test(const Judged& judged, const Requirement& requirement, double level) {
  auto tested =
      requirement.is_group() ? test_group(judged, requirement, level) : test_criterion(judged, requirement, level);
  tested.arithmetic = requirement.arithmetic;
  return tested;
}

Tested test(const Judged& judged, const JointControl& control, double level) {
  const auto& metric = required(judged, control.metric);
  const auto& of = required(judged, control.of);
  const auto *samples = judged.samples(control.metric), *effect = judged.samples(control.of);
  auto clause = "control " + control.metric + " = " + short_number(metric.value) + ", must be below " +
                short_number(control.fraction) + " x " + control.of + " (" + short_number(of.value) + ")";
  if (!has_units(samples) || !has_units(effect)) return open(control.metric, clause + ", but has no per-unit values");
  const auto error = dtype_error(judged, control.metric) + control.fraction * dtype_error(judged, control.of);
  if (std::abs(std::abs(metric.value) - control.fraction * std::abs(of.value)) < error) {
    return open(control.metric, clause + ", but is within the error of the arithmetic");
  }
  const double sign = upwards(control.op) ? 1 : -1;
  const auto allowed = scaled(effect->values, sign * control.fraction);
  const bool paired = metric.inputs == of.inputs && samples->values.size() == allowed.size();
  const auto compare = [&](double direction) {
    const auto change = scaled(samples->values, direction);
    return paired ? compare_paired(change, allowed) : compare_unpaired(change, allowed);
  };
  const auto one = compare(sign);
  Tested tested{.name = control.metric, .p = one.below, .opposite = one.above};
  if (control.two_sided) {
    const auto other = compare(-sign);
    tested.p = std::max(one.below, other.below);
    tested.opposite = std::min(1.0, 2 * std::min(one.above, other.above));
  }
  tested.outcome = outcome_of(tested.p, tested.opposite, level);
  tested.clause = clause + ", p = " + significant_text(tested.p, 2);
  return tested;
}

Ruling rule(const Judged& judged, const Requirements& requirements) {
  Ruling ruling;
  for (const auto& one : requirements.all) {
    ruling.requirements.push_back(is_left_out(judged, one) ? left_out(one) : test(judged, one, requirements.level));
  }
  for (const auto& one : requirements.controls) {
    const bool applies = !is_left_out(judged, one);
    ruling.controls.push_back(applies ? test(judged, one, requirements.level) : left_out(one.metric));
  }
  for (const auto& check : requirements.checks) ruling.checks.push_back(test_check(judged, check));
  ruling.by_arithmetic = std::ranges::all_of(
      ruling.requirements, [](const Tested& one) { return one.arithmetic || one.outcome == Outcome::not_measured; });
  if (const auto unmet = unmet_checks(requirements, ruling.checks); !unmet.empty()) {
    ruling.reason = too_few_units(ruling.requirements);
    add_clause(ruling.reason, unmet);
    return ruling;
  }
  ruling.may_contradict = std::all_of(
      requirements.contradicts_if.begin(), requirements.contradicts_if.end(),
      [&](const Requirement& one) { return test(judged, one, requirements.level).outcome == Outcome::pass; });
  decide(ruling);
  return ruling;
}

std::set<std::string> judged_metrics(const Requirements& requirements) {
  std::set<std::string> names;
  for (const auto* list : {&requirements.all, &requirements.checks, &requirements.contradicts_if}) {
    for (const auto& one : *list) add_metrics(one, names);
  }
  for (const auto& control : requirements.controls) names.insert({control.metric, control.of});
  return names;
}

Agreement agreement(const Judged& variation, const Requirements& requirements, const Ruling& ruling) {
  if (ruling.verdict != Verdict::pass && ruling.verdict != Verdict::fail) {
    return {std::nullopt, "the verdict is " + to_string(ruling.verdict)};
  }
  std::vector<Tested> checks;
  for (const auto& check : requirements.checks) checks.push_back(test_check(variation, check));
  if (const auto unmet = unmet_checks(requirements, checks); !unmet.empty()) return {std::nullopt, unmet};
  const bool passed = ruling.verdict == Verdict::pass;
  const auto decided = [&](const Tested& one) {
    return decides(one, ruling) && (passed || one.outcome == Outcome::fail);
  };
  Compared compared;
  compared.add(variation, requirements.all, ruling.requirements, decided);
  compared.add(variation, requirements.controls, ruling.controls, decided);
  if (!compared.untold.empty()) return {std::nullopt, compared.untold};
  return {compared.all_hold == passed};
}

std::string canonical_text(const Requirements& requirements) {
  auto text = "level " + exact_number(requirements.level) + "\n";
  for (const auto& one : requirements.all) text += "requires " + line_of(one) + "\n";
  for (const auto& one : requirements.checks) text += "check " + line_of(one) + "\n";
  for (const auto& one : requirements.contradicts_if) text += "contradicts if " + line_of(one) + "\n";
  for (const auto& [verdict, bearing] : requirements.bearing) {
    text += to_string(verdict) + " " + to_string(bearing) + "\n";
  }
  if (requirements.stages != StageCalls::once) text += "stages " + to_string(requirements.stages) + "\n";
  for (const auto& [metric, of, op, fraction, two_sided, optional, source] : requirements.controls) {
    text += "control " + metric + " of " + of + " " + to_string(op) + " " + exact_number(fraction) +
            (two_sided ? " two-sided" : "") + (optional ? " where it applies" : "") + "\n";
  }
  return text;
}

double least_attainable_p(const Requirement& requirement) {
  if (!requirement.is_group()) return requirement.exact ? 0 : least_p(requirement.units);
  std::vector<double> p;
  for (const auto& member : requirement.members) p.push_back(least_attainable_p(member));
  return requirement.at_least ? at_least_p(p, *requirement.at_least) : *std::max_element(p.begin(), p.end());
}

int64_t fewest_units(const Requirements& requirements) {
  const bool sampled = std::any_of(requirements.all.begin(), requirements.all.end(),
                                   [](const Requirement& one) { return least_attainable_p(one) > 0; });
  int64_t units = 0;
  while (sampled && least_p(units) > requirements.level) ++units;
  return units;
}

}  // namespace replicate
