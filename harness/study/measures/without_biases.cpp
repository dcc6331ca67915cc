#include "harness/study/measures/without_biases.h"

#include "models/core/changed_weights.h"

namespace replicate {

std::shared_ptr<const Model> without_query_key_biases(const std::shared_ptr<const Model>& model, int64_t layer) {
  const auto without = [layer](int64_t changed, BlockWeights& weights) {
    if (changed != layer) return;
    for (auto bias : {&BlockWeights::query_bias, &BlockWeights::key_bias}) {
      if ((weights.*bias).defined()) weights.*bias = at::zeros_like(weights.*bias);
    }
  };
  return std::make_shared<const Model>(
      Model{model->name, model->config, std::make_shared<ChangedWeights>(model->weights, without)});
}

}  // namespace replicate
