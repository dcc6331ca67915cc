#include "reports/sections/cells.h"

#include "base/number_text.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

/// "0.4963237668, 16 units of sampling, natural"
std::string exact_text(const Metric& metric) {
  auto text = significant_text(metric.value, 10);
  if (metric.n > 0) text += ", " + plural(static_cast<size_t>(metric.n), "unit") + " of sampling";
  return metric.inputs.empty() ? text : text + ", " + metric.inputs;
}

}  // namespace

Line value_line(const Metric* metric) {
  if (metric == nullptr) return {span::muted("not measured")};
  auto value = span::strong(format_metric(*metric).value);
  value.hint = exact_text(*metric);
  return {value};
}

Line interval_line(const Metric* metric) {
  if (metric == nullptr) return {span::muted("–")};
  const std::string interval = format_metric(*metric).interval;
  return interval.empty() ? Line{span::muted("–")} : Line{span::text(interval)};
}

Line value_and_interval(const Metric* metric) {
  if (metric == nullptr) return {span::muted("–")};
  const MetricText shown = format_metric(*metric);
  auto value = span::text(shown.value);
  value.hint = exact_text(*metric);
  Line line = {value};
  if (!shown.interval.empty()) append(line, {span::line_break(), span::muted(shown.interval)});
  return line;
}

Line outcome_line(const std::string& outcome) {
  return outcome.empty() ? Line{span::muted("not judged")} : Line{span::verdict(outcome)};
}

Line headline_line(const Headline& headline) {
  const MetricText shown = format_metric(*headline.metric);
  Line line = {span::code(headline.metric->name), span::line_break(), span::strong(shown.value)};
  if (!shown.interval.empty()) line.push_back(span::text(" " + shown.interval));
  std::string asked = asked_of(headline);
  if (asked.empty()) return line;
  if (headline.criterion) replace_all(asked, " ", "\u00A0");  // "≥ 0.2" stays on its line
  append(line, {span::text(" "), span::muted("(" + asked + ")")});
  return line;
}

}  // namespace replicate::report
