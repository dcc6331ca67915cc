#include "harness/study/runner/cost_table.h"

#include <cstdio>

#include "base/number_text.h"
#include "base/progress.h"
#include "base/stopwatch.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

// Parts of the estimate between which a run ends. Runs on idle machines took 1.04 and 1.09 times as long
// (results/LOG.md).
constexpr double kLeastOfEstimate = 0.9, kMostOfEstimate = 1.3;

std::string row(const std::string& name, const std::string& lanes, const std::string& tokens, const std::string& tflop,
                const std::string& time, const std::string& mib) {
  char line[200];
  std::snprintf(line, sizeof line, "%-26s %6s %9s %9s %12s %9s\n", name.c_str(), lanes.c_str(), tokens.c_str(),
                tflop.c_str(), time.c_str(), mib.c_str());
  return line;
}

/// 44.5M, 166B
std::string tokens_text(double tokens) {
  const bool billions = tokens >= 1e9;
  if (tokens < 1e7) return fixed_text(tokens, 0);
  return significant_text(tokens / (billions ? 1e9 : 1e6), 3) + (billions ? 'B' : 'M');
}

std::string tflop_text(double flops) {
  const double tflop = flops / 1e12;
  if (tflop < 1) return significant_text(tflop, 3);
  return tflop < 1e5 ? fixed_text(tflop, 2) : significant_text(tflop, 2);
}

}  // namespace

double measured_rate(const Model& model, const ExecutorOptions& options) {
  constexpr int64_t kLength = 128;
  const auto sequences = std::max<int64_t>(1, options.batch_tokens / kLength);
  const auto tokens = make_tokens(at::randint(0, model.config.vocabulary, {sequences, kLength}, at::kLong));
  const auto layers = std::min<int64_t>(2, model.config.layers);
  // Not owned: the caller's model outlives this call.
  const std::shared_ptr<const Model> shared(std::shared_ptr<void>(), &model);
  const auto timed = [&] {
    const auto probe = only_in({layers}, watch_columns({0}));
    const Plan plan{{shared, tokens, {}, {probe}}};
    const Stopwatch watch;
    run(plan, options);
    const auto seconds = watch.seconds();
    return estimate(plan, options).flops / seconds;
  };
  timed();  // the first run starts threads and touches memory
  return timed();
}

void CostTable::add(const std::string& name, const Plan& plan) {
  int64_t tokens = 0;
  for (const auto& lane : plan) tokens += lane.tokens->ids.numel();
  const auto cost = estimate(plan, options_);
  lines_ += row(name, std::to_string(plan.size()), std::to_string(tokens), tflop_text(cost.flops),
                duration_text(cost.flops / rate_), fixed_text(cost.bytes / 1048576, 0));
}

void CostTable::add_training(double tokens, double flops, double seconds) {
  training_flops_ += flops;
  training_seconds_ += seconds;
  lines_ += row("training, not done yet", "", tokens_text(tokens), tflop_text(flops), duration_text(seconds), "");
}

void CostTable::add_failure(const std::string& name, const std::string& why) { lines_ += name + ": " + why + "\n"; }

std::string CostTable::text(double flops, bool surveyed) const {
  const double seconds = flops / rate_ + training_seconds_;
  return row("claim", "lanes", "tokens", "TFLOP", "time", "MiB") + lines_ +
         row("all, passes shared", "", "", tflop_text(flops + training_flops_),
             duration_range_text(kLeastOfEstimate * seconds, kMostOfEstimate * seconds), "") +
         "Times assume " + fixed_text(rate_ / 1e9, 0) + " GFLOP/s, just measured on two layers. " +
         (surveyed ? "The survey has run, so the operations are those of the run.\n"
                   : "One stage is assumed; the survey of the run decides how much is actually run.\n") +
         "MiB counts activations and weights at the peak; it excludes the program itself and the mapped model file.\n";
}

}  // namespace replicate
