#pragma once

// How queries and keys lie to each other, head by head, after RoPE (paper, figure 12).

#include <map>

#include "models/core/probe.h"

namespace replicate {

inline constexpr int64_t kOtherPositions = 31;  ///< "other positions" are 1..31, as many as have later queries

/// Of one sequence and head, over its queries q >= 1; v1 is the first right singular vector of these queries, not
/// centred, turned so that the mean query lies on its side. "Others": mean over the keys k_t of the other
/// positions, each with the queries q > t.
enum class QueryKey : int64_t {
  alignment,          ///< cos(k_0, v1)
  weights_alignment,  ///< the same with W_Q's first left singular vector, gain folded in: a direction before RoPE
  positive_share,     ///< share of queries with q.k_0 > 0
  margin,             ///< mean of q.k_0 / sqrt K - logsumexp of the scores on the other visible keys
  alignment_others,
  positive_share_others,
  margin_others,  ///< float32 attention next to 1 is cut off at a margin of 16
};

class QueryKeyProbe : public Probe {
 public:
  /// In the chosen layers, all when empty. Sequences need three positions at least.
  QueryKeyProbe(std::vector<int64_t> layers, int64_t head_width, int64_t length);

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe_weights(int64_t layer, const BlockWeights& weights) override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void finish_layer(int64_t layer) override;

  Tensor heads(int64_t layer, QueryKey quantity) const;  ///< [B, H] float64 on the CPU
  /// Cosines between the keys of two sequences at one position, mean over KV heads: [B, B]. Of position 0, or the
  /// mean over the other positions.
  const Tensor& key_cosines(int64_t layer, bool first) const;

 private:
  std::vector<int64_t> layers_;
  int64_t head_width_, others_;
  std::map<int64_t, std::vector<Tensor>> heads_;  // [b, H, quantities]
  std::map<int64_t, std::pair<Tensor, Tensor>> cosines_;
  std::vector<Tensor> unit_keys_;  // [b, G, 1 + others, K] of the current layer
  Tensor directions_, query_;      // of the layer and current batch
};

}  // namespace replicate
