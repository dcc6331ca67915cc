#pragma once

#include <functional>

#include "base/statistics.h"
#include "models/core/executor.h"

namespace replicate {

/// Another source's weights, each block changed when it is read.
class ChangedWeights : public WeightSource {
 public:
  using Change = std::function<void(int64_t layer, BlockWeights& weights)>;

  ChangedWeights(std::shared_ptr<const WeightSource> source, Change change)
      : source_(std::move(source)), change_(std::move(change)) {}

  BlockWeights block(int64_t layer) const override {
    auto weights = source_->block(layer);
    change_(layer, weights);
    return weights;
  }
  Tensor embed(const Tensor& ids) const override { return source_->embed(ids); }
  Tensor final_norm() const override { return source_->final_norm(); }
  Tensor head() const override { return source_->head(); }

 private:
  std::shared_ptr<const WeightSource> source_;
  Change change_;
};

/// Fresh weights, changed.
inline std::shared_ptr<const Model> changed_model(const ModelConfig& config, ChangedWeights::Change change) {
  const auto fresh = random_weights(config, derive_seed(1, "the model itself"), at::kCPU);
  return std::make_shared<const Model>(
      Model{"changed", config, std::make_shared<ChangedWeights>(fresh, std::move(change))});
}

}  // namespace replicate
