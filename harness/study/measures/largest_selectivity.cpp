#include "harness/study/measures/largest_selectivity.h"

namespace replicate {
namespace {

void add(Tensor& sum, const Tensor& value) {
  const auto total = value.sum(0, false, at::kDouble);  // [F]
  sum = sum.defined() ? sum + total : total;
}

}  // namespace

ProbeNeeds LargestSelectivity::needs(int64_t layer, int64_t layers) const {
  ProbeNeeds needs;
  if (layer <= layers) needs.sites = {Site::hidden};
  return needs;
}

void LargestSelectivity::observe(const Place&, Site, const Tensor& hidden) {  // [b, T, F]
  const auto magnitude = hidden.abs();
  add(first_, magnitude.select(1, 0));
  add(rest_, magnitude.slice(1, 1).amax(1));
}

void LargestSelectivity::finish_layer(int64_t) {
  largest_.push_back((first_ / rest_.clamp_min(1e-30)).max().item<double>());
  first_ = rest_ = Tensor();
}

}  // namespace replicate
