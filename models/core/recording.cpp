#include "models/core/recording.h"

#include "models/core/site_values.h"

namespace replicate {

Recording::Recording(Site site, LayerRange layers, std::vector<int64_t> positions, std::vector<int64_t> dimensions)
    : site_(site), layers_(layers), positions_(std::move(positions)), dimensions_(std::move(dimensions)) {}

ProbeNeeds Recording::needs(int64_t layer, int64_t) const {
  return layers_.contains(layer) ? ProbeNeeds{.sites = {site_}} : ProbeNeeds{};
}

/// The clone lets go of the layer's activations.
void Recording::observe(const Place&, Site site, const Tensor& value) {
  const auto rows = pick(positions_first(site, value), 1, positions_);
  batches_.push_back(pick(rows, 2, dimensions_).clone());
}

void Recording::finish_layer(int64_t) { batches_.clear(); }

Tensor Recording::values() const {
  TORCH_CHECK(!batches_.empty(), "a recording was read before its lane ran");
  return batches_.size() == 1 ? batches_.front() : at::cat(batches_, 0);
}

}  // namespace replicate
