#include "models/cuda/head_rms_norm.h"

#include "models/cuda/rms_norm_rows.h"

namespace replicate::cuda {
namespace {

constexpr int kBlock = 256;  // threads of a long row, whose sums for the gain would not fit beside those of other rows
constexpr int kLongRow = 256;

/// Threads of a row: few where it is short, so that all lanes of a warp have something to do.
int lanes_of(int width) { return width <= 64 ? 8 : width <= 128 ? 16 : 32; }

/// Calls start with that number as a constant.
template <typename Start>
cudaError_t with_lanes(int width, const Start& start) {
  switch (lanes_of(width)) {
    case 8: return start.template operator()<8>();
    case 16: return start.template operator()<16>();
    default: return start.template operator()<32>();
  }
}

/// Of the gain's gradient: as many parts as give the device enough threads.
GainParts parts_of(int64_t rows, int width) {
  constexpr int64_t kMostThreads = 131072;
  return {rows, kMostThreads / lanes_of(width)};
}

}  // namespace

template <typename Element>
cudaError_t head_rms_norm(const Element* x, const float* gain, Element* y, float* inverse, int64_t rows, int width,
                          float eps, cudaStream_t stream) {
  const RmsNormForward<Element, Element> p{x, nullptr, gain, nullptr, y, inverse, rows, width, eps};
  return with_lanes(width, [&]<int kLanes>() { return start_forward<kLanes>(p, stream); });
}

int64_t head_rms_norm_workspace(int64_t rows, int width) { return parts_of(rows, width).count * width; }

template <typename Element>
cudaError_t head_rms_norm_backward(const Element* x, const float* gain, const float* inverse, const Element* dy,
                                   Element* dx, float* dgain, float* workspace, int64_t rows, int width,
                                   cudaStream_t stream) {
  const auto parts = parts_of(rows, width);
  const RmsNormBackward<Element, Element> p{
      x, gain, inverse, dy, nullptr, dx, nullptr, workspace, rows, parts.rows_of_part, width};
  if (width > kLongRow) return start_backward<kBlock>(p, parts, dgain, stream);
  return with_lanes(width, [&]<int kLanes>() { return start_backward<kLanes>(p, parts, dgain, stream); });
}

#define REPLICATE_HEAD_RMS_NORM(Element)                                                                            \
  template cudaError_t head_rms_norm(const Element*, const float*, Element*, float*, int64_t, int, float,           \
                                     cudaStream_t);                                                                 \
  template cudaError_t head_rms_norm_backward(const Element*, const float*, const float*, const Element*, Element*, \
                                              float*, float*, int64_t, int, cudaStream_t);
REPLICATE_HEAD_RMS_NORM(float)
REPLICATE_HEAD_RMS_NORM(Bfloat16)
#undef REPLICATE_HEAD_RMS_NORM

}  // namespace replicate::cuda
