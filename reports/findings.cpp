#include "reports/findings.h"

#include <algorithm>
#include <cmath>

#include "harness/record/bearing.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr size_t kMostHeadlines = 3;

bool is_at_judged_stage(const Record& record, const Metric& metric) {
  if (record.stages.empty()) return true;
  const auto spike = metric.where.find("spike");
  return spike != metric.where.end() && spike->second == record.stages.front().spike;
}

}  // namespace

const Metric* find_metric(const Record& record, const std::string& name) {
  const Metric* first = nullptr;
  for (const Metric& metric : record.measurement.metrics) {
    if (metric.name != name) continue;
    if (is_at_judged_stage(record, metric)) return &metric;
    if (!first) first = &metric;
  }
  return first;
}

const Series* find_series(const Record& record, const PanelCurve& curve) {
  for (const Series& series : record.measurement.series)
    if (series.name == curve.series && (curve.inputs.empty() || series.inputs == curve.inputs)) return &series;
  return nullptr;
}

bool is_of_variation(const Record& record, const Metric& metric) {
  const auto is_of = [&](const auto& one) { return metric.name.ends_with("_" + one.suffix); };
  return std::any_of(record.sweep.begin(), record.sweep.end(), is_of) ||
         std::any_of(record.variations.begin(), record.variations.end(), is_of);
}

Agreement agreement(const Record& record) {
  Agreement count;
  for (const auto& variation : record.variations) {
    count.told += variation.agrees.has_value();
    count.agree += variation.agrees == true;
  }
  return count;
}

std::string variation_note(const Record& record) {
  const auto& sweep = record.sweep;
  if (!sweep.empty()) {
    const auto held =
        std::count_if(sweep.begin(), sweep.end(), [](const auto& one) { return one.verdict == Verdict::pass; });
    return "holds at " + std::to_string(held) + " of " + plural(sweep.size(), "variation");
  }
  const auto [told, agree] = agreement(record);
  if (told == 0) return "";
  return std::to_string(agree) + " of " + plural(told, "variation") + (told == 1 ? " agrees" : " agree");
}

std::string bearing_note(const Record& record) {
  std::string note = record.standing ? to_string(*record.standing) : "";
  if (record.bearing) note += (note.empty() ? "" : ", ") + to_string(*record.bearing);
  return note;
}

std::string evidence_note(const std::vector<Record>& records) {
  std::vector<ClaimEvidence> claims;
  for (const Record& record : records) {
    if (record.edition < 2) continue;
    claims.push_back({record.claim, record.verdict, record.standing.value_or(Standing::unregistered),
                      record.bearing.value_or(Bearing::silent), record.fact});
  }
  return claims.empty() ? "" : evidence_line(count_evidence(claims));
}

bool is_unjudged(Verdict verdict) {
  return verdict != Verdict::pass && verdict != Verdict::fail && verdict != Verdict::inconclusive;
}

std::vector<Headline> headlines(const Record& record) {
  std::vector<Headline> result;
  for (const Finding& criterion : record.criteria)
    if (const Metric* metric = find_metric(record, criterion.metric)) result.push_back({metric, &criterion});
  if (result.empty() && !record.measurement.metrics.empty())
    result.push_back({&record.measurement.metrics.front(), nullptr});
  result.resize(std::min(result.size(), kMostHeadlines));
  const auto by = decider(record);
  const auto is_shown = [&](const Headline& headline) {
    return headline.metric == by->metric && headline.control == by->control;
  };
  if (by && std::none_of(result.begin(), result.end(), is_shown)) result.push_back(*by);
  return result;
}

std::optional<Headline> decider(const Record& record) {
  if (record.verdict != Verdict::fail && record.verdict != Verdict::inconclusive) return {};
  const std::string look = look_of(to_string(record.verdict)).icon;
  for (const Finding& criterion : record.criteria) {
    const Metric* metric = find_metric(record, criterion.metric);
    if (metric && look_of(to_string(criterion.outcome)).icon == look) return Headline{metric, &criterion};
  }
  for (const ControlFinding& control : record.controls) {
    const Metric* metric = find_metric(record, control.metric);
    if (metric && look_of(to_string(control.outcome)).icon == look) return Headline{metric, nullptr, &control};
  }
  return {};
}

Headline headline_of(const Record& record, const std::string& name) {
  const auto all = headlines(record);
  Headline headline{find_metric(record, name)};
  for (const Finding& criterion : record.criteria)
    if (criterion.metric == name) headline.criterion = &criterion;
  if (headline.metric == nullptr && !all.empty()) return all.front();
  return headline;
}

Verdict outcome_of(const Record& record, const std::string& name) {
  if (is_unjudged(record.verdict)) return record.verdict;
  for (const Finding& criterion : record.criteria) {
    if (criterion.metric != name) continue;
    if (criterion.outcome == Outcome::pass) return Verdict::pass;
    if (criterion.outcome == Outcome::fail) return Verdict::fail;
    return Verdict::inconclusive;
  }
  return record.verdict;
}

std::string asked_of(const Headline& headline) {
  if (const Finding* criterion = headline.criterion)
    return op_sign(to_string(criterion->op)) + " " + format_number(criterion->threshold);
  if (const ControlFinding* control = headline.control)
    return "control, within ± " + format_number(control->fraction) + " × " + control->of;
  return "";
}

bool is_known(const Record& record) { return record.known_verdict == record.verdict; }

bool departs(const Record& record) {
  if (!record.known_verdict || is_known(record)) return false;
  return record.verdict == Verdict::pass || record.verdict == Verdict::fail;
}

bool thresholds_changed(const Record& record) {
  return record.recorded && record.recorded->thresholds_sha256 != record.thresholds_sha256;
}

std::string registration_note(const Record& record) {
  if (!record.registration) return "";
  const auto& [version, date, definition_sha256, as_registered] = *record.registration;
  return "Registered on " + date + " as version " + std::to_string(version) +
         (as_registered ? "." : "; this run has other sizes or inputs, or the definition has changed since.");
}

std::string known_note(const Record& record) {
  if (departs(record)) return "on record: " + to_string(*record.known_verdict);
  return is_known(record) ? "as recorded" : "";
}

Counts count_verdicts(const std::vector<Record>& records) {
  Counts counts;
  for (const Verdict verdict : kVerdicts) counts.by_verdict[verdict] = 0;
  for (const Record& record : records) {
    ++counts.by_verdict[record.verdict];
    counts.known_failures += record.verdict == Verdict::fail && is_known(record);
    counts.departures += departs(record);
  }
  return counts;
}

std::string describe(const Counts& counts) {
  std::vector<std::string> parts;
  for (const auto& [verdict, count] : counts.by_verdict) {
    if (count == 0) continue;
    const bool known = verdict == Verdict::fail && counts.known_failures > 0;
    parts.push_back(std::to_string(count) + " " + to_string(verdict) +
                    (known ? " (" + std::to_string(counts.known_failures) + " as recorded)" : ""));
  }
  return parts.empty() ? "no verdict" : join(parts, ", ");
}

bool has_dagger(const Record& record) { return !record.arithmetic.empty(); }

std::string dagger_after_title(const Record& record) { return has_dagger(record) ? " †" : ""; }

std::string figures_text(const PaperReference& paper) {
  if (paper.figures.empty()) return "";
  return (paper.figures.size() == 1 ? "figure " : "figures ") + enumerate(paper.figures);
}

std::string title_of(const Record& record) { return record.title.empty() ? record.claim : record.title; }

std::vector<std::string> distinct(const std::vector<Record>& records,
                                  const std::function<std::string(const Record&)>& field) {
  std::vector<std::string> values;
  for (const Record& record : records) {
    const std::string value = field(record);
    if (!value.empty() && std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }
  return values;
}

Look look_of(const std::string& word) {
  if (word == "pass" || word == "negative") return {"✔", "pass"};
  if (word == "fail" || word == "fires") return {"✘", "fail"};
  if (word == "inconclusive") return {"◆", "inconclusive"};
  if (word == "error") return {"▲", "error"};
  return {"○", "skipped"};
}

}  // namespace replicate::report
