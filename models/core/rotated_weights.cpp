#include "models/core/rotated_weights.h"

#include "base/error.h"

namespace replicate {
namespace {

/// Uniform over the orthogonal matrices: Q of a Gaussian matrix, with the signs that make R's diagonal positive
/// (without them the distribution depends on how the QR was computed).
Tensor random_orthogonal(int64_t width, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed);
  const auto gaussian = at::normal(0, 1, {width, width}, generator, at::TensorOptions(at::kDouble));
  const auto [q, r] = at::linalg_qr(gaussian);
  return q * r.diagonal().sign();  // one sign a column
}

class RotatedWeights : public WeightSource {
 public:
  RotatedWeights(std::shared_ptr<const WeightSource> source, const ModelConfig& config, uint64_t seed)
      : source_(std::move(source)), rotation_(random_orthogonal(config.width, seed)) {}

  BlockWeights block(int64_t layer) const override {
    auto w = source_->block(layer);
    for (auto weight : {&BlockWeights::query, &BlockWeights::key, &BlockWeights::value, &BlockWeights::output_gate}) {
      if ((w.*weight).defined()) w.*weight = reading(w.*weight, w.attention_norm);
    }
    for (auto weight : {&BlockWeights::gate, &BlockWeights::up}) {
      if ((w.*weight).defined()) w.*weight = reading(w.*weight, w.ffn_norm);
    }
    for (auto weight : {&BlockWeights::output, &BlockWeights::down}) w.*weight = writing(w.*weight);
    for (auto bias : {&BlockWeights::output_bias, &BlockWeights::down_bias}) {
      if ((w.*bias).defined()) w.*bias = rotated(w.*bias);
    }
    w.attention_norm = at::ones_like(w.attention_norm);
    w.ffn_norm = at::ones_like(w.ffn_norm);
    return w;
  }

  Tensor embed(const Tensor& ids) const override { return rotated(source_->embed(ids)); }
  Tensor final_norm() const override { return at::ones_like(source_->final_norm()); }
  Tensor head() const override { return reading(source_->head(), source_->final_norm()); }
  void release(int64_t layer) const override { source_->release(layer); }

 private:
  /// x Q over the last axis: [..., D].
  Tensor exactly_rotated(const Tensor& x) const { return at::matmul(x.to(at::kDouble), rotation_.to(x.device())); }

  // What is rotated keeps its type, so that the rotated model's products are computed as the source's are.

  Tensor rotated(const Tensor& x) const { return exactly_rotated(x).to(x.scalar_type()); }

  /// W diag(g) Q: [X, D].
  Tensor reading(const Tensor& weight, const Tensor& gain) const {
    return exactly_rotated(weight.to(at::kDouble) * gain).to(weight.scalar_type());
  }

  /// Q^T W: [D, X].
  Tensor writing(const Tensor& weight) const {
    return at::matmul(rotation_.t().to(weight.device()), weight.to(at::kDouble)).to(weight.scalar_type());
  }

  std::shared_ptr<const WeightSource> source_;
  Tensor rotation_;  // Q [D, D] float64
};

}  // namespace

bool can_be_rotated(const ModelConfig& config) {
  return config.norm_placement == NormPlacement::before && !config.layer_norm;
}

std::shared_ptr<WeightSource> rotated_weights(std::shared_ptr<const WeightSource> source, const ModelConfig& config,
                                              uint64_t seed) {
  if (!can_be_rotated(config)) {
    throw Error("the residual stream of " + config.architecture + " cannot be rotated", "rotation",
                config.layer_norm ? "LayerNorm subtracts a mean over its dimensions"
                                  : "a norm with gains after attention and FFN stands in its basis");
  }
  return std::make_shared<RotatedWeights>(std::move(source), config, seed);
}

}  // namespace replicate
