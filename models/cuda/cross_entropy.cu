#include "models/cuda/cross_entropy.h"

#include "models/cuda/device.h"
#include "models/cuda/online_softmax.h"

namespace replicate::cuda {
namespace {

constexpr int kThreads = 512;  // of a row

/// Calls visit with the columns of one row that this thread takes: 16 bytes at a time between the row's first and last
/// such boundary (rows of an odd width begin anywhere), one by one before and after.
template <typename Element, typename Visit>
__device__ void visit_row(const Element* row, int64_t width, const Visit& visit) {
  constexpr int kCount = kWide<Element>;
  const int64_t before = (16 - reinterpret_cast<uintptr_t>(row) % 16) % 16 / sizeof(Element), thread = threadIdx.x;
  const int64_t begin = before < width ? before : width, end = width - (width - begin) % kCount;
  if (thread < begin) visit.template operator()<1>(thread);
  for (int64_t column = begin + thread * kCount; column < end; column += kThreads * kCount) {
    visit.template operator()<kCount>(column);
  }
  if (end + thread < width) visit.template operator()<1>(end + thread);
}

template <typename Element>
__global__ void __launch_bounds__(kThreads)
    forward(const Element* logits, const int64_t* targets, float* losses, float* log_sum_exp, LogitRows shape) {
  const int64_t row = blockIdx.x, target = targets[row];
  logits += row * shape.pitch;
  OnlineSoftmax sums;  // top and total; the rest is not computed where it is not read
  visit_row(logits, shape.ids, [&]<int kCount>(int64_t column) {
    const auto x = load<kCount>(logits + column);
    float top = x.v[0];
    for (int i = 1; i < kCount; ++i) top = fmaxf(top, x.v[i]);
    sums.raise(top);
    for (int i = 0; i < kCount; ++i) sums.add(x.v[i]);
  });
  const float top = group_max<kThreads>(sums.top);
  sums.total = group_sum<kThreads>(sums.total * power_of_two(sums.top - top));
  sums.top = top;
  if (threadIdx.x != 0) return;
  const bool known = target >= 0 && target < shape.ids;
  log_sum_exp[row] = sums.log_sum_exp();
  losses[row] = known ? sums.surprise(to_float(logits[target])) : nanf("");
}

template <typename Element>
__global__ void __launch_bounds__(kThreads) backward(Element* logits, const int64_t* targets, const float* log_sum_exp,
                                                     const float* scale, float weight, LogitRows shape) {
  const int64_t row = blockIdx.x, target = targets[row];
  const float top = log_sum_exp[row] * kNat, share = *scale * weight;
  logits += row * shape.pitch;
  visit_row(logits, shape.ids, [&]<int kCount>(int64_t column) {
    auto x = load<kCount>(logits + column);
    for (int i = 0; i < kCount; ++i) {
      x.v[i] = share * (power_of_two(std::fma(x.v[i], kNat, -top)) - (column + i == target ? 1.F : 0.F));
    }
    store(logits + column, x);
  });
  for (int64_t column = shape.ids + threadIdx.x; column < shape.pitch; column += kThreads)
    from_float(logits[column], 0);
}

bool is_sound(const LogitRows& shape) { return shape.rows > 0 && shape.ids > 0 && shape.pitch >= shape.ids; }

}  // namespace

template <typename Element>
cudaError_t cross_entropy(const Element* logits, const int64_t* targets, float* losses, float* log_sum_exp,
                          const LogitRows& shape, cudaStream_t stream) {
  if (!is_sound(shape)) return cudaErrorInvalidValue;
  return launch(forward<Element>, static_cast<unsigned>(shape.rows), kThreads, 0, stream, logits, targets, losses,
                log_sum_exp, shape);
}

template <typename Element>
cudaError_t cross_entropy_backward(Element* logits, const int64_t* targets, const float* log_sum_exp,
                                   const float* scale, float weight, const LogitRows& shape, cudaStream_t stream) {
  if (!is_sound(shape)) return cudaErrorInvalidValue;
  return launch(backward<Element>, static_cast<unsigned>(shape.rows), kThreads, 0, stream, logits, targets, log_sum_exp,
                scale, weight, shape);
}

#define REPLICATE_CROSS_ENTROPY(Element)                                                                              \
  template cudaError_t cross_entropy(const Element*, const int64_t*, float*, float*, const LogitRows&, cudaStream_t); \
  template cudaError_t cross_entropy_backward(Element*, const int64_t*, const float*, const float*, float,            \
                                              const LogitRows&, cudaStream_t);
REPLICATE_CROSS_ENTROPY(float)
REPLICATE_CROSS_ENTROPY(Bfloat16)
#undef REPLICATE_CROSS_ENTROPY

}  // namespace replicate::cuda
