#pragma once

// The two matrix products of attention over one tile of queries and one of keys, by one warp; for .cu files only. Both
// element types spread a tile over the warp as mma.m16n8k16 does: with g = lane / 4 and t = lane % 4 a lane holds, of 16
// rows and of columns in groups of 8, rows g and g + 8 of columns 8 n + 2 t and 8 n + 2 t + 1:
//   fragment[n][2 half + j] = element (g + 8 half, 8 n + 2 t + j).
// So a row lies in the four lanes of one g (a quad), and whoever computes on scores need not know the element type.

#include <cstring>

#include "models/cuda/device.h"

namespace replicate::cuda {

constexpr int kTile = 64;             // queries, and keys, of a tile
constexpr int kWarpRows = 16;         // queries of a warp
constexpr int kGroups = kTile / 8;    // of scores of a lane
using Scores = float[kGroups][4];     // [16, 64] over a warp

__device__ inline int quad() { return static_cast<int>(lane() / 4); }
__device__ inline int in_quad() { return static_cast<int>(lane() % 4); }

/// Elements from one row of a tile in shared memory to the next: 16 bytes more than the row, so that rows g = 0..7 begin
/// in different banks.
template <typename Element, int kWidth>
constexpr int kPitch = kWidth + kWide<Element>;

template <typename Element, int kWidth>
struct TileProduct;

template <int kWidth>
struct TileProduct<Bfloat16, kWidth> {
  static constexpr int kPitch = cuda::kPitch<Bfloat16, kWidth>;

  /// scores [16, 64] += q [16, K] k^T [K, 64].
  __device__ static void add_scores(const Bfloat16* q, const Bfloat16* k, Scores& scores) {
#pragma unroll
    for (int d = 0; d < kWidth; d += 16) {
      const int column = d + 2 * in_quad();
      const uint32_t a[4] = {pair(q, quad(), column), pair(q, quad() + 8, column), pair(q, quad(), column + 8),
                             pair(q, quad() + 8, column + 8)};
#pragma unroll
      for (int n = 0; n < kGroups; ++n) {
        multiply_add(scores[n], a, pair(k, 8 * n + quad(), column), pair(k, 8 * n + quad(), column + 8));
      }
    }
  }

  /// output [16, K] += p [16, 64] v [64, K].
  __device__ static void add_values(const Scores& p, const Bfloat16* v, float (&output)[kWidth / 8][4]) {
#pragma unroll
    for (int c = 0; c < kTile / 16; ++c) {  // 16 keys at a time: two groups of scores are one left operand
      const uint32_t a[4] = {rounded(p[2 * c][0], p[2 * c][1]), rounded(p[2 * c][2], p[2 * c][3]),
                             rounded(p[2 * c + 1][0], p[2 * c + 1][1]), rounded(p[2 * c + 1][2], p[2 * c + 1][3])};
      const Bfloat16* row = v + (16 * c + lane() % 16) * kPitch + lane() / 16 * 8;
#pragma unroll
      for (int n = 0; n < kWidth / 8; n += 2) {
        uint32_t b[4];  // of keys 0..7 and 8..15: values 8 n.., then 8 (n + 1)..
        load_transposed(b, row + 8 * n);
        multiply_add(output[n], a, b[0], b[1]);
        multiply_add(output[n + 1], a, b[2], b[3]);
      }
    }
  }

 private:
  /// Elements (row, column) and (row, column + 1), the first in the lower half.
  __device__ static uint32_t pair(const Bfloat16* tile, int row, int column) {
    return *reinterpret_cast<const uint32_t*>(tile + row * kPitch + column);
  }

  __device__ static uint32_t rounded(float first, float second) {
    struct alignas(4) Pair {
      Bfloat16 first, second;
    };
    const Pair pair = {__float2bfloat16(first), __float2bfloat16(second)};
    uint32_t word;
    memcpy(&word, &pair, sizeof(word));
    return word;
  }
};

/// The same in float32 on ordinary units: tensor cores would round to TF32.
template <int kWidth>
struct TileProduct<float, kWidth> {
  static constexpr int kPitch = cuda::kPitch<float, kWidth>;

  __device__ static void add_scores(const float* q, const float* k, Scores& scores) {
#pragma unroll 2
    for (int d = 0; d < kWidth; d += 4) {
      const auto upper = load<4>(q + quad() * kPitch + d), lower = load<4>(q + (quad() + 8) * kPitch + d);
#pragma unroll
      for (int n = 0; n < kGroups; ++n) {
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          const auto key = load<4>(k + (8 * n + 2 * in_quad() + j) * kPitch + d);
          add_product(scores[n][j], upper, key);
          add_product(scores[n][2 + j], lower, key);
        }
      }
    }
  }

  __device__ static void add_values(const Scores& p, const float* v, float (&output)[kWidth / 8][4]) {
#pragma unroll
    for (int n = 0; n < kGroups; ++n) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
#pragma unroll 1
        for (int t = 0; t < 4; ++t) {  // a row's probabilities lie in its quad
          const unsigned from = 4 * quad() + t;
          add_row(shuffle(p[n][j], from), shuffle(p[n][2 + j], from), v + (8 * n + 2 * t + j) * kPitch, output);
        }
      }
    }
  }

 private:
  __device__ static void add_product(float& sum, const Values<4>& a, const Values<4>& b) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sum += a.v[i] * b.v[i];
  }

  /// One key's values, for rows g and g + 8.
  __device__ static void add_row(float upper, float lower, const float* values, float (&output)[kWidth / 8][4]) {
#pragma unroll
    for (int m = 0; m < kWidth / 8; ++m) {
      const auto two = load<2>(values + 8 * m + 2 * in_quad());
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        output[m][j] += upper * two.v[j];
        output[m][2 + j] += lower * two.v[j];
      }
    }
  }
};

}  // namespace replicate::cuda
