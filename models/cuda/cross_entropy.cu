#include "models/cuda/cross_entropy.h"

#include "models/cuda/device.h"
#include "models/cuda/online_softmax.h"

namespace replicate::cuda {
namespace {

constexpr int kThreads = 512;  // of a row

template <int kCount, typename Element>
__global__ void __launch_bounds__(kThreads) forward(const Element* logits, const int64_t* targets, float* losses,
                                                    float* log_sum_exp, int64_t width) {
  const int64_t row = blockIdx.x, target = targets[row];
  logits += row * width;
  OnlineSoftmax sums;  // top and total; the rest is not computed where nobody reads it
  for (int64_t column = int64_t{threadIdx.x} * kCount; column < width; column += kThreads * kCount) {
    const auto x = load<kCount>(logits + column);
    float top = x.v[0];
    for (int i = 1; i < kCount; ++i) top = fmaxf(top, x.v[i]);
    sums.raise(top);
    for (int i = 0; i < kCount; ++i) sums.add(x.v[i]);
  }
  const float top = group_max<kThreads>(sums.top);
  const float total = group_sum<kThreads>(sums.total * std::exp(sums.top - top));
  if (threadIdx.x != 0) return;
  const bool known = target >= 0 && target < width;
  log_sum_exp[row] = top + std::log(total);
  // log total + (top - logit): the large numbers cancel before anything is rounded
  losses[row] = known ? std::log(total) + (top - to_float(logits[target])) : nanf("");
}

template <int kCount, typename Element>
__global__ void __launch_bounds__(kThreads) backward(Element* logits, const int64_t* targets, const float* log_sum_exp,
                                                     const float* scale, float weight, int64_t width) {
  const int64_t row = blockIdx.x, target = targets[row];
  const float lse = log_sum_exp[row], share = *scale * weight;
  logits += row * width;
  for (int64_t column = int64_t{threadIdx.x} * kCount; column < width; column += kThreads * kCount) {
    auto x = load<kCount>(logits + column);
    for (int i = 0; i < kCount; ++i) x.v[i] = share * (std::exp(x.v[i] - lse) - (column + i == target ? 1.F : 0.F));
    store(logits + column, x);
  }
}

}  // namespace

template <typename Element>
cudaError_t cross_entropy(const Element* logits, const int64_t* targets, float* losses, float* log_sum_exp, int64_t rows,
                          int64_t width, cudaStream_t stream) {
  if (rows < 1 || width < 1) return cudaErrorInvalidValue;
  return with_count<kWide<Element>>(is_aligned(logits, width), [&]<int kCount>() {
    return launch(forward<kCount, Element>, static_cast<unsigned>(rows), kThreads, 0, stream, logits, targets, losses,
                  log_sum_exp, width);
  });
}

template <typename Element>
cudaError_t cross_entropy_backward(Element* logits, const int64_t* targets, const float* log_sum_exp, const float* scale,
                                   float weight, int64_t rows, int64_t width, cudaStream_t stream) {
  if (rows < 1 || width < 1) return cudaErrorInvalidValue;
  return with_count<kWide<Element>>(is_aligned(logits, width), [&]<int kCount>() {
    return launch(backward<kCount, Element>, static_cast<unsigned>(rows), kThreads, 0, stream, logits, targets, log_sum_exp,
                  scale, weight, width);
  });
}

#define REPLICATE_CROSS_ENTROPY(Element)                                                                                   \
  template cudaError_t cross_entropy(const Element*, const int64_t*, float*, float*, int64_t, int64_t, cudaStream_t);      \
  template cudaError_t cross_entropy_backward(Element*, const int64_t*, const float*, const float*, float, int64_t,        \
                                              int64_t, cudaStream_t);
REPLICATE_CROSS_ENTROPY(float)
REPLICATE_CROSS_ENTROPY(Bfloat16)
#undef REPLICATE_CROSS_ENTROPY

}  // namespace replicate::cuda
