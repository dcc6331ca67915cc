#include "models/core/cast_weights.h"

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

class CastWeights : public WeightSource {
 public:
  CastWeights(std::shared_ptr<const WeightSource> source, at::ScalarType type)
      : source_(std::move(source)), type_(type) {}

  BlockWeights block(int64_t layer) const override { return cast(source_->block(layer), type_); }
  Tensor embed(const Tensor& ids) const override { return source_->embed(ids); }
  Tensor final_norm() const override { return source_->final_norm(); }
  Tensor final_norm_bias() const override { return source_->final_norm_bias(); }
  Tensor head() const override { return source_->head(); }
  void release(int64_t layer) const override { source_->release(layer); }

 private:
  std::shared_ptr<const WeightSource> source_;
  at::ScalarType type_;
};

}  // namespace

std::shared_ptr<WeightSource> cast_weights(std::shared_ptr<const WeightSource> source, at::ScalarType type) {
  return std::make_shared<CastWeights>(std::move(source), type);
}

BlockWeights widened(BlockWeights weights) { return cast(std::move(weights), at::kFloat); }

}  // namespace replicate
