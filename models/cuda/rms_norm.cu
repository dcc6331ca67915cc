#include "models/cuda/rms_norm.h"

#include "models/cuda/rms_norm_rows.h"

namespace replicate::cuda {
namespace {

constexpr int kBlock = 256;           // threads of a row
constexpr int64_t kMostParts = 1024;  // of the gain's gradient: as many blocks

}  // namespace

template <typename Element>
cudaError_t rms_norm(const ResidualNorm<Element>& n, cudaStream_t stream) {
  return start_forward<kBlock>(
      RmsNormForward<float, Element>{n.x, n.branch, n.gain, n.sum, n.y, n.inverse, n.rows, n.width, n.eps}, stream);
}

int64_t rms_norm_workspace(int64_t rows, int width) { return GainParts(rows, kMostParts).count * width; }

template <typename Element>
cudaError_t rms_norm_backward(const ResidualNormGradient<Element>& n, cudaStream_t stream) {
  const GainParts parts(n.rows, kMostParts);
  return start_backward<kBlock>(RmsNormBackward<float, Element>{n.sum, n.gain, n.inverse, n.dy, n.dsum, n.dx, n.dbranch,
                                                                n.workspace, n.rows, parts.rows_of_part, n.width},
                                parts, n.dgain, stream);
}

template cudaError_t rms_norm(const ResidualNorm<float>&, cudaStream_t);
template cudaError_t rms_norm(const ResidualNorm<Bfloat16>&, cudaStream_t);
template cudaError_t rms_norm_backward(const ResidualNormGradient<float>&, cudaStream_t);
template cudaError_t rms_norm_backward(const ResidualNormGradient<Bfloat16>&, cudaStream_t);

}  // namespace replicate::cuda
