#include "models/cuda/rotary.h"

#include "models/cuda/device.h"

namespace replicate::cuda {
namespace {

constexpr int kThreads = 256;

template <int kCount, typename Element>
__device__ void turn(const Element* x, const float* cosine, const float* sine, Element* y, int half, float direction) {
  const auto a = load<kCount>(x), b = load<kCount>(x + half), c = load<kCount>(cosine), s = load<kCount>(sine);
  Values<kCount> upper, lower;
  for (int i = 0; i < kCount; ++i) {
    upper.v[i] = a.v[i] * c.v[i] - direction * s.v[i] * b.v[i];
    lower.v[i] = b.v[i] * c.v[i] + direction * s.v[i] * a.v[i];
  }
  store(y, upper);
  store(y + half, lower);
}

/// A thread takes kCount pairs of one head's vector, or kCount elements after them. Heads follow each other within a
/// position, as W_Q writes them.
template <int kCount, typename Element>
__global__ void turn_all(Strided<const Element> x, const float* cosine, const float* sine, Strided<Element> y,
                         RotaryShape shape, float direction) {
  const int half = shape.turned / 2, of_row = (half + shape.width - shape.turned) / kCount;
  const int64_t all = shape.batch * shape.length * shape.heads * of_row;
  const int64_t index = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (index >= all) return;
  const int64_t row = index / of_row, h = row % shape.heads, t = row / shape.heads % shape.length;
  const int64_t b = row / shape.heads / shape.length;
  const int column = static_cast<int>(index % of_row) * kCount;
  if (column < half) {
    const int64_t angle = t * shape.turned + column;
    turn<kCount>(x.row(b, h, t) + column, cosine + angle, sine + angle, y.row(b, h, t) + column, half, direction);
  } else {
    store(y.row(b, h, t) + half + column, load<kCount>(x.row(b, h, t) + half + column));
  }
}

template <typename Element>
bool is_wide(const Strided<Element>& x) {
  return is_aligned(x.data, x.batch) && is_aligned(x.data, x.head) && is_aligned(x.data, x.position);
}

}  // namespace

template <typename Element>
cudaError_t rotary(Strided<const Element> x, const float* cosine, const float* sine, Strided<Element> y,
                   const RotaryShape& shape, float direction, cudaStream_t stream) {
  const int64_t rows = shape.batch * shape.length * shape.heads;
  const int half = shape.turned / 2;
  if (rows < 1 || shape.turned < 2 || shape.turned % 2 != 0 || shape.turned > shape.width) return cudaErrorInvalidValue;
  const bool wide = is_wide(x) && is_wide(y) && is_aligned(x.data, half) && is_aligned(x.data, shape.width) &&
                    is_aligned(cosine, half) && is_aligned(sine, half);
  return with_count<kWide<Element>>(wide, [&]<int kCount>() {
    const auto blocks = ceil_divide(rows * ((half + shape.width - shape.turned) / kCount), kThreads);
    return launch(turn_all<kCount, Element>, blocks, kThreads, 0, stream, x, cosine, sine, y, shape, direction);
  });
}

template cudaError_t rotary(Strided<const float>, const float*, const float*, Strided<float>, const RotaryShape&, float,
                            cudaStream_t);
template cudaError_t rotary(Strided<const Bfloat16>, const float*, const float*, Strided<Bfloat16>, const RotaryShape&,
                            float, cudaStream_t);

}  // namespace replicate::cuda
