#include "harness/study/measures/scaled_target.h"

#include <algorithm>

#include "harness/study/target.h"

namespace replicate {
namespace {

std::vector<int64_t> listed(LayerRange layers) {
  std::vector<int64_t> all;
  for (int64_t layer = layers.first; layer <= layers.last; ++layer) all.push_back(layer);
  return all;
}

}  // namespace

ScaledTarget scaled_target(Claim& claim, const std::string& id) {
  const auto stage = claim.stage();
  ScaledTarget scaled{claim.primary(), target_of(claim), {1, stage.last_spike()}, {}, {}, {}};
  check_target(scaled.target, scaled.on, id);
  scaled.after = {stage.last_spike() + 1, claim.config().layers};
  scaled.sink_excess = claim.survey.sink_excess;
  for (const auto& one : claim.stages) scaled.first_sinks.push_back(one.sinks.front());
  std::ranges::copy_if(stage.sinks, std::back_inserter(scaled.late_sinks),
                       [&](int64_t layer) { return scaled.after.contains(layer); });
  return scaled;
}

CalibratedChange calibrate(Claim& claim, const ScaledTarget& scaled, LayerRange layers, const ChangeOfLayer& change) {
  const auto tokens = calibration_for(scaled.on, claim, scaled.target);
  CalibratedChange all;
  for (const auto layer : listed(layers)) {
    auto run = claim.run({tokens, scaled.on.model, {}}, all.patches);
    const auto record = [&](int64_t position) { return run.record(record_heads({}, {layer, layer}, position)); };
    const CalibratedLayer at{layer, run, record(0), record(scaled.target)};
    for (auto& patch : change(at)) all.patches.push_back(std::move(patch));
    all.layers.push_back(at);
  }
  return all;
}

CalibratedChange amplify_to_dose(Claim& claim, const ScaledTarget& scaled, LayerRange layers, double dose) {
  return calibrate(claim, scaled, layers, [&](const CalibratedLayer& at) -> std::vector<Patch> {
    return {MatchedSpread{.layers = {at.layer, at.layer},
                          .positions = {scaled.target},
                          .dose = static_cast<float>(dose),
                          .source = at.target,
                          .reference = at.first}};
  });
}

std::vector<Patch> without_mean(const CalibratedChange& amplified) {
  auto patches = amplified.patches;
  for (auto& patch : patches) std::get<MatchedSpread>(patch).around_mean = false;
  return patches;
}

std::vector<Patch> at_norm_of(Run amplified, const ScaledTarget& scaled) {
  return {Transplant{.layers = scaled.before,
                     .positions = {scaled.target},
                     .dimensions = {},
                     .source = amplified.record(record_heads({}, scaled.before, scaled.target)),
                     .norm_only = true}};
}

std::shared_ptr<Watch> watch_outputs(Run run, int64_t target, LayerRange layers) {
  const auto positions = at::tensor({int64_t{0}, target}, at::kLong);
  const auto both = [positions](const Tensor& outputs) {  // [b, T, H, K]
    return outputs.index_select(1, positions.to(outputs.device())).flatten(2);
  };
  return run.add(only_in(listed(layers), watch(Site::head_output, both)));
}

Tensor variance_to_first(const Watch& outputs, LayerRange layers) {
  std::vector<Tensor> ratios;
  for (const auto layer : listed(layers)) {
    const auto variance = outputs.layer(layer).var(0).sum(-1);  // [2]
    ratios.push_back(variance[1] / variance[0]);
  }
  return at::stack(ratios);
}

std::function<Tensor()> factors_of(const CalibratedChange& amplified, int64_t target) {
  std::map<int64_t, std::shared_ptr<Watch>> outputs;  // by layer
  for (const auto& at : amplified.layers) outputs[at.layer] = watch_outputs(at.run, target, {at.layer, at.layer});
  return [outputs] {
    std::vector<Tensor> factors;
    for (const auto& [layer, seen] : outputs) {
      const auto both = seen->layer(layer);  // [B', 2, H K]
      factors.push_back(matching_factor(both.select(1, 1), both.select(1, 0)));
    }
    return at::stack(factors);
  };
}

std::vector<double> numbers_of(LayerRange layers) {
  return counted(layers.last - layers.first + 1, static_cast<double>(layers.first));
}

}  // namespace replicate
