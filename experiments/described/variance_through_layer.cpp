// Beside the claim discrepancy_amplification: how much more position 0 varies than later positions on its way through
// every layer, from the heads over W_O and the FFN to the residual stream. "Variance" can be read in two ways: over
// texts, dimension by dimension, which is judged, or over the dimensions of one vector, which grows with its length.
// Cost: one forward pass per condition.

#include <utility>

#include "harness/study/claim.h"
#include "harness/study/measures/disparity.h"
#include "harness/study/measures/position_variance.h"

namespace replicate {
namespace {

/// Variance over texts, mean over dimensions, by position in every layer. Only the variances are kept.
class VarianceOverTexts : public Probe {
 public:
  explicit VarianceOverTexts(Site site) : site_(site) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override {
    if (layer > layers) return {};
    return {.sites = {site_}};
  }
  void observe(const Place&, Site, const Tensor& value) override {
    batches_.push_back(value.slice(1, 0, kVariancePositions).flatten(2).clone());  // [b, P, X]
  }
  void finish_layer(int64_t) override {
    layers_.push_back(at::cat(std::exchange(batches_, {})).to(at::kDouble).var(0).mean(1).cpu());
  }

  /// Variance at position 0 over the geometric mean of that at positions 1 to 31: [L].
  Tensor ratio_by_layer() const {
    const auto logs = at::stack(layers_).log();  // [L, P]
    return (logs.select(1, 0) - logs.slice(1, 1).mean(1)).exp();
  }

 private:
  Site site_;
  std::vector<Tensor> batches_;
  std::vector<Tensor> layers_;  // [P]
};

/// Variance over the components of each position's vector, [b, T, ...] -> [b, T] float64.
Tensor spread_over_dimensions(const Tensor& x) { return x.flatten(2).to(at::kDouble).var(2, false); }

/// What is seen of one site in every layer.
struct Passage {
  std::string site;
  std::shared_ptr<VarianceOverTexts> variance;
  std::shared_ptr<Watch> spread;  // [B, L, 2]: position 0, mean over the others

  /// Spread at position 0 over that of the others, quotients of means over texts: [L].
  Tensor spread_ratio() const {
    const auto means = spread->layers().mean(0);
    return means.select(1, 0) / means.select(1, 1);
  }
};

Passage observe_passage(Run& run, const std::string& name, Site site) {
  return {name, run.add(std::make_shared<VarianceOverTexts>(site)),
          run.add(watch_first_and_rest(site, spread_over_dimensions))};
}

void report_passage(const Condition& on, const Passage& passage, Measure& measure) {
  const auto layers = layer_numbers(on.layers());
  measure.curve("variance_ratio_" + passage.site, on, "layer", layers, passage.variance->ratio_by_layer());
  measure.curve("spread_ratio_" + passage.site, on, "layer", layers, passage.spread_ratio());
}

void variance_through_layer(Claim& claim) {
  for (const auto& on : conditions_with_positions(claim)) {
    if (why_no_variance(claim, on)) continue;
    auto run = claim.run(on);
    const std::vector<Passage> passages{
        observe_passage(run, "heads", Site::head_output), observe_passage(run, "attention", Site::projected),
        observe_passage(run, "ffn", Site::ffn_output), observe_passage(run, "residual", Site::block_output)};
    claim.report([=](Measure& measure) {
      for (const auto& passage : passages) report_passage(on, passage, measure);
    });
  }
}

REPLICATE_DESCRIPTION(discrepancy_amplification, variance_through_layer, "random", "natural");

}  // namespace
}  // namespace replicate
