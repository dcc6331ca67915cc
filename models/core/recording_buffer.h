#pragma once

#include "models/core/probe.h"
#include "models/core/recording.h"

namespace replicate {

/// The executor's probe for one recording. It holds one layer at a time: the executor runs the lanes that read it after
/// the lane that makes it, layer by layer.
class RecordingBuffer : public Probe {
 public:
  explicit RecordingBuffer(Recording recording) : recording_(std::move(recording)) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void finish_layer(int64_t layer) override;

  const std::string& name() const { return recording_.name; }
  /// [B, P, X] in the current layer, of all sequences of the lane.
  Tensor values() const;

 private:
  Recording recording_;
  std::vector<Tensor> batches_;
};

}  // namespace replicate
