#pragma once

// Attention of every head, for the first positions of the first sequences of a pass.

#include <span>

#include "harness/record/head_maps.h"
#include "models/core/probe.h"

namespace replicate {

/// Gathers A[q, k], q and k below `positions`, of the first `sequences` sequences in all layers and heads, in steps of
/// 1/255. It stays on the device until it is read.
class AttentionByHead : public Probe {
 public:
  AttentionByHead(int64_t sequences, int64_t positions) : sequences_(sequences), positions_(positions) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe_attention(const Place& place, const AttentionStatistics& statistics) override;

  int64_t sequences() const { return sequences_; }
  int64_t positions() const { return positions_; }
  /// [sequences, L, H, positions, positions] uint8 on the CPU, zero where the key lies ahead of the query.
  Tensor shares() const;

 private:
  int64_t sequences_, positions_;
  std::map<int64_t, std::vector<Tensor>> by_layer_;  // [b, H, positions, positions] each
};

/// As attention.json keeps them. `shares` of each pass: [texts, L, H, n, n] uint8; `texts`: n tokens each.
HeadMaps head_maps(std::vector<std::string> passes, const std::vector<Tensor>& shares,
                   std::vector<std::vector<std::string>> texts, int64_t first_layer);

}  // namespace replicate
