#include "models/rotated_weights.h"

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
  RotatedWeights(std::shared_ptr<const WeightSource> source, const ModelConfig& config,
                 uint64_t seed)
      : source_(std::move(source)), rotation_(random_orthogonal(config.width, seed)) {}

  BlockWeights block(int64_t layer) const override {
    const auto w = source_->block(layer);
    return {.attention_norm = at::ones_like(w.attention_norm),
            .query = reading(w.query, w.attention_norm),
            .key = reading(w.key, w.attention_norm),
            .value = reading(w.value, w.attention_norm),
            .output = writing(w.output),
            .ffn_norm = at::ones_like(w.ffn_norm),
            .gate = reading(w.gate, w.ffn_norm),
            .up = reading(w.up, w.ffn_norm),
            .down = writing(w.down)};
  }

  Tensor embed(const Tensor& ids) const override { return rotated(source_->embed(ids)); }
  Tensor final_norm() const override { return at::ones_like(source_->final_norm()); }
  Tensor head() const override { return reading(source_->head(), source_->final_norm()); }
  void release(int64_t layer) const override { source_->release(layer); }

 private:
  /// x Q over the last axis: [..., D].
  Tensor rotated(const Tensor& x) const {
    return at::matmul(x.to(at::kDouble), rotation_.to(x.device())).to(at::kFloat);
  }

  /// W diag(g) Q: [X, D].
  Tensor reading(const Tensor& weight, const Tensor& gain) const {
    return rotated(weight.to(at::kDouble) * gain);
  }

  /// Q^T W: [D, X].
  Tensor writing(const Tensor& weight) const {
    return at::matmul(rotation_.t().to(weight.device()), weight.to(at::kDouble)).to(at::kFloat);
  }

  std::shared_ptr<const WeightSource> source_;
  Tensor rotation_;  // Q [D, D] float64
};

}  // namespace

std::shared_ptr<WeightSource> rotated_weights(std::shared_ptr<const WeightSource> source,
                                              const ModelConfig& config, uint64_t seed) {
  return std::make_shared<RotatedWeights>(std::move(source), config, seed);
}

}  // namespace replicate
