#include "harness/study/measures/neuron_probes.h"

#include <algorithm>

namespace replicate {
namespace {

Tensor to_host(const Tensor& x) { return x.to(at::kCPU, at::kDouble); }

/// |row| of a matrix [F, D] whose input passes a gain [D] first: [F].
Tensor row_norms(const Tensor& matrix, const Tensor& gain) {
  return at::linalg_vector_norm(matrix * gain, 2, {-1}, false, at::kDouble);
}

/// Fourth standardised moment of each row of x [F, D]: [F].
Tensor kurtosis(const Tensor& x) {
  const auto centred = x - x.mean(-1, true);
  const auto squared = centred.square();
  return squared.square().mean(-1) / squared.mean(-1).square();
}

Tensor joined(const std::vector<Tensor>& batches) { return at::cat(batches, 0).cpu(); }

}  // namespace

Tensor robust_z(const Tensor& x) {
  const auto centre = at::quantile(x, 0.5);
  const auto spread = at::quantile((x - centre).abs(), 0.5);
  return (x - centre) / (1.4826 * spread);
}

namespace {

/// Of neurons [first, first + count): the logarithms of row norms [2, n], norm, kurtosis and top share [3, n], outlier
/// dimension [n].
struct Strip {
  Tensor log_norms, of_down, outlier_dimension;
};

Strip strip_of(const BlockWeights& weights, int64_t first, int64_t count) {
  const auto& gate = weights.gate.defined() ? weights.gate : weights.up;  // without a gate, up's rows are what reads
  const auto norms = [&](const Tensor& rows) {
    return to_host(row_norms(rows.narrow(0, first, count), weights.ffn_norm)).log();
  };
  const auto down = to_host(weights.down.narrow(1, first, count)).t().contiguous();  // [n, D]
  const auto energy = down.square();
  const auto whole = energy.sum(-1);
  return {.log_norms = at::stack({norms(gate), norms(weights.up)}),
          .of_down = at::stack({whole.sqrt(), kurtosis(down), std::get<0>(energy.topk(2, -1)).sum(-1) / whole}),
          .outlier_dimension = energy.argmax(-1)};
}

}  // namespace

/// In strips of neurons: in float64 a large model's matrices would be several times the block itself.
NeuronWeights neuron_weights(const BlockWeights& weights) {
  constexpr int64_t kStrip = 1024;
  const auto neurons = weights.up.size(0);
  std::vector<Tensor> log_norms, of_down, outliers;
  for (int64_t first = 0; first < neurons; first += kStrip) {
    const auto strip = strip_of(weights, first, std::min(kStrip, neurons - first));
    log_norms.push_back(strip.log_norms);
    of_down.push_back(strip.of_down);
    outliers.push_back(strip.outlier_dimension);
  }
  const auto norms = at::cat(log_norms, 1), down = at::cat(of_down, 1);
  return {.gate_norm_z = robust_z(norms[0]),
          .up_norm_z = robust_z(norms[1]),
          .write_norm_z = robust_z(norms[1] + down[0].log()),
          .down_norm = down[0],
          .down_kurtosis = down[1],
          .down_top_share = down[2],
          .outlier_dimension = at::cat(outliers)};
}

Tensor outlying(const NeuronWeights& weights, const SuperNeuronRule& rule) {
  const auto median = at::quantile(weights.down_kurtosis, 0.5);
  return (weights.gate_norm_z > rule.norm_z)
      .logical_and(weights.write_norm_z > rule.norm_z)
      .logical_and(weights.down_kurtosis > rule.kurtosis * median);
}

ProbeNeeds NeuronProbe::needs(int64_t layer, int64_t layers) const {
  const bool chosen = layers_.empty() || std::find(layers_.begin(), layers_.end(), layer) != layers_.end();
  if (layer > layers || !chosen) return {};
  return {.sites = {Site::hidden, Site::ffn_output}, .weights = true};
}

void NeuronProbe::observe_weights(int64_t layer, const BlockWeights& weights) {
  weights_[layer] = neuron_weights(weights);
  down_ = weights.down;
  if (rule_) seen_[layer].outlying = outlying(weights_[layer], *rule_).nonzero().flatten();
}

void NeuronProbe::observe(const Place& place, Site site, const Tensor& value) {
  auto& seen = seen_[place.layer];
  if (site == Site::hidden) {
    first_now_ = value.select(1, 0);
    const auto rest = value.slice(1, 1).abs();
    seen.first.push_back(first_now_.abs().to(at::kDouble));
    seen.rest_max.push_back(rest.amax(1).to(at::kDouble));
    seen.rest_mean.push_back(rest.mean(1, false, at::kDouble));
    if (rule_ && seen.outlying.numel() > 0) {  // of few neurons: percentiles are costly
      const auto chosen = seen.outlying.to(value.device());
      const auto usual = at::quantile(rest.index_select(2, chosen).to(at::kDouble), 0.95, 1);  // [b, C]
      seen.selectivity.push_back(first_now_.index_select(1, chosen).abs() / usual);
    }
  } else {
    const auto y = value.select(1, 0);                        // [b, D]
    const auto along = at::matmul(y, down_).to(at::kDouble);  // [b, F]
    seen.share.push_back(first_now_.to(at::kDouble) * along / y.to(at::kDouble).square().sum(-1, true));
  }
}

void NeuronProbe::finish_layer(int64_t) {
  down_.reset();
  first_now_.reset();
}

Tensor NeuronProbe::super_neurons(int64_t layer) const {
  const auto& seen = seen_.at(layer);
  auto super = at::zeros({weights_.at(layer).down_norm.size(0)}, at::kBool);
  if (seen.outlying.numel() == 0) return super;
  const auto typical = at::quantile(joined(seen.selectivity), 0.5, 0);  // [C]
  return super.index_put_({seen.outlying.index({typical > rule_->selectivity})}, true);
}

Tensor NeuronProbe::first(int64_t layer) const { return joined(seen_.at(layer).first); }
Tensor NeuronProbe::rest_max(int64_t layer) const { return joined(seen_.at(layer).rest_max); }
Tensor NeuronProbe::rest_mean(int64_t layer) const { return joined(seen_.at(layer).rest_mean); }
Tensor NeuronProbe::written_share(int64_t layer) const { return joined(seen_.at(layer).share); }

}  // namespace replicate
