#include "models/core/watch.h"

#include <algorithm>

namespace replicate {

ProbeNeeds Watch::needs(int64_t layer, int64_t layers) const {
  const bool last = layer == layers + 1;
  const bool chosen = only_.empty() || std::find(only_.begin(), only_.end(), layer) != only_.end();
  ProbeNeeds needs;
  if (last ? site_ < Site::final_norm : !chosen) return needs;
  if (on_attention_) {
    needs.attention = attention_needs_;
  } else {
    needs.sites.push_back(site_);
    if (to_the_end_ && layer == layers) needs.sites.push_back(Site::block_output);
  }
  return needs;
}

void Watch::observe(const Place& place, Site site, const Tensor& value) {
  gather(place.layer + (to_the_end_ && site == Site::block_output ? 1 : 0), on_site_(value));
}

void Watch::observe_attention(const Place& place, const AttentionStatistics& statistics) {
  gather(place.layer, on_attention_(statistics));
}

/// The conversion also copies: a view must not keep a layer's activations alive.
void Watch::gather(int64_t layer, Tensor result) { gathered_[layer].push_back(result.to(at::kDouble, false, true)); }

Tensor Watch::layer(int64_t layer) const {
  const auto found = gathered_.find(layer);
  TORCH_CHECK(found != gathered_.end(), "layer ", layer, " was not observed");
  return at::cat(found->second, 0).cpu();
}

Tensor Watch::layers() const {
  std::vector<Tensor> all;
  for (const auto& [index, batches] : gathered_) all.push_back(layer(index));
  return at::stack(all, 1);
}

std::shared_ptr<Watch> watch(Site site, Watch::OnSite f) {
  auto probe = std::make_shared<Watch>();
  probe->site_ = site;
  probe->on_site_ = std::move(f);
  return probe;
}

std::shared_ptr<Watch> watch_residual(Watch::OnSite f) {
  auto probe = watch(Site::block_input, std::move(f));
  probe->to_the_end_ = true;
  return probe;
}

std::shared_ptr<Watch> watch_attention(AttentionNeeds needs, Watch::OnAttention f) {
  auto probe = std::make_shared<Watch>();
  probe->attention_needs_ = std::move(needs);
  probe->on_attention_ = std::move(f);
  return probe;
}

std::shared_ptr<Watch> only_in(std::vector<int64_t> layers, std::shared_ptr<Watch> watch) {
  watch->only_ = std::move(layers);
  return watch;
}

}  // namespace replicate
