#include "harness/study/measures/trained_variance.h"

#include <algorithm>

#include "base/error.h"
#include "models/core/tensor_values.h"

namespace replicate {

ProbeNeeds VarianceByPosition::needs(int64_t layer, int64_t) const {
  ProbeNeeds needs;
  if (std::ranges::count(layers_, layer) > 0) needs.sites = {site_};
  return needs;
}

void VarianceByPosition::observe(const Place&, Site, const Tensor& value) {
  batches_.push_back(value.slice(1, 0, kVariancePositions).flatten(2).clone());
}

void VarianceByPosition::finish_layer(int64_t layer) {
  const auto x = at::cat(std::exchange(batches_, {}), 0).to(at::kDouble);
  variance_[layer] = to_vector<double>(x.var(0, /*unbiased=*/true).mean(-1));
}

double VarianceByPosition::first_to_rest(int64_t layer) const {
  const auto& variance = variance_.at(layer);
  return variance.front() / mean(std::span(variance).subspan(1));
}

Tokens random_ids(const TrainingClaim& claim) {
  const auto tokens = claim.trained().random(claim.parameters.integer("random.sequences"), /*bos=*/false);
  if (tokens->sequences() > 1 && tokens->length() >= kVariancePositions) return tokens;
  throw Error("variances of positions 0 to 31 need at least two sequences of 32 tokens", "training",
              "train on sequences of 32 tokens or more, and set random.sequences to 2 or more");
}

TrainedVariance observe_variance(TrainingClaim& claim, const TrainedModel& kept, const Tokens& tokens,
                                 const std::vector<int64_t>& layers) {
  auto run = claim.run(kept, tokens);
  return {run.add(std::make_shared<VarianceByPosition>(Site::head_output, layers)),
          run.add(std::make_shared<VarianceByPosition>(Site::gated_output, layers))};
}

bool has_layer(TrainingClaim& claim, int64_t layer) {
  if (claim.trained().config.layers >= layer) return true;
  claim.report([=](SeedMeasure& measure) { measure.inapplicable("the model has no layer " + std::to_string(layer)); });
  return false;
}

LogVarianceRatios::LogVarianceRatios(TrainingClaim& claim, const ComparedArms& arms, int64_t layer) : layer_(layer) {
  const auto tokens = random_ids(claim);
  for (const auto& arm : arms.names()) {
    seen_[arm] = look_at(arms.runs(arm),
                         [&](const TrainedRun& run) { return observe_variance(claim, run.last(), tokens, {layer}); });
  }
}

std::vector<double> LogVarianceRatios::of(const std::string& arm) const {
  return per_seed(seen_.at(arm), [&](const TrainedVariance& variance) { return variance.log_ratio(layer_); });
}

std::vector<std::vector<double>> LogVarianceRatios::by_position(const std::string& arm) const {
  return rows_per_seed(seen_.at(arm), kVariancePositions,
                       [&](const TrainedVariance& variance) { return variance.after->layer(layer_); });
}

void LogVarianceRatios::require_discrepancy(double least, SeedMeasure& measure) const {
  const double ratio = std::exp(mean(present(of(kBaseline))));
  measure.value("variance_ratio_untreated", ratio, {{"layer", layer_}});
  if (!(ratio <= least)) return;  // NaN where every run of the baseline diverged, which is checked
  measure.inapplicable("the baseline has no discrepancy to remove: its variance ratio in layer " +
                       std::to_string(layer_) + " is " + brief(ratio) + ", and must be more than " + brief(least));
}

}  // namespace replicate
