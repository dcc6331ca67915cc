#include "reports/compare/run_diff.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/statistics.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

namespace fs = std::filesystem;
using Kind = Difference::Kind;

constexpr double kSmallestDrift = 1e-3;  // relative
constexpr double kShareOfInterval = 0.1;
constexpr double kSlowerBy = 1.5, kLeastSeconds = 10, kMoreMemoryBy = 1.25;

std::map<std::string, Record> records_in(const fs::path& folder) {
  std::map<std::string, Record> records;
  for (auto& record : read_run(folder)) records.emplace(record.claim, std::move(record));
  return records;
}

bool same_place(const Metric& a, const Metric& b) {
  return a.name == b.name && a.inputs == b.inputs && a.where == b.where;
}

const Samples* samples_of(const Record& record, const Metric& metric) {
  for (const auto& samples : record.measurement.samples) {
    if (samples.metric == metric.name && samples.inputs == metric.inputs && samples.where == metric.where)
      return &samples;
  }
  return nullptr;
}

/// All ids of a label, and of what the metrics of that label may be compared with.
std::set<std::string> ids_of(const Record& record) {
  std::set<std::string> ids;
  for (const auto& inputs : record.inputs) ids.insert(inputs.label + " " + inputs.sha256);
  return ids;
}

double half(const Metric& metric) { return metric.low && metric.high ? (*metric.high - *metric.low) / 2 : 0; }

bool paired_drift(const Samples& a, const Samples& b) {
  std::vector<double> differences;
  for (size_t i = 0; i < a.values.size(); ++i) differences.push_back(b.values[i] - a.values[i]);
  const auto interval = t_interval(differences);
  return interval.low > 0 || interval.high < 0;
}

/// One claim in both runs.
class ClaimDiff {
 public:
  ClaimDiff(const Record& before, const Record& after, std::vector<Difference>& found)
      : before_(before), after_(after), found_(found), same_ids_(ids_of(before) == ids_of(after)) {}

  void find() {
    verdict();
    comparability();
    metrics();
    cost();
  }

 private:
  void add(Kind kind, const std::string& text) { found_.push_back({kind, before_.claim, text}); }

  void verdict() {
    if (before_.verdict == after_.verdict) return;
    add(Kind::verdict, to_string(before_.verdict) + " became " + to_string(after_.verdict) + ": " + after_.reason);
  }

  void comparability() {
    if (before_.thresholds_sha256 != after_.thresholds_sha256)
      add(Kind::threshold, "judged by other thresholds or controls");
    if (before_.model.sha256 != after_.model.sha256) {
      add(Kind::inputs, "another model: " + before_.model.name + " (" + short_hash(before_.model.sha256) + ") became " +
                            after_.model.name + " (" + short_hash(after_.model.sha256) + ")");
    }
    if (before_.parameters != after_.parameters) add(Kind::inputs, "different parameters");
    if (!same_ids_) add(Kind::inputs, "different token ids");
    if (before_.environment.dtype != after_.environment.dtype) {
      add(Kind::inputs, before_.environment.dtype + " became " + after_.environment.dtype);
    }
  }

  void metrics() {
    std::set<std::string> judged;
    for (const auto& criterion : before_.criteria) judged.insert(criterion.metric);
    for (const auto& control : before_.controls) judged.insert(control.metric);
    std::set<std::string> told;
    size_t others = 0, drifted = 0;
    std::string largest;
    double most = 0;
    for (const auto& metric : before_.measurement.metrics) {
      const auto* now = counterpart(metric);
      if (!now) continue;
      const bool is_judged = judged.count(metric.name) && told.insert(metric.name).second;  // the first of a name
      others += !is_judged;
      const double share = drift(metric, *now);
      if (share == 0) continue;
      if (is_judged) {
        add(Kind::metric, change(metric, *now));
        continue;
      }
      ++drifted;
      if (share > most) largest = change(metric, *now);
      most = std::max(most, share);
    }
    if (drifted > 0) {
      add(Kind::others,
          std::to_string(drifted) + " of " + std::to_string(others) + " unjudged metrics drifted; largest: " + largest);
    }
  }

  const Metric* counterpart(const Metric& metric) const {
    const auto& all = after_.measurement.metrics;
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Metric& other) { return same_place(metric, other); });
    return found == all.end() ? nullptr : &*found;
  }

  /// Relative size of a drift; 0: none.
  double drift(const Metric& a, const Metric& b) const {
    const double moved = std::abs(b.value - a.value), size = std::max(std::abs(a.value), std::abs(b.value));
    if (std::isnan(a.value) != std::isnan(b.value)) return 1;
    if (!(moved > kSmallestDrift * size)) return 0;
    return beyond_noise(a, b, moved) ? moved / size : 0;
  }

  bool beyond_noise(const Metric& a, const Metric& b, double moved) const {
    if (!same_ids_) return moved > std::hypot(half(a), half(b));
    const auto* before = samples_of(before_, a);
    const auto* after = samples_of(after_, b);
    if (before && after && before->values.size() == after->values.size()) return paired_drift(*before, *after);
    return moved > kShareOfInterval * std::max(half(a), half(b));
  }

  static std::string change(const Metric& a, const Metric& b) {
    const auto shown = [](const Metric& metric) {
      const auto text = format_metric(metric);
      return text.value + (text.interval.empty() ? "" : " " + text.interval);
    };
    const auto place = format_where(a);
    return a.name + (place.empty() ? "" : " (" + place + ")") + " on " + a.inputs + ": " + shown(a) + " became " +
           shown(b);
  }

  void cost() {
    const double before = std::max(before_.seconds, kLeastSeconds / kSlowerBy);
    if (after_.seconds > kSlowerBy * before) {
      add(Kind::time, format_seconds(before_.seconds) + " became " + format_seconds(after_.seconds));
    }
    if (before_.peak_memory_mb > 0 && after_.peak_memory_mb > kMoreMemoryBy * before_.peak_memory_mb) {
      add(Kind::memory,
          format_megabytes(before_.peak_memory_mb) + " became " + format_megabytes(after_.peak_memory_mb));
    }
  }

  const Record& before_;
  const Record& after_;
  std::vector<Difference>& found_;
  bool same_ids_;
};

}  // namespace

bool is_cost(Kind kind) { return kind == Kind::time || kind == Kind::memory; }

bool anything_changed(const RunDiff& diff) {
  return std::ranges::any_of(diff.differences, [](const Difference& found) { return !is_cost(found.kind); });
}

bool numbers_disagree(const RunDiff& diff) {
  std::set<std::string> judged_otherwise;
  for (const auto& found : diff.differences) {
    if (found.kind == Kind::threshold) judged_otherwise.insert(found.claim);
  }
  return std::ranges::any_of(diff.differences, [&](const Difference& found) {
    if (found.kind == Kind::verdict) return !judged_otherwise.count(found.claim);
    return !is_cost(found.kind) && found.kind != Kind::threshold;
  });
}

RunDiff diff_runs(const fs::path& before, const fs::path& after) {
  const auto a = records_in(before), b = records_in(after);
  RunDiff diff{before, after, {}, {}};
  for (const auto& [claim, record] : a) {
    if (const auto other = b.find(claim); other != b.end()) {
      diff.compared.push_back(claim);
      ClaimDiff(record, other->second, diff.differences).find();
    } else {
      diff.differences.push_back({Kind::missing, claim, "is not in the second run"});
    }
  }
  for (const auto& [claim, record] : b) {
    if (!a.count(claim)) diff.differences.push_back({Kind::missing, claim, "is not in the first run"});
  }
  std::ranges::stable_sort(diff.differences, {}, &Difference::kind);
  return diff;
}

}  // namespace replicate::report
