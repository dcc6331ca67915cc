#pragma once

// The one place that includes LibTorch: ATen and autograd guards, precompiled. torch/torch.h is three
// times as slow to compile and nothing here needs it.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace replicate {
using at::Tensor;

/// float32 for half types; float32 and float64 as they are.
inline Tensor widened(const Tensor& x) { return at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x; }
}  // namespace replicate
