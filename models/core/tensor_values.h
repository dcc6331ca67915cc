#pragma once

#include <vector>

#include "models/core/torch.h"

namespace replicate {

/// All elements of x in order (row major), converted to T; waits for a device that still computes them.
template <typename T>
std::vector<T> to_vector(const Tensor& x) {
  const auto flat = x.to(at::kCPU, c10::CppTypeToScalarType<T>::value).contiguous();
  return {flat.template const_data_ptr<T>(), flat.template const_data_ptr<T>() + flat.numel()};
}

}  // namespace replicate
