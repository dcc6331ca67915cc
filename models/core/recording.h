#pragma once

#include "models/core/layer_range.h"
#include "models/core/probe.h"

namespace replicate {

/// Hangs in one lane so that patches of other lanes can take their values from it (`Transplant`). Holds the layer
/// at hand only: the executor runs the lanes that read it after the lane that carries it, layer by layer.
class Recording : public Probe {
 public:
  /// What `site` holds at these positions (all when empty) and dimensions (heads flattened; all when empty).
  Recording(Site site, LayerRange layers, std::vector<int64_t> positions, std::vector<int64_t> dimensions = {});

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void finish_layer(int64_t layer) override;

  Site site() const { return site_; }
  const LayerRange& layers() const { return layers_; }
  /// [B, P, X] in the layer at hand, of all sequences of the lane.
  Tensor values() const;

 private:
  Site site_;
  LayerRange layers_;
  std::vector<int64_t> positions_, dimensions_;
  std::vector<Tensor> batches_;
};

}  // namespace replicate
