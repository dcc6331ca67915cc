#pragma once

#include "models/core/torch.h"

namespace replicate {

/// -x log x of every x >= 0, and 0 at 0: on a processor the bits of at::special_entr. That is a function that LibTorch
/// compiles for a GPU when it is first called, as it does most special functions; xlogy is there already.
inline Tensor entropy_terms(const Tensor& x) { return at::xlogy(-x, x); }

}  // namespace replicate
