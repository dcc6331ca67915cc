#pragma once

#include "models/core/site.h"
#include "models/core/torch.h"

namespace replicate {

/// The site's tensor with positions on axis 1 and everything after flattened: [B, T, X].
Tensor positions_first(Site site, const Tensor& value);

/// The inverse: flat [B, T, X] in the layout of `like`.
Tensor restore_layout(Site site, const Tensor& flat, const Tensor& like);

/// The listed indices on `axis`, or the whole tensor for an empty list.
Tensor pick(const Tensor& x, int64_t axis, const std::vector<int64_t>& indices);

/// Writes `value` back to where `pick` took it from.
void put(Tensor& x, int64_t axis, const std::vector<int64_t>& indices, const Tensor& value);

}  // namespace replicate
