#include "harness/study/measures/neuron_traces.h"

namespace replicate {

ProbeNeeds NeuronTraces::needs(int64_t layer, int64_t) const {
  if (!neurons_.count(layer)) return {};
  return {.sites = {Site::ffn_normed, Site::gate, Site::up, Site::hidden}, .weights = true};
}

void NeuronTraces::observe_weights(int64_t layer, const BlockWeights& weights) {
  index_ = at::tensor(neurons_.at(layer), at::kLong).to(weights.gate.device());
  row_norm_ = at::linalg_vector_norm(weights.gate.index_select(0, index_), 2, {-1}, false, at::kDouble);
  down_[layer] = weights.down.index_select(1, index_).t().to(at::kCPU, at::kDouble);
}

void NeuronTraces::observe(const Place& place, Site site, const Tensor& value) {
  if (site == Site::ffn_normed) {
    input_norm_ = at::linalg_vector_norm(value, 2, {-1}, true, at::kDouble);  // [b, T, 1]
    return;
  }
  auto chosen = value.index_select(2, index_).to(at::kDouble);  // [b, T, N]
  if (site == Site::gate) chosen = chosen / (input_norm_ * row_norm_);
  if (site == Site::hidden) chosen = chosen.abs();
  seen_[{place.layer, site}].push_back(chosen);
}

Tensor NeuronTraces::joined(int64_t layer, Site site) const { return at::cat(seen_.at({layer, site}), 0).cpu(); }

}  // namespace replicate
