#include "models/cuda/head_rms_norm.h"

#include "models/cuda/rms_norm_rows.h"

namespace replicate::cuda {
namespace {

constexpr int kWarp = 32;             // threads of a row
constexpr int kBlock = 256;           // of a long one, whose sums for the gain would not fit beside those of other rows
constexpr int kLongRow = 256;
constexpr int64_t kMostParts = 4096;  // of the gain's gradient: a warp each

}  // namespace

template <typename Element>
cudaError_t head_rms_norm(const Element* x, const float* gain, Element* y, float* inverse, int64_t rows, int width, float eps,
                          cudaStream_t stream) {
  return start_forward<kWarp>(RmsNormForward<Element, Element>{x, nullptr, gain, nullptr, y, inverse, rows, width, eps}, stream);
}

int64_t head_rms_norm_workspace(int64_t rows, int width) { return GainParts(rows, kMostParts).count * width; }

template <typename Element>
cudaError_t head_rms_norm_backward(const Element* x, const float* gain, const float* inverse, const Element* dy, Element* dx,
                                   float* dgain, float* workspace, int64_t rows, int width, cudaStream_t stream) {
  const GainParts parts(rows, kMostParts);
  const RmsNormBackward<Element, Element> p{x,         gain, inverse, dy, nullptr, dx, nullptr, workspace, rows,
                                            parts.rows_of_part, width};
  return width > kLongRow ? start_backward<kBlock>(p, parts, dgain, stream) : start_backward<kWarp>(p, parts, dgain, stream);
}

#define REPLICATE_HEAD_RMS_NORM(Element)                                                                                       \
  template cudaError_t head_rms_norm(const Element*, const float*, Element*, float*, int64_t, int, float, cudaStream_t);       \
  template cudaError_t head_rms_norm_backward(const Element*, const float*, const float*, const Element*, Element*, float*,    \
                                              float*, int64_t, int, cudaStream_t);
REPLICATE_HEAD_RMS_NORM(float)
REPLICATE_HEAD_RMS_NORM(Bfloat16)
#undef REPLICATE_HEAD_RMS_NORM

}  // namespace replicate::cuda
