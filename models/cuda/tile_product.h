#pragma once

// The two matrix products of attention over one tile of queries and one of keys, by one warp; for .cu files only. Both
// element types spread a tile over the warp as mma.m16n8k16 does: with g = lane / 4 and t = lane % 4 a lane holds, of
// 16 rows and of columns in groups of 8, rows g and g + 8 of columns 8 n + 2 t and 8 n + 2 t + 1:
//   fragment[n][2 half + j] = element (g + 8 half, 8 n + 2 t + j).
// So a row lies in the four lanes of one g (a quad), and code that computes on scores need not know the element type.

#include <cstring>

#include "models/cuda/device.h"

namespace replicate::cuda {

constexpr int kTile = 64;           // keys of a tile
constexpr int kStrip = 16;          // queries of one fragment; a warp has kStrips of them
constexpr int kGroups = kTile / 8;  // of scores of a lane
using Scores = float[kGroups][4];   // [16, 64] over a warp

__device__ inline int quad() { return static_cast<int>(lane() / 4); }
__device__ inline int in_quad() { return static_cast<int>(lane() % 4); }

/// Elements from one row of a tile in shared memory to the next: 16 bytes more than the row, so that rows g = 0..7
/// begin in different banks.
template <typename Element, int kWidth>
constexpr int kPitch = kWidth + kWide<Element>;

template <typename Element, int kWidth>
struct TileProduct;

template <int kWidth>
struct TileProduct<Bfloat16, kWidth> {
  static constexpr int kPitch = cuda::kPitch<Bfloat16, kWidth>;
  /// Two: every fragment of keys and values that is read serves two products, or shared memory would be slower than
  /// they.
  static constexpr int kStrips = 2;
  using Output = float[kWidth / 8][4];  // [16, K] over a warp

  /// The warp's queries in shared memory as left operands.
  class Queries {
   public:
    __device__ explicit Queries(const Bfloat16* q) : mine_(q + lane() % 16 * kPitch + lane() / 16 * 8) {
      if constexpr (kHeld) {
#pragma unroll
        for (int s = 0; s < kStrips; ++s) {
#pragma unroll
          for (int i = 0; i < kWidth / 16; ++i) load_matrices(held_[s][i], at(s, i));
        }
      }
    }

    /// Of columns 16 i...
    __device__ void load(int strip, int i, uint32_t (&a)[4]) const {
      if constexpr (kHeld)
        memcpy(a, held_[strip][i], sizeof(a));
      else
        load_matrices(a, at(strip, i));
    }

   private:
    static constexpr bool kHeld = kWidth <= 64;  // registers are too few for more

    __device__ const Bfloat16* at(int strip, int i) const { return mine_ + strip * kStrip * kPitch + 16 * i; }

    const Bfloat16* mine_;  // what this lane names
    uint32_t held_[kHeld ? kStrips : 1][kHeld ? kWidth / 16 : 1][4];
  };

  /// scores [16, 64] += q [16, K] k^T [K, 64], for every strip.
  __device__ static void add_scores(const Queries& q, const Bfloat16* k, Scores (&scores)[kStrips]) {
    const Bfloat16* row = k + (lane() % 8 + lane() / 16 * 8) * kPitch + lane() / 8 % 2 * 8;
#pragma unroll
    for (int i = 0; i < kWidth / 16; ++i) {
      uint32_t a[kStrips][4];
#pragma unroll
      for (int s = 0; s < kStrips; ++s) q.load(s, i, a[s]);
#pragma unroll
      for (int n = 0; n < kGroups; n += 2) {
        uint32_t b[4];  // of keys 8 n..: columns 0..7 and 8..15; then of keys 8 (n + 1)..
        load_matrices(b, row + 8 * n * kPitch + 16 * i);
#pragma unroll
        for (int s = 0; s < kStrips; ++s) {
          multiply_add(scores[s][n], a[s], b[0], b[1]);
          multiply_add(scores[s][n + 1], a[s], b[2], b[3]);
        }
      }
    }
  }

  /// output [16, K] += p [16, 64] v [64, K], for every strip.
  __device__ static void add_values(const Scores (&p)[kStrips], const Bfloat16* v, Output (&output)[kStrips]) {
    const Bfloat16* row = v + lane() % 16 * kPitch + lane() / 16 * 8;
#pragma unroll
    for (int c = 0; c < kTile / 16; ++c) {  // 16 keys at a time: two groups of scores are one left operand
      uint32_t a[kStrips][4];
#pragma unroll
      for (int s = 0; s < kStrips; ++s) {
#pragma unroll
        for (int i = 0; i < 4; ++i)
          a[s][i] = rounded_pair(p[s][2 * c + i / 2][i % 2 * 2], p[s][2 * c + i / 2][i % 2 * 2 + 1]);
      }
#pragma unroll
      for (int n = 0; n < kWidth / 8; n += 2) {
        uint32_t b[4];  // of keys 0..7 and 8..15: values 8 n.., then 8 (n + 1)..
        load_transposed(b, row + 16 * c * kPitch + 8 * n);
#pragma unroll
        for (int s = 0; s < kStrips; ++s) {
          multiply_add(output[s][n], a[s], b[0], b[1]);
          multiply_add(output[s][n + 1], a[s], b[2], b[3]);
        }
      }
    }
  }
};

/// The same in float32 on ordinary units: tensor cores would round to TF32.
template <int kWidth>
struct TileProduct<float, kWidth> {
  static constexpr int kPitch = cuda::kPitch<float, kWidth>;
  static constexpr int kStrips = 1;
  using Output = float[kWidth / 8][4];
  using Queries = const float*;

  __device__ static void add_scores(Queries q, const float* k, Scores (&strips)[kStrips]) {
    auto& scores = strips[0];
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

  __device__ static void add_values(const Scores (&strips)[kStrips], const float* v, Output (&output)[kStrips]) {
    const auto& p = strips[0];
#pragma unroll
    for (int n = 0; n < kGroups; ++n) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
#pragma unroll 1
        for (int t = 0; t < 4; ++t) {  // a row's probabilities lie in its quad
          const unsigned from = 4 * quad() + t;
          add_row(shuffle(p[n][j], from), shuffle(p[n][2 + j], from), v + (8 * n + 2 * t + j) * kPitch, output[0]);
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
  __device__ static void add_row(float upper, float lower, const float* values, Output& output) {
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
