#include "models/cuda/swiglu.h"

#include "models/cuda/device.h"

namespace replicate::cuda {
namespace {

constexpr int kThreads = 256;

/// exp of a negative number alone, so that nothing overflows, and a divisor from 1 to 2, which __fdividef takes (2
/// units in the last place).
__device__ inline float sigmoid(float x) {
  const float e = expf(-fabsf(x));
  return __fdividef(x < 0 ? e : 1, 1 + e);
}

/// Where this thread's elements lie: blocks in x cut a row, rows beyond the grid's y are taken in turns.
__device__ inline int64_t first_column(int count) { return (int64_t{blockIdx.x} * kThreads + threadIdx.x) * count; }

template <int kCount, typename Element>
__global__ void forward(Rows<const Element> gate, Rows<const Element> up, Rows<Element> hidden, int64_t rows,
                        int64_t width) {
  const int64_t column = first_column(kCount);
  if (column >= width) return;
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    const auto g = load<kCount>(gate.data + row * gate.stride + column),
               u = load<kCount>(up.data + row * up.stride + column);
    Values<kCount> h;
    for (int i = 0; i < kCount; ++i) h.v[i] = g.v[i] * sigmoid(g.v[i]) * u.v[i];
    store(hidden.data + row * hidden.stride + column, h);
  }
}

template <int kCount, typename Element>
__global__ void backward(Rows<const Element> gate, Rows<const Element> up, Rows<const Element> dhidden,
                         Rows<Element> dgate, Rows<Element> dup, int64_t rows, int64_t width) {
  const int64_t column = first_column(kCount);
  if (column >= width) return;
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    const auto g = load<kCount>(gate.data + row * gate.stride + column),
               u = load<kCount>(up.data + row * up.stride + column);
    const auto d = load<kCount>(dhidden.data + row * dhidden.stride + column);
    Values<kCount> to_gate, to_up;
    for (int i = 0; i < kCount; ++i) {
      const float s = sigmoid(g.v[i]), silu = g.v[i] * s;
      to_up.v[i] = d.v[i] * silu;
      to_gate.v[i] = d.v[i] * u.v[i] * (s + silu * (1 - s));
    }
    store(dgate.data + row * dgate.stride + column, to_gate);
    store(dup.data + row * dup.stride + column, to_up);
  }
}

dim3 grid_of(int64_t rows, int64_t width, int count) {
  constexpr int64_t kMostRows = 65535;
  return {ceil_divide(width, kThreads * count), static_cast<unsigned>(rows < kMostRows ? rows : kMostRows)};
}

template <typename Element>
bool is_wide(Rows<Element> x, int64_t width) {
  return is_aligned(x.data, x.stride) && is_aligned(x.data, width);
}

}  // namespace

template <typename Element>
cudaError_t swiglu(Rows<const Element> gate, Rows<const Element> up, Rows<Element> hidden, int64_t rows, int64_t width,
                   cudaStream_t stream) {
  if (rows < 1 || width < 1) return cudaErrorInvalidValue;
  const bool wide = is_wide(gate, width) && is_wide(up, width) && is_wide(hidden, width);
  return with_count<kWide<Element>>(wide, [&]<int kCount>() {
    return launch(forward<kCount, Element>, grid_of(rows, width, kCount), kThreads, 0, stream, gate, up, hidden, rows,
                  width);
  });
}

template <typename Element>
cudaError_t swiglu_backward(Rows<const Element> gate, Rows<const Element> up, Rows<const Element> dhidden,
                            Rows<Element> dgate, Rows<Element> dup, int64_t rows, int64_t width, cudaStream_t stream) {
  if (rows < 1 || width < 1) return cudaErrorInvalidValue;
  const bool wide = is_wide(gate, width) && is_wide(up, width) && is_wide(dhidden, width) && is_wide(dgate, width) &&
                    is_wide(dup, width);
  return with_count<kWide<Element>>(wide, [&]<int kCount>() {
    return launch(backward<kCount, Element>, grid_of(rows, width, kCount), kThreads, 0, stream, gate, up, dhidden,
                  dgate, dup, rows, width);
  });
}

#define REPLICATE_SWIGLU(Element)                                                                                    \
  template cudaError_t swiglu(Rows<const Element>, Rows<const Element>, Rows<Element>, int64_t, int64_t,             \
                              cudaStream_t);                                                                         \
  template cudaError_t swiglu_backward(Rows<const Element>, Rows<const Element>, Rows<const Element>, Rows<Element>, \
                                       Rows<Element>, int64_t, int64_t, cudaStream_t);
REPLICATE_SWIGLU(float)
REPLICATE_SWIGLU(Bfloat16)
#undef REPLICATE_SWIGLU

}  // namespace replicate::cuda
