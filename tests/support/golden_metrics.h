#pragma once

// What judged metrics came to when they were last accepted (tests/golden/*claims.json): a changed definition is seen on
// any machine. Rounding differs between processors, so a value may differ by 1e-4 of itself, and by 1e-6 where it is
// smaller than 1e-2, since attention shares in float32 carry no more. A bound is one of a few hundred resamples, and
// rounding may pick its neighbour, so it may also differ by 5% of the interval's width.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "base/run_folder.h"
#include "harness/record/verdict.h"
#include "models/core/torch.h"
#include "tests/support/assets.h"

namespace replicate {

/// Judged metrics by "model/claim/metric": value, bounds and n, or the reason why there is no value.
using GoldenMetrics = std::map<std::string, nlohmann::json>;

/// The models are too small to be shared among threads, and the number of threads then moves no number.
class OneThread {
 public:
  OneThread() { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(threads_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int threads_ = at::get_num_threads();
};

/// JSON has no NaN; eight digits are more than are compared.
inline nlohmann::json golden_number(double value) {
  if (std::isnan(value)) return "nan";
  char text[32];
  std::snprintf(text, sizeof text, "%.8g", value);
  return std::strtod(text, nullptr);
}

/// The first metric of a name is the one that is judged.
inline nlohmann::json golden_entry(const Measurement& measurement, const std::string& name) {
  for (const auto& metric : measurement.metrics) {
    if (metric.name != name) continue;
    nlohmann::json entry = {{"value", golden_number(metric.value)}, {"n", metric.n}};
    if (metric.low) entry["low"] = golden_number(*metric.low);
    if (metric.high) entry["high"] = golden_number(*metric.high);
    return entry;
  }
  const auto why = measurement.unmet.value_or(measurement.inapplicable.value_or("not measured"));
  return {{"value", nullptr}, {"why", why}};
}

/// Adds every metric that a criterion, a control or a rival's prediction names.
inline void add_judged(GoldenMetrics& all, const std::string& model, const std::string& claim, const Judging& judging,
                       const Measurement& measurement, const Judgement& judgement) {
  EXPECT_NE(judgement.verdict, Verdict::error) << claim << " on " << model << ": " << judgement.reason;
  const auto add = [&](const std::string& name) {
    all[model + "/" + claim + "/" + name] = golden_entry(measurement, name);
  };
  for (const auto& name : judged_metrics(judging)) add(name);
}

inline bool golden_agree(const nlohmann::json& golden, const nlohmann::json& now, double slack) {
  if (!golden.is_number() || !now.is_number()) return golden == now;
  const double a = golden, b = now;
  return std::abs(a - b) <= 1e-4 * std::max(std::abs(a), 1e-2) + slack;
}

/// Of a thousand permutations a few lie so near to the tau that another processor's rounding decides on which side.
inline double golden_count_slack(const std::string& metric) {
  return metric.ends_with("/permutations_reaching_tau") ? 3 : 0;
}

/// Why a value is missing is for the reader alone: the sentence may change.
inline bool golden_entries_agree(const std::string& metric, const nlohmann::json& golden, const nlohmann::json& now) {
  const auto field = [](const nlohmann::json& entry, const char* name) { return entry.value(name, nlohmann::json()); };
  const auto agree = [&](const char* name, double slack) {
    return golden_agree(field(golden, name), field(now, name), slack);
  };
  const auto low = field(golden, "low"), high = field(golden, "high");
  const double slack = low.is_number() && high.is_number() ? 0.05 * (high.get<double>() - low.get<double>()) : 0;
  return agree("value", golden_count_slack(metric)) && agree("n", 0) && agree("low", slack) && agree("high", slack);
}

/// One line per metric. What agrees stays as it was, so a diff shows only what changed.
inline void accept_golden(const std::filesystem::path& file, const GoldenMetrics& golden, const GoldenMetrics& now) {
  std::string lines;
  for (const auto& [name, entry] : now) {
    const auto found = golden.find(name);
    const bool stays = found != golden.end() && golden_entries_agree(found->first, found->second, entry);
    lines += (lines.empty() ? "" : ",\n") + nlohmann::json(name).dump() + ": " + (stays ? found->second : entry).dump();
  }
  write_atomically(file, "{\n" + lines + "\n}\n");
}

/// One failure per metric that moved, was added or was removed. `name` is a file in tests/golden.
inline void expect_golden_metrics(const std::string& name, const GoldenMetrics& now) {
  const auto file = source_folder() / "tests/golden" / name;
  GoldenMetrics golden;
  if (std::filesystem::exists(file)) golden = nlohmann::json::parse(read_text(file)).get<GoldenMetrics>();
  if (testing::Test::HasFailure()) return;  // a claim that ended in an error is nothing to accept
  if (std::getenv("REPLICATE_ACCEPT_GOLDEN") != nullptr) return accept_golden(file, golden, now);
  const std::string remedy =
      "\nIf the change is wanted: REPLICATE_ACCEPT_GOLDEN=1 ./check -R JudgedMetrics, then read the diff.";
  for (const auto& [metric, entry] : now) {
    const auto found = golden.find(metric);
    if (found == golden.end()) {
      ADD_FAILURE() << metric << " is judged and tests/golden/" << name << " does not have it: " << entry << remedy;
    } else if (!golden_entries_agree(found->first, found->second, entry)) {
      ADD_FAILURE() << metric << " moved\n  golden: " << found->second << "\n  now:    " << entry << remedy;
    }
  }
  for (const auto& [metric, entry] : golden) {
    if (now.contains(metric)) continue;
    ADD_FAILURE() << metric << " is in tests/golden/" << name << " and is no longer judged" << remedy;
  }
}

}  // namespace replicate
