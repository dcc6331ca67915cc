#include "harness/study/measures/scaled_target.h"

#include <algorithm>

#include "base/error.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/target.h"

namespace replicate {

Patch ScaledTarget::variance(int64_t lambda) const { return amplify(outputs, target, lambda); }

Patch ScaledTarget::norm(int64_t lambda) const {
  return AffinePatch{.site = Site::head_output,
                     .layers = before,
                     .positions = {target},
                     .dimensions = {},
                     .scale = static_cast<float>(lambda),
                     .shift = {}};
}

Patch ScaledTarget::norm_matched(int64_t lambda) const {
  auto patch = amplify(outputs, target, lambda);
  patch.norm_only = true;
  return patch;
}

ScaledTarget scale_target(Claim& claim, const Condition& on) {
  claim.sinks();
  const LayerRange before{1, claim.survey.sinks.onset_layer() - 1};
  if (before.last < 1) Claim::unmet("the sink begins in layer 1: there is no layer before it to act in");
  const auto target = target_of(claim);
  check_target(target, on, "variance_scaling");
  return {on, target, before, record_calibration(claim, on, before, target)};
}

std::vector<int64_t> lambdas_of(const Claim& claim) {
  auto lambdas = claim.parameters.integers("lambdas");
  lambdas.push_back(1);
  std::ranges::sort(lambdas);
  lambdas.erase(std::unique(lambdas.begin(), lambdas.end()), lambdas.end());
  if (lambdas.front() < 1 || lambdas.back() == 1) {
    throw Error("lambdas must be whole numbers from 1 on, one of them above it", "variance_scaling",
                "write lambdas: [1, 2, 4, 8]");
  }
  return lambdas;
}

LambdaCurve declare_curve(Claim& claim, const ScaledTarget& scaled, Patch (ScaledTarget::*patch)(int64_t) const,
                          const std::vector<int64_t>& lambdas, const std::vector<int64_t>& only) {
  LambdaCurve curve;
  for (const auto lambda : lambdas) {
    std::vector<Patch> patches;
    if (lambda != 1) patches.push_back((scaled.*patch)(lambda));
    const auto run = claim.run(scaled.on, std::move(patches));
    curve.emplace(lambda, watch_target(run, scaled.on, scaled.target, only));
  }
  return curve;
}

Tensor along(const LambdaCurve& curve, const OfPass& value) {
  std::vector<Tensor> values;  // [B] each
  for (const auto& [lambda, pass] : curve) values.push_back(value(pass));
  return at::stack(values, 1);
}

std::vector<double> lambdas_along(const LambdaCurve& curve) {
  std::vector<double> lambdas;
  for (const auto& [lambda, pass] : curve) lambdas.push_back(static_cast<double>(lambda));
  return lambdas;
}

void report_curve(const std::string& name, const Condition& on, const LambdaCurve& curve, const OfPass& value,
                  Measure& measure) {
  measure.series(name, on, "lambda", lambdas_along(curve), along(curve, value));
}

Tensor is_sink(const Tensor& attention, const TargetAttention& pass) {
  const auto uniform = uniform_attention(pass.target, pass.length);
  return ((attention - uniform) / (1 - uniform) >= kSinkExcess).to(at::kDouble);
}

}  // namespace replicate
