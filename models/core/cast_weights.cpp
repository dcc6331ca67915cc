#include "models/core/cast_weights.h"

#include "models/core/changed_weights.h"

namespace replicate {
namespace {

constexpr Tensor BlockWeights::*kMultiplied[] = {
    &BlockWeights::query,      &BlockWeights::key,      &BlockWeights::value,      &BlockWeights::output,
    &BlockWeights::gate,       &BlockWeights::up,       &BlockWeights::down,       &BlockWeights::output_gate,
    &BlockWeights::query_bias, &BlockWeights::key_bias, &BlockWeights::value_bias, &BlockWeights::output_bias,
    &BlockWeights::up_bias,    &BlockWeights::down_bias};

BlockWeights cast(BlockWeights weights, at::ScalarType type) {
  for (auto weight : kMultiplied) {
    if ((weights.*weight).defined()) weights.*weight = (weights.*weight).to(type);
  }
  return weights;
}

}  // namespace

std::shared_ptr<WeightSource> cast_weights(std::shared_ptr<const WeightSource> source, at::ScalarType type) {
  return std::make_shared<ChangedWeights>(std::move(source),
                                          [type](int64_t, BlockWeights& weights) { weights = cast(weights, type); });
}

BlockWeights widened(BlockWeights weights) { return cast(std::move(weights), at::kFloat); }

}  // namespace replicate
