// A gate after value aggregation takes away the variance that position 0's head outputs have over all others (paper,
// figures 22 and 23: layer 1). The discrepancy is there by arithmetic before any training, so each run is compared
// with its own weights at step 0, and what training changed is compared between arms. Random ids without BOS, also
// where training had it: of a constant first token there is no variance. Our layer 1 is judged, layer 2 reported.
// Cost: two layers of one forward pass for each run's first and last model.

#include "base/error.h"
#include "harness/study/claim.h"
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

/// What is observed of one run: its weights at step 0 and its last ones.
struct Seen {
  Variances null, trained;
};

using Layers = std::vector<int64_t>;
using SeenByArm = std::map<std::string, BySeed<Seen>>;

void require_enough(const TokenIds& tokens) {
  if (tokens.sequences() > 1 && tokens.length() >= kVariancePositions) return;
  throw Error("variances of positions 0 to 31 need two sequences of 32 tokens at least", "gated_attention",
              "train on sequences of 32 tokens or more, and give random.sequences at least 2");
}

Variances observe(TrainingClaim& claim, const TrainedModel& kept, const Tokens& tokens, const Layers& layers) {
  auto run = claim.run(kept, tokens);
  return {run.add(std::make_shared<VarianceByPosition>(Site::head_output, layers)),
          run.add(std::make_shared<VarianceByPosition>(Site::gated_output, layers))};
}

/// By how much training moved the ratio of what W_O reads.
std::vector<double> changes(const BySeed<Seen>& seeds, int64_t layer) {
  return per_seed(seeds, [&](const Seen& seen) {
    return seen.trained.after->first_to_rest(layer) - seen.null.after->first_to_rest(layer);
  });
}

void report_difference(const SeenByArm& seen, const std::string& arm, int64_t layer, SeedMeasure& measure) {
  measure.mean("variance_ratio_difference" + (arm == kPrimary ? std::string() : "_" + arm),
               differences(changes(seen.at(arm), layer), changes(seen.at(kBaseline), layer)), {{"layer", layer}});
}

/// Of an arm's weights at step 0 (`when` is "_null") or of its last ones ("").
void report_variances(const std::string& arm, const std::string& when, const BySeed<Seen>& seeds,
                      Variances Seen::*which, int64_t layer, SeedMeasure& measure) {
  using Side = std::shared_ptr<VarianceByPosition> Variances::*;
  const auto ratio = [&](const std::string& name, Side side) {
    const auto of = [&](const Seen& seen) { return (seen.*which.*side)->first_to_rest(layer); };
    measure.mean(name + "_" + arm + when, per_seed(seeds, of), {{"layer", layer}});
  };
  const auto series = [&](const std::string& name, Side side) {
    const auto of = [&](const Seen& seen) { return (seen.*which.*side)->layer(layer); };
    measure.curve(in_layer(name + when, layer), arm, "position", variance_positions(),
                  rows_per_seed(seeds, kVariancePositions, of));
  };
  ratio("variance_ratio_first_to_rest", &Variances::after);
  ratio("variance_ratio_before", &Variances::before);
  series("variance_by_position", &Variances::after);
  series("variance_by_position_before", &Variances::before);
}

void report_layer(const ComparedArms& arms, const SeenByArm& seen, int64_t layer, SeedMeasure& measure) {
  for (const auto& arm : arms.names()) {
    if (arm != kBaseline) report_difference(seen, arm, layer, measure);
  }
  for (const auto& arm : arms.names()) {
    report_variances(arm, "", seen.at(arm), &Seen::trained, layer, measure);
    report_variances(arm, "_null", seen.at(arm), &Seen::null, layer, measure);
  }
}

void gated_attention(TrainingClaim& claim) {
  const ComparedArms arms(claim.trained().own_rate, claim.arms);
  const auto layers = variance_layers(claim.trained().config);
  const auto tokens = claim.trained().random(claim.parameters.integer("random.sequences"), /*bos=*/false);
  require_enough(*tokens);
  SeenByArm seen;
  for (const auto& arm : arms.names()) {
    seen[arm] = look_at(arms.runs(arm), [&](const TrainedRun& trained) {
      return Seen{observe(claim, trained.first(), tokens, layers), observe(claim, trained.last(), tokens, layers)};
    });
  }
  claim.report([=](SeedMeasure& measure) {
    measure.measured_on("random");
    for (const auto layer : layers) report_layer(arms, seen, layer, measure);
    arms.note_stopped(measure);
  });
  if (const auto missing = arms.missing({kBaseline, kPrimary}); !missing.empty()) Claim::unmet(missing);
}

REPLICATE_CLAIM(gated_attention, "random.sequences");

}  // namespace
}  // namespace replicate
