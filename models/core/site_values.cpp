#include "models/core/site_values.h"

namespace replicate {
namespace {

bool heads_first(Site site) { return site == Site::query || site == Site::key || site == Site::value; }

Tensor index_tensor(const std::vector<int64_t>& indices, const Tensor& like) {
  return at::tensor(indices, at::kLong).to(like.device());
}

}  // namespace

Tensor positions_first(Site site, const Tensor& value) {
  return (heads_first(site) ? value.transpose(1, 2) : value).flatten(2);
}

Tensor restore_layout(Site site, const Tensor& flat, const Tensor& like) {
  if (!heads_first(site)) return flat.view(like.sizes());
  const auto b = like.size(0), heads = like.size(1), t = like.size(2), k = like.size(3);
  return flat.view({b, t, heads, k}).transpose(1, 2).contiguous();
}

Tensor pick(const Tensor& x, int64_t axis, const std::vector<int64_t>& indices) {
  return indices.empty() ? x : x.index_select(axis, index_tensor(indices, x));
}

void put(Tensor& x, int64_t axis, const std::vector<int64_t>& indices, const Tensor& value) {
  if (indices.empty()) {
    x.copy_(value);
  } else {
    x.index_copy_(axis, index_tensor(indices, x), value);
  }
}

}  // namespace replicate
