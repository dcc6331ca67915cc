#pragma once

#include "models/core/attention.h"
#include "models/core/site.h"
#include "models/core/weights.h"

namespace replicate {

/// What a probe wants to see in one layer.
struct ProbeNeeds {
  std::vector<Site> sites = {};
  AttentionNeeds attention = {};
  bool weights = false;  ///< the block's weights, shown once before the layer runs
  bool any() const { return !sites.empty() || attention.any() || weights; }
};

/// Where in the plan an observation comes from.
struct Place {
  int64_t lane = 0;            ///< index in the plan; a probe may be attached to several lanes
  int64_t layer = 0;           ///< 1..L; L + 1 for final_norm and logits
  int64_t first_sequence = 0;  ///< index of the batch's first sequence within its lane
};

/// A probe only looks. It is called once per micro-batch and layer, sequences in order, and keeps what
/// it gathers; it must not change what it is given, nor read tensors back to the host while the forward runs.
class Probe {
 public:
  virtual ~Probe() = default;
  virtual ProbeNeeds needs(int64_t layer, int64_t layers) const = 0;
  /// Work of the probe itself in one layer over so many tokens, beyond what attention statistics cost: in
  /// floating-point operations at the speed of a block's matrix products, for `estimate`.
  virtual double flops(int64_t sequences, int64_t length) const {
    (void)sequences, (void)length;
    return 0;
  }
  virtual void observe(const Place& place, Site site, const Tensor& value) { (void)place, (void)site, (void)value; }
  virtual void observe_attention(const Place& place, const AttentionStatistics& statistics) {
    (void)place, (void)statistics;
  }
  virtual void observe_weights(int64_t layer, const BlockWeights& weights) { (void)layer, (void)weights; }
  /// All sequences of the layer were seen: the moment to reduce what would be too large to keep.
  virtual void finish_layer(int64_t layer) { (void)layer; }
};

}  // namespace replicate
