#include "harness/record/settings/judging_settings.h"

#include <algorithm>
#include <set>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/draft.h"

namespace replicate {
namespace {

Prediction read_prediction(const Yaml& yaml) {
  yaml.allow({"question", "account", "metric", "op", "threshold", "source"});
  return {filled_text(yaml.at("question")), filled_text(yaml.at("account")), criterion_of(yaml)};
}

double read_fraction(const Yaml& yaml) {
  return read_above_zero(yaml, "give the share of the effect that is too much");
}

Control read_control(const Yaml& yaml) {
  yaml.allow({"metric", "of", "fraction", "source"});
  return {filled_text(yaml.at("metric")), filled_text(yaml.at("of")), read_fraction(yaml.at("fraction")),
          filled_text(yaml.at("source"))};
}

/// The entry on `metric` of a claim's criteria or controls, which must be the only one.
template <typename Entry>
Entry& entry_on(std::vector<Entry>& entries, const std::string& metric, const Yaml& yaml) {
  std::vector<std::string> metrics;
  for (const Entry& entry : entries) metrics.push_back(entry.metric);
  const auto count = std::count(metrics.begin(), metrics.end(), metric);
  if (count > 1) yaml.fail("could mean either of two thresholds", "change the claim's YAML instead");
  if (count == 0) {
    throw Error("no criterion or control on " + in_quotes(metric), yaml.where(), did_you_mean(metric, metrics));
  }
  return entries[std::find(metrics.begin(), metrics.end(), metric) - metrics.begin()];
}

}  // namespace

double read_above_zero(const Yaml& yaml, const std::string& remedy) {
  const double value = yaml.real();
  if (value <= 0) yaml.fail("is not above 0", remedy);
  return value;
}

Criterion criterion_of(const Yaml& yaml) {
  return {filled_text(yaml.at("metric")), word_of<Operator>(yaml.at("op")), yaml.at("threshold").real(),
          filled_text(yaml.at("source"))};
}

Criterion read_criterion(const Yaml& yaml) {
  yaml.allow({"metric", "op", "threshold", "source"});
  return criterion_of(yaml);
}

void check_distinct(const Yaml& yaml, const Judging& judging) {
  std::set<std::string> seen;
  for (const Criterion& criterion : judging.criteria) {
    if (seen.insert(criterion.metric + " " + to_string(criterion.op)).second) continue;
    yaml.fail("has two criteria " + criterion.metric + " " + to_string(criterion.op), "keep one of the two");
  }
  for (const Control& control : judging.controls) {
    if (seen.insert(control.metric + " of " + control.of).second) continue;
    yaml.fail("has two controls " + control.metric + " of " + control.of, "keep one of the two");
  }
}

Judging read_judging(const Yaml& yaml) {
  Judging judging;
  judging.kind = word_of<ClaimKind>(yaml.at("kind"));
  judging.criteria = read_list(yaml, "criteria", read_criterion);
  if (!yaml.has("family")) judging.controls = read_list(yaml, "controls", read_control);
  judging.rivals = read_list(yaml, "rivals", read_prediction);
  judging.minimum_n = yaml.integer_or("minimum_n", judging.minimum_n, 2, kMostResamples);
  if (const auto scale = yaml.find("minimum_scale")) {
    for (const auto& [metric, least] : scale->entries()) {
      judging.minimum_scale.emplace_back(metric, least.real());
    }
  }
  check_distinct(yaml, judging);
  return judging;
}

Criterion& criterion_on(Judging& judging, const std::string& metric, const Yaml& yaml) {
  return entry_on(judging.criteria, metric, yaml);
}

Control& control_on(Judging& judging, const std::string& metric, const Yaml& yaml) {
  return entry_on(judging.controls, metric, yaml);
}

void set_threshold(Criterion& criterion, const Yaml& value, const std::string& source) {
  criterion.threshold = value.real();
  criterion.source = source;
}

void set_fraction(Control& control, const Yaml& value, const std::string& source) {
  control.fraction = read_fraction(value);
  control.source = source;
}

}  // namespace replicate
