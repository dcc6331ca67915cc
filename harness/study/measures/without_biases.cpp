#include "harness/study/measures/without_biases.h"

namespace replicate {
namespace {

class WithoutBiases : public WeightSource {
 public:
  WithoutBiases(std::shared_ptr<const WeightSource> source, int64_t layer)
      : source_(std::move(source)), layer_(layer) {}

  BlockWeights block(int64_t layer) const override {
    auto weights = source_->block(layer);
    if (layer != layer_) return weights;
    for (auto bias : {&BlockWeights::query_bias, &BlockWeights::key_bias}) {
      if ((weights.*bias).defined()) weights.*bias = at::zeros_like(weights.*bias);
    }
    return weights;
  }
  Tensor embed(const Tensor& ids) const override { return source_->embed(ids); }
  Tensor final_norm() const override { return source_->final_norm(); }
  Tensor final_norm_bias() const override { return source_->final_norm_bias(); }
  Tensor head() const override { return source_->head(); }
  void release(int64_t layer) const override { source_->release(layer); }

 private:
  std::shared_ptr<const WeightSource> source_;
  int64_t layer_;
};

}  // namespace

std::shared_ptr<const Model> without_query_key_biases(const std::shared_ptr<const Model>& model, int64_t layer) {
  return std::make_shared<const Model>(
      Model{model->name, model->config, std::make_shared<WithoutBiases>(model->weights, layer)});
}

}  // namespace replicate
