// A gate after value aggregation takes away the variance that position 0's head outputs have over all others (paper,
// figures 22 and 23: layer 1). The discrepancy is there by arithmetic before any training, so each run is compared
// with its own weights at step 0, and what training changed is compared between arms. Random ids without BOS, also
// where training had it: of a constant first token there is no variance. Our layer 1 is judged, layer 2 reported.
// Cost: two layers of one forward pass for each run's first and last model.

#include "base/error.h"
#include "harness/study/compared_arms.h"
#include "harness/study/experiment.h"
#include "harness/study/measures/position_variance.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

constexpr const char* kPrimary = "gated_attention";

/// Unbiased variance over sequences of every dimension at positions 0..31 of one site, mean over dimensions. Unlike
/// PositionVariance it keeps no products of sequences: nothing is resampled here.
class VarianceByPosition : public Probe {
 public:
  VarianceByPosition(Site site, std::vector<int64_t> layers) : site_(site), layers_(std::move(layers)) {}

  ProbeNeeds needs(int64_t layer, int64_t) const override {
    ProbeNeeds needs;
    if (std::ranges::count(layers_, layer) > 0) needs.sites = {site_};
    return needs;
  }
  void observe(const Place&, Site, const Tensor& value) override {
    batches_.push_back(value.slice(1, 0, kVariancePositions).flatten(2).clone());  // [b, P, X]
  }
  void finish_layer(int64_t layer) override {
    const auto x = at::cat(std::exchange(batches_, {}), 0).to(at::kDouble);
    variance_[layer] = to_vector<double>(x.var(0, /*unbiased=*/true).mean(-1));
  }

  const std::vector<double>& layer(int64_t layer) const { return variance_.at(layer); }  ///< P values
  double first_to_rest(int64_t layer) const {
    const auto& variance = variance_.at(layer);
    return variance.front() / mean(std::span(variance).subspan(1));
  }

 private:
  Site site_;
  std::vector<int64_t> layers_;
  std::vector<Tensor> batches_;
  std::map<int64_t, std::vector<double>> variance_;
};

/// Of one model: what value aggregation returns and what W_O reads. Without a gate and head norm the two are one.
struct Variances {
  std::shared_ptr<VarianceByPosition> before, after;
};

struct Seen {
  Variances null, trained;
};

class GatedAttention : public Experiment {
 public:
  Plan plan(const Context& context) override {
    const auto& training = *context.training;
    arms_.emplace(training.own_rate, context.arms);
    layers_ = variance_layers(training.config);
    const auto tokens = training.random(context.parameters.integer("random.sequences"), /*bos=*/false);
    require_enough(*tokens);
    for (const auto& arm : arms_->names()) {
      seen_[arm] = look_at(arms_->runs(arm), [&](const TrainedRun& run) {
        return Seen{add(run.first().model, tokens), add(run.last().model, tokens)};
      });
    }
    return std::move(plan_);
  }

  Measurement reduce(const Context&) override {
    SeedMeasure measure("random");
    for (const auto layer : layers_) {
      for (const auto& arm : arms_->names()) {
        if (arm != kBaseline) compare(arm, layer, measure);
      }
      for (const auto& arm : arms_->names()) describe(arm, layer, measure);
    }
    arms_->note_stopped(measure);
    if (const auto missing = arms_->missing({kBaseline, kPrimary}); !missing.empty()) measure.unmet(missing);
    return measure.take();
  }

 private:
  static void require_enough(const TokenIds& tokens) {
    if (tokens.sequences() > 1 && tokens.length() >= kVariancePositions) return;
    throw Error("variances of positions 0 to 31 need two sequences of 32 tokens at least", "gated_attention",
                "train on sequences of 32 tokens or more, and give random.sequences at least 2");
  }

  Variances add(const std::shared_ptr<const Model>& model, const Tokens& tokens) {
    Variances seen{std::make_shared<VarianceByPosition>(Site::head_output, layers_),
                   std::make_shared<VarianceByPosition>(Site::gated_output, layers_)};
    plan_.push_back({model, tokens, {}, {seen.before, seen.after}});
    return seen;
  }

  /// Trained minus step 0, of what W_O reads.
  std::vector<double> changes(const std::string& arm, int64_t layer) const {
    return per_seed(seen_.at(arm), [&](const Seen& seen) {
      return seen.trained.after->first_to_rest(layer) - seen.null.after->first_to_rest(layer);
    });
  }

  void compare(const std::string& arm, int64_t layer, SeedMeasure& measure) const {
    measure.mean("variance_ratio_difference" + (arm == kPrimary ? std::string() : "_" + arm),
                 differences(changes(arm, layer), changes(kBaseline, layer)), {{"layer", layer}});
  }

  void describe(const std::string& arm, int64_t layer, SeedMeasure& measure) const {
    const auto both = [&](const std::string& when, Variances Seen::*which) {
      const auto of = [&](std::shared_ptr<VarianceByPosition> Variances::*site) {
        return rows_per_seed(seen_.at(arm), kVariancePositions,
                             [&](const Seen& seen) { return (seen.*which.*site)->layer(layer); });
      };
      measure.mean("variance_ratio_first_to_rest_" + arm + when,
                   per_seed(seen_.at(arm), [&](const Seen& seen) { return (seen.*which).after->first_to_rest(layer); }),
                   {{"layer", layer}});
      measure.mean(
          "variance_ratio_before_" + arm + when,
          per_seed(seen_.at(arm), [&](const Seen& seen) { return (seen.*which).before->first_to_rest(layer); }),
          {{"layer", layer}});
      measure.curve(in_layer("variance_by_position" + when, layer), arm, "position", variance_positions(),
                    of(&Variances::after));
      measure.curve(in_layer("variance_by_position_before" + when, layer), arm, "position", variance_positions(),
                    of(&Variances::before));
    };
    both("", &Seen::trained);
    both("_null", &Seen::null);
  }

  Plan plan_;
  std::vector<int64_t> layers_;
  std::optional<ComparedArms> arms_;
  std::map<std::string, BySeed<Seen>> seen_;
};

REPLICATE_TRAINING_EXPERIMENT(gated_attention, GatedAttention, "random.sequences");

}  // namespace
}  // namespace replicate
