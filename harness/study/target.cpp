#include "harness/study/target.h"

#include <algorithm>

#include "base/error.h"
#include "harness/inputs/inputs.h"
#include "models/core/tensor_values.h"

namespace replicate {

int64_t target_of(const Context& claim) { return claim.parameters.integer("target"); }

void check_target(int64_t target, const Condition& condition, const std::string& claim) {
  const auto length = condition.tokens->length();
  if (target >= 1 && target + 2 <= length) return;
  throw Error("target " + std::to_string(target) + " has no later queries in sequences of " + std::to_string(length),
              claim, "use longer sequences or an earlier target");
}

RowMask only_itself(int64_t target, LayerRange layers) { return {layers, {target, {{target}}}}; }

RowMask all_but_first(int64_t target, LayerRange layers) {
  return {layers, {target, {to_vector<int64_t>(at::arange(1, target + 1))}}};
}

MaskedRow itself_and_random(int64_t target, int64_t n, int64_t sequences, Random& random) {
  MaskedRow row{target, {}};
  for (int64_t b = 0; b < sequences; ++b) {
    auto keys = random.permutation(target);
    keys.resize(n);
    keys.push_back(target);
    std::ranges::sort(keys);
    row.keys.push_back(std::move(keys));
  }
  return row;
}

Tokens calibration_for(const Condition& condition, const Context& context, int64_t target) {
  if (context.set_aside) return context.set_aside;
  if (context.given) return context.given;
  const auto& tokens = *condition.tokens;
  const bool natural = tokens.kind == name_of(InputKind::natural);
  return context.maker->make(natural ? InputKind::natural : InputKind::random,
                             {context.parameters.integer("calibration.sequences"), target + 1}, tokens.bos,
                             Region::calibration);
}

Recording record_heads(std::string name, LayerRange layers, int64_t position) {
  return {std::move(name), Site::head_output, layers, {position}};
}

Recording record_calibration(Claim& claim, const Condition& on, LayerRange layers, int64_t position) {
  const auto tokens = calibration_for(on, claim, target_of(claim));
  auto recording = record_heads({}, layers, position);
  recording.name = claim.run({tokens, on.model, {}}).record(recording);
  return recording;
}

std::optional<LateLayers> layers_after_last_spike(Claim& claim) {
  const auto spike = claim.survey.sinks.last_spike();
  auto sinks = claim.survey.sinks.sink_layers_after(spike);
  if (spike > 0 && !sinks.empty()) return LateLayers{{spike + 1, claim.config().layers}, std::move(sinks)};
  claim.report([](Measure& measure) {
    measure.note("There is no spike, or no sink layer after the last one, so there is no late control.");
  });
  return std::nullopt;
}

Transplant with_mean(const Recording& recorded, int64_t target, float scale, float weight) {
  return {.site = recorded.site,
          .layers = recorded.layers,
          .positions = {target},
          .dimensions = {},
          .scale = scale,
          .weight = weight,
          .source = recorded.name,
          .combine = Combine::sequence_mean};
}

Transplant amplify(const Recording& recorded, int64_t target, int64_t lambda) {
  return with_mean(recorded, target, static_cast<float>(lambda), static_cast<float>(1 - lambda));
}

}  // namespace replicate
