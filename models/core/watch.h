#pragma once

// The probe that nearly every claim uses: apply a function at a site (or to the attention statistics) and
// keep what it returns per sequence.

#include <functional>
#include <map>

#include "models/core/probe.h"

namespace replicate {

/// Gathers f(value) [b, ...] of every batch as [B, ...] per layer. Results stay on the device until read.
class Watch : public Probe {
 public:
  using OnSite = std::function<Tensor(const Tensor& value)>;
  using OnAttention = std::function<Tensor(const AttentionStatistics& statistics)>;

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void observe_attention(const Place& place, const AttentionStatistics& statistics) override;

  /// [B, ...] float64 on the CPU. `layer` as observed: 1..L, or L + 1 for the end of the residual stream.
  Tensor layer(int64_t layer) const;
  /// All observed layers in order: [B, layers, ...].
  Tensor layers() const;

 private:
  friend std::shared_ptr<Watch> watch(Site, OnSite);
  friend std::shared_ptr<Watch> watch_residual(OnSite);
  friend std::shared_ptr<Watch> watch_attention(AttentionNeeds, OnAttention);
  friend std::shared_ptr<Watch> only_in(std::vector<int64_t>, std::shared_ptr<Watch>);

  void gather(int64_t layer, Tensor result);

  Site site_ = Site::block_input;
  bool to_the_end_ = false;
  AttentionNeeds attention_needs_;
  OnSite on_site_;
  OnAttention on_attention_;
  std::vector<int64_t> only_;  // layers; empty: all
  std::map<int64_t, std::vector<Tensor>> gathered_;
};

std::shared_ptr<Watch> watch(Site site, Watch::OnSite f);

/// The residual stream at the input of every layer, and its end as "layer L + 1".
std::shared_ptr<Watch> watch_residual(Watch::OnSite f);

std::shared_ptr<Watch> watch_attention(AttentionNeeds needs, Watch::OnAttention f);

/// The same probe, looking in these layers only.
std::shared_ptr<Watch> only_in(std::vector<int64_t> layers, std::shared_ptr<Watch> watch);

}  // namespace replicate
