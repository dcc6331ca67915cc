#pragma once

// Weights that are another source's but for what a function does to each block as it is read.

#include <functional>

#include "models/core/weights.h"

namespace replicate {

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
  Tensor final_norm_bias() const override { return source_->final_norm_bias(); }
  Tensor head() const override { return source_->head(); }
  void release(int64_t layer) const override { source_->release(layer); }

 private:
  std::shared_ptr<const WeightSource> source_;
  Change change_;
};

}  // namespace replicate
