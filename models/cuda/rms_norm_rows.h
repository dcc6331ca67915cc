#pragma once

// RMSNorm of rows, forward and backward, by some lanes or a block a row; for .cu files only. y = r g z with z = x +
// branch and r = 1 / sqrt(mean z^2 + eps) (Zhang and Sennrich 2019, "Root Mean Square Layer Normalization"). Its
// gradients:
//   dz_i = r (g_i dy_i - z_i r^2 mean_j(z_j g_j dy_j)),   dg_i = sum over rows of dy_i z_i r.

#include <algorithm>

#include "models/cuda/device.h"

namespace replicate::cuda {

/// X is the type of the stream, Y that of what leaves the norm and of the branch; null: not there, or not wanted.
template <typename X, typename Y>
struct RmsNormForward {
  const X* x;         // [N, D]
  const Y* branch;    // [N, D] or null: added to x
  const float* gain;  // [D]
  X* sum;             // [N, D] x + branch; null without a branch
  Y* y;               // [N, D]
  float* inverse;     // [N] or null: r
  int64_t rows;       // N
  int width;          // D
  float eps;
};

template <typename X, typename Y>
struct RmsNormBackward {
  const X* x;            // [N, D] what was normed
  const float* gain;     // [D]
  const float* inverse;  // [N]
  const Y* dy;           // [N, D]
  const X* dsum;         // [N, D] or null: the gradient that x has besides
  X* dx;                 // [N, D]
  Y* dbranch;            // [N, D] or null: dx again, as the branch's type
  float* parts;          // [P, D] sums of dgain over rows_of_part rows each
  int64_t rows, rows_of_part;
  int width;
};

constexpr int kBlockThreads = 256;

/// Which row, or part, the group of kThreads threads takes. Where a warp holds several groups, all of them go on to the
/// end, since they meet in group_sum: one that has no row takes one of width 0.
__device__ inline int64_t group_index() { return int64_t{blockIdx.x} * blockDim.y + threadIdx.y; }

template <int kThreads, int kCount, typename X, typename Y>
__global__ void __launch_bounds__(kBlockThreads) rms_norm_forward(RmsNormForward<X, Y> p) {
  const int64_t row = group_index(), offset = row * p.width;
  const int width = row < p.rows ? p.width : 0;
  const int begin = static_cast<int>(threadIdx.x) * kCount;
  constexpr int kStep = kThreads * kCount;

  float squares = 0;
  for (int i = begin; i < width; i += kStep) {
    auto z = load<kCount>(p.x + offset + i);
    if (p.branch) {
      const auto branch = load<kCount>(p.branch + offset + i);
      for (int j = 0; j < kCount; ++j) z.v[j] += branch.v[j];
      store(p.sum + offset + i, z);
    }
    for (int j = 0; j < kCount; ++j) squares += z.v[j] * z.v[j];
  }
  const float inverse = 1 / sqrtf(group_sum<kThreads>(squares) / static_cast<float>(p.width) + p.eps);
  if (p.inverse && threadIdx.x == 0 && width > 0) p.inverse[row] = inverse;

  const X* from = (p.branch ? p.sum : p.x) + offset;  // every thread reads what it wrote itself
  for (int i = begin; i < width; i += kStep) {
    auto z = load<kCount>(from + i);
    const auto gain = load<kCount>(p.gain + i);
    for (int j = 0; j < kCount; ++j) z.v[j] *= inverse * gain.v[j];
    store(p.y + offset + i, z);
  }
}

/// One part: its rows one after the other, their sums of dgain in shared memory, where every thread has columns of its
/// own.
template <int kThreads, int kCount, typename X, typename Y>
__global__ void __launch_bounds__(kBlockThreads) rms_norm_backward(RmsNormBackward<X, Y> p) {
  const int64_t part = group_index(), first = part * p.rows_of_part;
  float* sums = shared_memory<float>() + threadIdx.y * p.width;
  const int begin = static_cast<int>(threadIdx.x) * kCount;
  constexpr int kStep = kThreads * kCount;
  for (int i = begin; i < p.width; i += kStep) store(sums + i, Values<kCount>{});

  for (int64_t row = first; row < first + p.rows_of_part; ++row) {
    const int64_t offset = row * p.width;
    const int width = row < p.rows ? p.width : 0;
    float along = 0;
    for (int i = begin; i < width; i += kStep) {
      const auto x = load<kCount>(p.x + offset + i), gain = load<kCount>(p.gain + i),
                 dy = load<kCount>(p.dy + offset + i);
      for (int j = 0; j < kCount; ++j) along += x.v[j] * gain.v[j] * dy.v[j];
    }
    const float inverse = width > 0 ? p.inverse[row] : 0;
    const float back = group_sum<kThreads>(along) * inverse * inverse / static_cast<float>(p.width);
    for (int i = begin; i < width; i += kStep) {
      const auto x = load<kCount>(p.x + offset + i), gain = load<kCount>(p.gain + i),
                 dy = load<kCount>(p.dy + offset + i);
      auto sum = load<kCount>(sums + i);
      Values<kCount> dx = p.dsum ? load<kCount>(p.dsum + offset + i) : Values<kCount>{};
      for (int j = 0; j < kCount; ++j) {
        dx.v[j] += inverse * (gain.v[j] * dy.v[j] - x.v[j] * back);
        sum.v[j] += dy.v[j] * x.v[j] * inverse;
      }
      store(p.dx + offset + i, dx);
      if (p.dbranch) store(p.dbranch + offset + i, dx);
      store(sums + i, sum);
    }
  }
  if (first >= p.rows) return;
  for (int i = begin; i < p.width; i += kStep) store(p.parts + part * p.width + i, load<kCount>(sums + i));
}

constexpr int kSide = 32;  // columns of a block, and threads that share a column

/// sums [D] of parts [P, D] over P: 32 threads take every 32nd part of a column, then one adds their sums up in order.
static __global__ void sum_parts(const float* parts, int64_t count, int width, float* sums) {
  __shared__ float shared[kSide][kSide + 1];
  const int column = static_cast<int>(blockIdx.x) * kSide + static_cast<int>(threadIdx.x);
  float sum = 0;
  if (column < width) {
    for (int64_t part = threadIdx.y; part < count; part += kSide) sum += parts[part * width + column];
  }
  shared[threadIdx.y][threadIdx.x] = sum;
  synchronise();
  if (threadIdx.y != 0 || column >= width) return;
  sum = 0;
  for (int i = 0; i < kSide; ++i) sum += shared[i][threadIdx.x];
  sums[column] = sum;
}

/// How rows are cut into parts: by their number alone.
struct GainParts {
  int64_t rows_of_part, count;
  GainParts(int64_t rows, int64_t most) {
    constexpr int64_t kFewest = 32;  // rows of a part
    rows_of_part = std::max(kFewest, (rows + most - 1) / most);
    count = (rows + rows_of_part - 1) / rows_of_part;
  }
};

template <int kThreads>
dim3 group_block() {
  return {kThreads, kBlockThreads / kThreads};
}

template <int kThreads, typename X, typename Y>
cudaError_t start_forward(const RmsNormForward<X, Y>& p, cudaStream_t stream) {
  if (p.rows < 1 || p.width < 1 || (p.branch && !p.sum)) return cudaErrorInvalidValue;
  const bool wide = is_aligned(p.x, p.width) && is_aligned(p.branch, p.width) && is_aligned(p.gain) &&
                    is_aligned(p.sum, p.width) && is_aligned(p.y, p.width);
  const auto block = group_block<kThreads>();
  return with_count<kWide<Y>>(wide, [&]<int kCount>() {
    return launch(rms_norm_forward<kThreads, kCount, X, Y>, ceil_divide(p.rows, block.y), block, 0, stream, p);
  });
}

/// dgain [D] too, through p.parts.
template <int kThreads, typename X, typename Y>
cudaError_t start_backward(const RmsNormBackward<X, Y>& p, const GainParts& parts, float* dgain, cudaStream_t stream) {
  if (p.rows < 1 || p.width < 1) return cudaErrorInvalidValue;
  const bool wide = is_aligned(p.x, p.width) && is_aligned(p.gain) && is_aligned(p.dy, p.width) &&
                    is_aligned(p.dsum, p.width) && is_aligned(p.dx, p.width) && is_aligned(p.dbranch, p.width) &&
                    is_aligned(p.parts, p.width);
  const auto block = group_block<kThreads>();
  const size_t shared = sizeof(float) * block.y * static_cast<size_t>(p.width);
  const auto error = with_count<kWide<Y>>(wide, [&]<int kCount>() {
    return launch(rms_norm_backward<kThreads, kCount, X, Y>, ceil_divide(parts.count, block.y), block, shared, stream,
                  p);
  });
  if (error != cudaSuccess) return error;
  return launch(sum_parts, ceil_divide(p.width, kSide), dim3(kSide, kSide), 0, stream,
                static_cast<const float*>(p.parts), parts.count, p.width, dgain);
}

}  // namespace replicate::cuda
