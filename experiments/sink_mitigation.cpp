// Models trained with head-wise RMSNorm have next to no attention sink and no dominant dimensions in the layers where
// the baseline has them (paper, figures 2 and 14; baseline sinks from its layer 5 on, mean dominance ratio 82.67
// against 33.74). The baseline's sink layers are found on other sequences than those that are measured.
// Where the rows of attention do not sum to one (sigmoid), column 0 is judged relative to its row's sum, and the raw
// column stands beside it. Cost: one forward pass a run, and one on fewer sequences for every kept state of it.

#include "harness/study/compared_arms.h"
#include "harness/study/experiment.h"
#include "harness/study/measures/disparity.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

constexpr const char* kPrimary = "head_rms_norm";
constexpr double kLeastTotal = 1e-3;  // rows that attend to less than this in all say nothing of where they look

/// Attention to position 0, mean over heads and queries q >= 1, per sequence: [b, 4] = the column as it is; divided by
/// its row's sum, over the rows that are kept; what uniform attention would give in these rows; the share of rows kept.
Tensor sink_terms(const AttentionStatistics& statistics) {
  const auto column = statistics.column(0).slice(2, 1).to(at::kDouble);  // [b, H, T - 1]
  const auto total = statistics.needs.total ? statistics.total.slice(2, 1).to(at::kDouble) : at::ones_like(column);
  const auto kept = (total >= kLeastTotal).to(at::kDouble);
  const auto uniform = at::arange(2, column.size(2) + 2, column.options()).reciprocal();  // [T - 1]
  const auto mean = [](const Tensor& x) { return x.mean(at::IntArrayRef{1, 2}); };
  return at::stack({mean(column), mean(kept * column / total.clamp_min(kLeastTotal)), mean(kept * uniform), mean(kept)},
                   1);
}

struct ByLayer {
  std::vector<double> attention, excess, raw_attention, raw_excess, kept, dominance;  // L each
};

/// What is looked at in one model.
struct Seen {
  std::shared_ptr<Watch> sink;       // [B, L, 4]
  std::shared_ptr<Watch> dominance;  // of position 0: [B, L]
  int64_t length = 0;

  ByLayer by_layer() const {
    const auto terms = sink->layers().mean(0);  // [L, 4]
    const auto raw = terms.select(1, 0), kept = terms.select(1, 3);
    const auto attention = terms.select(1, 1) / kept, uniform = terms.select(1, 2) / kept;
    const double everywhere = uniform_attention(0, length);
    return {to_vector<double>(attention), to_vector<double>((attention - uniform) / (1 - uniform)),
            to_vector<double>(raw),       to_vector<double>((raw - everywhere) / (1 - everywhere)),
            to_vector<double>(kept),      to_vector<double>(dominance->layers().mean(0))};
  }
};

double mean_over(const std::vector<double>& by_layer, const std::vector<int64_t>& layers) {
  double sum = 0;
  for (const auto layer : layers) sum += by_layer[layer - 1];
  return sum / static_cast<double>(layers.size());
}

/// The mean over the finished runs, by layer; empty without one.
std::vector<double> mean_excess(const BySeed<Seen>& seeds) {
  std::vector<double> sum;
  double count = 0;
  for (const auto& seen : seeds) {
    if (!seen) continue;
    const auto excess = seen->by_layer().excess;
    sum.resize(excess.size());
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += excess[i];
    ++count;
  }
  for (auto& value : sum) value /= count;
  return sum;
}

class SinkMitigation : public Experiment {
 public:
  Plan plan(const Context& context) override {
    const auto& training = *context.training;
    arms_.emplace(training.own_rate, context.arms);
    const auto sequences = [&](const std::string& name) { return context.parameters.integer(name + ".sequences"); };
    const auto survey = training.validation(sequences("survey"), Region::survey);
    const auto measured = training.validation(sequences("validation"), Region::measure);
    const auto along = training.validation(sequences("over_training"), Region::measure);
    if (arms_->has(kBaseline)) surveyed_ = look(kBaseline, survey);
    for (const auto& arm : arms_->names()) {
      last_[arm] = look(arm, measured);
      along_[arm] = look_at(arms_->runs(arm), [&](const TrainedRun& run) {
        std::vector<Seen> seen;
        for (const auto& kept : run.models) seen.push_back(add(kept.model, along));
        return seen;
      });
    }
    return std::move(plan_);
  }

  Measurement reduce(const Context& context) override {
    const auto& training = *context.training;
    SeedMeasure measure;
    for (const auto& arm : arms_->names()) {
      by_layer(arm, training.config.layers, measure);
      over_training(training, arm, measure);
      measure.mean("dominance_ratio_layer_mean_" + arm,
                   per_seed(last_.at(arm), [](const Seen& seen) { return mean(seen.by_layer().dominance); }));
    }
    arms_->note_stopped(measure);
    const auto sinks = sink_layers(measure);
    if (!sinks.empty()) over_sink_layers(sinks, measure);
    const auto missing = arms_->missing({kBaseline, kPrimary});
    if (!sinks.empty() && !missing.empty()) measure.unmet(missing);
    return measure.take();
  }

 private:
  Seen add(const std::shared_ptr<const Model>& model, const Tokens& tokens) {
    AttentionNeeds needs;
    needs.columns = {0};
    needs.total = model->config.sigmoid_bias.has_value();
    Seen seen{watch_attention(needs, sink_terms),
              watch(Site::block_input, [](const Tensor& x) { return dominance_ratio(x.slice(1, 0, 1)).select(1, 0); }),
              tokens->length()};
    plan_.push_back({model, tokens, {}, {seen.sink, seen.dominance}});
    return seen;
  }

  BySeed<Seen> look(const std::string& arm, const Tokens& tokens) {
    return look_at(arms_->runs(arm), [&](const TrainedRun& run) { return add(run.last().model, tokens); });
  }

  bool sigmoid(const std::string& arm) const {
    return std::ranges::any_of(arms_->runs(arm), [](const TrainedRun& run) {
      return !run.models.empty() && run.last().model->config.sigmoid_bias;
    });
  }

  void by_layer(const std::string& arm, int64_t layers, SeedMeasure& measure) const {
    const auto series = [&](const std::string& name, std::vector<double> ByLayer::*values) {
      measure.curve(name, arm, "layer", layer_numbers(layers),
                    rows_per_seed(last_.at(arm), layers, [&](const Seen& seen) { return seen.by_layer().*values; }));
    };
    series("excess_attention", &ByLayer::excess);
    series("attention_to_first", &ByLayer::attention);
    series("dominance_ratio", &ByLayer::dominance);
    if (!sigmoid(arm)) return;
    series("excess_attention_raw", &ByLayer::raw_excess);
    series("attention_to_first_raw", &ByLayer::raw_attention);
  }

  void over_training(const TrainingResults& training, const std::string& arm, SeedMeasure& measure) const {
    const auto tokens = tokens_at(training, kept_steps(arms_->runs(arm)));
    if (tokens.empty()) return;
    const auto series = [&](const std::string& name, std::vector<double> ByLayer::*values) {
      measure.curve(name, arm, "tokens", tokens,
                    rows_per_seed(along_.at(arm), tokens.size(), [&](const std::vector<Seen>& kept) {
                      std::vector<double> largest;
                      for (const auto& seen : kept) largest.push_back(std::ranges::max(seen.by_layer().*values));
                      return largest;
                    }));
    };
    series("max_excess_attention", &ByLayer::excess);
    series("max_dominance_ratio", &ByLayer::dominance);
  }

  /// The baseline's, with what stands in the way when there are none.
  std::vector<int64_t> sink_layers(SeedMeasure& measure) const {
    const auto excess = mean_excess(surveyed_);
    std::vector<int64_t> layers;
    for (size_t i = 0; i < excess.size(); ++i) {
      if (excess[i] >= kSinkExcess) layers.push_back(static_cast<int64_t>(i) + 1);
    }
    if (!layers.empty()) return layers;
    if (!arms_->has(kBaseline)) {
      measure.unmet(arms_->missing({kBaseline}));
    } else if (excess.empty()) {
      measure.unmet("no run of the baseline reached its end");
    } else {
      measure.unmet("the baseline has no sink at this scale: largest excess attention " +
                    brief(std::ranges::max(excess)));
    }
    return layers;
  }

  void over_sink_layers(const std::vector<int64_t>& sinks, SeedMeasure& measure) const {
    std::string text;
    for (const auto layer : sinks) text += (text.empty() ? "" : ", ") + std::to_string(layer);
    measure.note("Sink layers of the baseline: " + text + ".");
    for (const auto& arm : arms_->names()) {
      if (arm != kBaseline) reductions(arm, sinks, measure);
    }
    for (const auto& arm : arms_->names()) {
      measure.mean("excess_attention_" + arm, values(arm, &ByLayer::excess, sinks));
      measure.mean("dominance_ratio_" + arm, values(arm, &ByLayer::dominance, sinks));
    }
    measure.value("onset_layer", static_cast<double>(sinks.front()));
    measure.value("sink_layers", static_cast<double>(sinks.size()));
  }

  void reductions(const std::string& arm, const std::vector<int64_t>& sinks, SeedMeasure& measure) const {
    const auto suffix = arm == kPrimary ? "" : "_" + arm;
    const auto reduced = [&](std::vector<double> ByLayer::*ours, std::vector<double> ByLayer::*theirs) {
      return paired(values(arm, ours, sinks), values(kBaseline, theirs, sinks),
                    [](double a, double b) { return 1 - a / b; });
    };
    measure.mean("excess_attention_reduction" + suffix, reduced(&ByLayer::excess, &ByLayer::excess));
    measure.mean("dominance_reduction" + suffix, reduced(&ByLayer::dominance, &ByLayer::dominance));
    if (!sigmoid(arm)) return;
    measure.mean("excess_attention_reduction" + suffix + "_raw", reduced(&ByLayer::raw_excess, &ByLayer::excess));
    measure.mean("rows_kept" + suffix, values(arm, &ByLayer::kept, sinks));
  }

  std::vector<double> values(const std::string& arm, std::vector<double> ByLayer::*which,
                             const std::vector<int64_t>& layers) const {
    return per_seed(last_.at(arm), [&](const Seen& seen) { return mean_over(seen.by_layer().*which, layers); });
  }

  Plan plan_;
  std::optional<ComparedArms> arms_;
  BySeed<Seen> surveyed_;                                   // the baseline, on the survey's sequences
  std::map<std::string, BySeed<Seen>> last_;                // at the end of training
  std::map<std::string, BySeed<std::vector<Seen>>> along_;  // at every kept step
};

REPLICATE_TRAINING_EXPERIMENT(sink_mitigation, SinkMitigation, "survey.sequences", "validation.sequences",
                              "over_training.sequences");

}  // namespace
}  // namespace replicate
