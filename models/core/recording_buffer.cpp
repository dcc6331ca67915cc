#include "models/core/recording_buffer.h"

#include "models/core/site_values.h"

namespace replicate {

ProbeNeeds RecordingBuffer::needs(int64_t layer, int64_t) const {
  return recording_.layers.contains(layer) ? ProbeNeeds{.sites = {recording_.site}} : ProbeNeeds{};
}

/// The clone lets go of the layer's activations.
void RecordingBuffer::observe(const Place&, Site site, const Tensor& value) {
  const auto rows = pick(positions_first(site, value), 1, recording_.positions);
  batches_.push_back(pick(rows, 2, recording_.dimensions).clone());
}

void RecordingBuffer::finish_layer(int64_t) { batches_.clear(); }

Tensor RecordingBuffer::values() const {
  TORCH_CHECK(!batches_.empty(), "the recording '", recording_.name, "' was read before its lane ran");
  return batches_.size() == 1 ? batches_.front() : at::cat(batches_, 0);
}

}  // namespace replicate
