#include "reports/findings.h"
#include "reports/sections/sections.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

constexpr std::string_view kEnding = "_distance_to_paper";

bool is_distance(const Metric& metric) { return metric.name.ends_with(kEnding); }

/// The metric that the distance belongs to: the same name without the ending, or its mean.
const Metric* measured(const Record& record, const Metric& distance) {
  const std::string stem = distance.name.substr(0, distance.name.size() - kEnding.size());
  for (const std::string& name : {stem, stem + "_mean"})
    for (const Metric& metric : record.measurement.metrics)
      if (metric.name == name && metric.where == distance.where && metric.inputs == distance.inputs) return &metric;
  return nullptr;
}

std::string place(const Metric& metric) {
  const std::string where = format_where(metric);
  return (where.empty() ? "" : " in " + where) + (metric.inputs.empty() ? "" : ", " + metric.inputs);
}

std::string side(const Metric& distance) {
  const bool apart = !distance.low || !distance.high || *distance.low > 0 || *distance.high < 0;
  if (!apart) return ", which its interval does not tell apart";
  return distance.value > 0 ? ", so above the paper's" : ", so below the paper's";
}

/// "kendall_tau_mean in layer 1, random: 0.23 here, 0.32 in the paper. Difference −0.09 [...]."
Line sentence(const Record& record, const Metric& distance) {
  const Metric* here = measured(record, distance);
  const MetricText difference = format_metric(distance);
  Line line = {span::code(here == nullptr ? distance.name : here->name), span::text(place(distance) + ": ")};
  if (here != nullptr)
    append(line, {span::strong(format_metric(*here).value + " here"),
                  span::text(", " + format_number(here->value - distance.value) + " in the paper; ")});
  append(line, {span::text("difference " + difference.value +
                           (difference.interval.empty() ? "" : " " + difference.interval) + side(distance) + ".")});
  return line;
}

}  // namespace

Blocks paper_distance_blocks(const Record& record) {
  Bullets bullets;
  for (const Metric& metric : record.measurement.metrics)
    if (is_distance(metric)) bullets.items.push_back(sentence(record, metric));
  if (bullets.items.empty()) return {};
  return {{Subheading{"Distance to the paper's number"}}, {bullets}};
}

}  // namespace replicate::report
