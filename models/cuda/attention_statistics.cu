#include "models/cuda/attention_statistics.h"

#include <algorithm>

#include "models/cuda/online_softmax.h"
#include "models/cuda/tile_product.h"

// One block of four warps owns 128 queries of a head (64 in float32), or 64 keys (received); a warp owns one or two
// strips of 16 queries. The queries and one tile of the keys they see are the only things held, and a score is in
// registers from product to product. The next tile is copied while the one before it is computed with.

namespace replicate::cuda {
namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps;

template <typename Product>
constexpr int kRows{kStrip * Product::kStrips};  // queries of a warp
template <typename Product>
constexpr int kQueries{kWarps * kRows<Product>};  // of a block

__device__ inline int warp() { return static_cast<int>(threadIdx.x / 32); }

template <typename Element>
__device__ int64_t kv_head(const AttentionInputs<Element>& in, int64_t head) {
  return head / (in.heads / in.kv_heads);
}

/// Starts to copy rows first.. of one head [T, K] into shared memory, with zeros after the last row.
template <int kCopied, int kWidth, typename Element>
__device__ void start_tile(const Strided<const Element>& x, int64_t b, int64_t h, int64_t first, int64_t length,
                           Element* tile) {
  constexpr int kChunks = kWidth / kWide<Element>, kStep = kThreads / kChunks;
  const int thread = static_cast<int>(threadIdx.x), row = thread / kChunks, column = thread % kChunks * kWide<Element>;
  const auto rows = static_cast<int>(length - first < kCopied ? length - first : kCopied);
  const Element* from = x.row(b, h, first + row) + column;
  Element* to = tile + row * kPitch<Element, kWidth> + column;
#pragma unroll
  for (int i = 0; i < kCopied; i += kStep) {
    start_copy(to + i * kPitch<Element, kWidth>, from, row + i < rows);
    from += kStep * x.position;
  }
}

/// What is there for this thread is there for all, and all have read what they read before.
__device__ inline void await_tile() {
  await_copies();
  synchronise();
}

/// Nothing ahead of the query; `distance` is from the tile's first key to the strip's first query.
__device__ void mask(Scores& scores, int64_t distance) {
  const int last = static_cast<int>(distance) + quad() - 2 * in_quad();
#pragma unroll
  for (int n = 0; n < kGroups; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (8 * n + i % 2 > last + i / 2 * 8) scores[n][i] = kNoScore;
    }
  }
}

/// Only where a strip sees less than the whole tile.
template <int kStrips>
__device__ void mask(Scores (&scores)[kStrips], int64_t distance) {
  if (distance >= kTile - 1) return;
#pragma unroll
  for (int s = 0; s < kStrips; ++s) mask(scores[s], distance + s * kStrip);
}

/// One tile's scores of row `half` become exponentials; what was summed before shrinks with the top. All lanes of a
/// quad have the same top, but each has sums of its own columns alone.
template <int kSize>
__device__ void exponentiate(Scores& scores, int half, OnlineSoftmax& row, float (&output)[kSize][4]) {
  float top = kNoScore;
#pragma unroll
  for (int n = 0; n < kGroups; ++n) top = fmaxf(top, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
  top = fmaxf(top, shuffle_xor(top, 1));
  top = fmaxf(top, shuffle_xor(top, 2));
  const float factor = row.raise(top);
#pragma unroll
  for (int n = 0; n < kGroups; ++n) {
#pragma unroll
    for (int j = 0; j < 2; ++j) scores[n][2 * half + j] = row.add(scores[n][2 * half + j]);
  }
#pragma unroll
  for (int m = 0; m < kSize; ++m) {
#pragma unroll
    for (int j = 0; j < 2; ++j) output[m][2 * half + j] *= factor;
  }
}

__device__ inline float quad_sum(float x) {
  x += shuffle_xor(x, 1);
  return x + shuffle_xor(x, 2);
}

__device__ inline void gather_quad(OnlineSoftmax& row) {
  row.total = quad_sum(row.total);
  row.squares = quad_sum(row.squares);
  row.weighted_logs = quad_sum(row.weighted_logs);
}

template <typename Element>
__device__ void write_statistics(const AttentionOutputs<Element>& out, const OnlineSoftmax& row, int64_t index) {
  if (in_quad() != 0) return;
  if (out.log_sum_exp) out.log_sum_exp[index] = row.log_sum_exp();
  if (out.entropy) out.entropy[index] = row.entropy();
  if (out.sum_squares) out.sum_squares[index] = row.sum_squares();
}

/// This lane's columns of one row [K] of the output.
template <typename Element, int kSize>
__device__ void write_output(const float (&output)[kSize][4], int half, float total, Element* to) {
  const float share = 1 / total;
#pragma unroll
  for (int m = 0; m < kSize; ++m) {
    store<2>(to + 8 * m + 2 * in_quad(), {output[m][2 * half] * share, output[m][2 * half + 1] * share});
  }
}

/// One row of a strip.
template <typename Element, int kSize>
__device__ void write_row(const AttentionInputs<Element>& in, const AttentionOutputs<Element>& out, int64_t query,
                          OnlineSoftmax row, const float (&output)[kSize][4], int half) {
  gather_quad(row);
  if (query >= in.length) return;
  const int64_t h = blockIdx.y, b = blockIdx.z;
  write_statistics(out, row, (b * in.heads + h) * in.length + query);
  if (out.output)
    write_output(output, half, row.total, out.output + ((b * in.length + query) * in.heads + h) * in.width);
}

template <typename Element, int kWidth>
__global__ void __launch_bounds__(kThreads) forward(AttentionInputs<Element> in, AttentionOutputs<Element> out) {
  using Product = TileProduct<Element, kWidth>;
  constexpr int kStrips = Product::kStrips;
  auto* q = shared_memory<Element>();
  auto *k = q + kQueries<Product> * Product::kPitch, *v = k + kTile * Product::kPitch;
  // Late queries see the most keys: they start first, so that the last blocks to run are short ones.
  const int64_t first = int64_t{kQueries<Product>} * (gridDim.x - 1 - blockIdx.x), h = blockIdx.y, b = blockIdx.z;
  const int64_t end =
      first + kQueries<Product> < in.length ? first + kQueries<Product> : in.length;  // of the keys seen
  const int64_t mine = first + warp() * kRows<Product>;                               // the warp's queries

  start_tile<kQueries<Product>, kWidth>(in.q, b, h, first, in.length, q);
  start_tile<kTile, kWidth>(in.k, b, kv_head(in, h), 0, in.length, k);
  await_tile();
  const typename Product::Queries queries(q + warp() * kRows<Product> * Product::kPitch);
  OnlineSoftmax rows[kStrips][2];
  for (auto& strip : rows) strip[0].unit = strip[1].unit = in.scale * kNat;
  typename Product::Output output[kStrips] = {};
  for (int64_t first_key = 0; first_key < end; first_key += kTile) {
    start_tile<kTile, kWidth>(in.v, b, kv_head(in, h), first_key, in.length, v);
    Scores scores[kStrips] = {};
    Product::add_scores(queries, k, scores);
    await_tile();
    if (first_key + kTile < end) start_tile<kTile, kWidth>(in.k, b, kv_head(in, h), first_key + kTile, in.length, k);
    mask(scores, mine - first_key);
#pragma unroll
    for (int s = 0; s < kStrips; ++s) {
#pragma unroll
      for (int half = 0; half < 2; ++half) exponentiate(scores[s], half, rows[s][half], output[s]);
    }
    Product::add_values(scores, v, output);
    await_tile();
  }

#pragma unroll
  for (int s = 0; s < kStrips; ++s) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      write_row(in, out, mine + s * kStrip + quad() + 8 * half, rows[s][half], output[s], half);
    }
  }
}

using ColumnSums = float[kGroups][2];  // of this lane's 16 keys

/// Adds one row's probabilities of a strip; `lse` is its log-sum-exp.
__device__ void add_columns(const Scores& scores, int half, float unit, float lse, ColumnSums& sums) {
  const float top = lse * kNat;
#pragma unroll
  for (int n = 0; n < kGroups; ++n) {
#pragma unroll
    for (int j = 0; j < 2; ++j) sums[n][j] += power_of_two(std::fma(scores[n][2 * half + j], unit, -top));
  }
}

/// Over the block's queries: the eight rows of a warp by halving, then the warps in their order.
__device__ void write_columns(const ColumnSums& sums, int64_t first_key, int64_t length, float* received) {
  __shared__ float parts[kWarps][kTile];
#pragma unroll
  for (int n = 0; n < kGroups; ++n) {
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      float sum = sums[n][j];
      for (unsigned mask = 4; mask < 32; mask *= 2) sum += shuffle_xor(sum, mask);
      if (quad() == 0) parts[warp()][8 * n + 2 * in_quad() + j] = sum;
    }
  }
  synchronise();
  const int column = static_cast<int>(threadIdx.x);
  if (column >= kTile || first_key + column >= length) return;
  float sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += parts[w][column];
  received[first_key + column] = sum;
}

template <typename Element, int kWidth>
__global__ void __launch_bounds__(kThreads)
    receive(AttentionInputs<Element> in, const float* log_sum_exp, float* received) {
  using Product = TileProduct<Element, kWidth>;
  constexpr int kStrips = Product::kStrips;
  auto *k = shared_memory<Element>(), *q = k + kTile * Product::kPitch;
  const int64_t first_key = int64_t{kTile} * blockIdx.x, h = blockIdx.y, b = blockIdx.z;
  const int64_t head = (b * in.heads + h) * in.length;

  start_tile<kTile, kWidth>(in.k, b, kv_head(in, h), first_key, in.length, k);
  start_tile<kQueries<Product>, kWidth>(in.q, b, h, first_key, in.length, q);
  ColumnSums sums = {};
  for (int64_t first = first_key; first < in.length; first += kQueries<Product>) {
    await_tile();
    Scores scores[kStrips] = {};
    Product::add_scores(typename Product::Queries(q + warp() * kRows<Product> * Product::kPitch), k, scores);
    synchronise();  // the queries have been read
    const int64_t next = first + kQueries<Product>, mine = first + warp() * kRows<Product>;
    if (next < in.length) start_tile<kQueries<Product>, kWidth>(in.q, b, h, next, in.length, q);
    mask(scores, mine - first_key - 1);  // what a query gives to itself does not count
#pragma unroll
    for (int s = 0; s < kStrips; ++s) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int64_t query = mine + s * kStrip + quad() + 8 * half;
        const float lse = query < in.length ? log_sum_exp[head + query] : INFINITY;  // no query: nothing is given
        add_columns(scores[s], half, in.scale * kNat, lse, sums);
      }
    }
  }
  write_columns(sums, first_key, in.length, received + head);
}

/// One probability by one warp.
template <typename Element>
__device__ float probability(const AttentionInputs<Element>& in, const float* log_sum_exp, int64_t b, int64_t h,
                             int64_t query, int64_t key) {
  if (key > query) return 0;
  const Element *q = in.q.row(b, h, query), *k = in.k.row(b, kv_head(in, h), key);
  float product = 0;
  for (int i = static_cast<int>(lane()); i < in.width; i += 32) product += to_float(q[i]) * to_float(k[i]);
  return std::exp(warp_sum(product) * in.scale - log_sum_exp[(b * in.heads + h) * in.length + query]);
}

/// Positions that travel with the start of a kernel: no copy has to be waited for.
struct Positions {
  static constexpr int kMost = 32;
  int64_t at[kMost];
  int first, count, all;  ///< numbers first..first + count - 1 of `all`
};

/// A warp takes one query (columns) or one key (rows).
template <typename Element, bool kColumns>
__global__ void pick(AttentionInputs<Element> in, const float* log_sum_exp, Positions positions, float* to) {
  const int64_t position = int64_t{blockIdx.x} * blockDim.y + threadIdx.y, h = blockIdx.y, b = blockIdx.z;
  if (position >= in.length) return;
  to += (b * in.heads + h) * in.length * positions.all;
  for (int i = 0; i < positions.count; ++i) {
    const int64_t picked = positions.at[i], place = positions.first + i;
    const float p = kColumns ? probability(in, log_sum_exp, b, h, position, picked)
                             : probability(in, log_sum_exp, b, h, picked, position);
    if (lane() == 0) to[kColumns ? position * positions.all + place : place * in.length + position] = p;
  }
}

/// Calls use with the head width as a constant.
template <typename Use>
cudaError_t with_width(int width, const Use& use) {
  switch (width) {
    case 32: return use.template operator()<32>();
    case 64: return use.template operator()<64>();
    case 128: return use.template operator()<128>();
    default: return cudaErrorInvalidValue;
  }
}

template <typename Element>
dim3 grid_of(const AttentionInputs<Element>& in, int positions) {
  return {ceil_divide(in.length, positions), static_cast<unsigned>(in.heads), static_cast<unsigned>(in.batch)};
}

template <bool kColumns, typename Element>
cudaError_t pick_all(const AttentionInputs<Element>& in, const float* log_sum_exp, std::span<const int64_t> positions,
                     float* to, cudaStream_t stream) {
  constexpr int kRows = 8;  // of a block, a warp each
  if (!attention_takes(in)) return cudaErrorInvalidValue;
  const int all = static_cast<int>(positions.size());
  for (int first = 0; first < all; first += Positions::kMost) {
    Positions some{{}, first, std::min(all - first, Positions::kMost), all};
    std::copy_n(positions.begin() + first, some.count, some.at);
    const auto error =
        launch(pick<Element, kColumns>, grid_of(in, kRows), dim3(32, kRows), 0, stream, in, log_sum_exp, some, to);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

template <typename Element>
bool has_aligned_rows(const Strided<const Element>& x) {
  return is_aligned(x.data, x.batch) && is_aligned(x.data, x.head) && is_aligned(x.data, x.position);
}

}  // namespace

template <typename Element>
bool attention_takes(const AttentionInputs<Element>& in) {
  constexpr int64_t kGridLimit = 65535;
  const bool width = in.width == 32 || in.width == 64 || in.width == 128;
  return width && in.scale > 0 && in.kv_heads > 0 && in.heads % in.kv_heads == 0 && in.length > 0 && in.batch > 0 &&
         in.batch <= kGridLimit && in.heads <= kGridLimit && has_aligned_rows(in.q) && has_aligned_rows(in.k) &&
         has_aligned_rows(in.v);
}

template <typename Element>
cudaError_t attention_forward(const AttentionInputs<Element>& in, const AttentionOutputs<Element>& out,
                              cudaStream_t stream) {
  if (!attention_takes(in)) return cudaErrorInvalidValue;
  return with_width(in.width, [&]<int kWidth>() {
    using Product = TileProduct<Element, kWidth>;
    constexpr size_t kShared = (kQueries<Product> + 2 * kTile) * Product::kPitch * sizeof(Element);
    return launch(forward<Element, kWidth>, grid_of(in, kQueries<Product>), kThreads, kShared, stream, in, out);
  });
}

template <typename Element>
cudaError_t attention_received(const AttentionInputs<Element>& in, const float* log_sum_exp, float* received,
                               cudaStream_t stream) {
  if (!attention_takes(in)) return cudaErrorInvalidValue;
  return with_width(in.width, [&]<int kWidth>() {
    using Product = TileProduct<Element, kWidth>;
    constexpr size_t kShared = (kQueries<Product> + kTile) * Product::kPitch * sizeof(Element);
    return launch(receive<Element, kWidth>, grid_of(in, kTile), kThreads, kShared, stream, in, log_sum_exp, received);
  });
}

template <typename Element>
cudaError_t attention_columns(const AttentionInputs<Element>& in, const float* log_sum_exp,
                              std::span<const int64_t> keys, float* columns, cudaStream_t stream) {
  return pick_all<true>(in, log_sum_exp, keys, columns, stream);
}

template <typename Element>
cudaError_t attention_rows(const AttentionInputs<Element>& in, const float* log_sum_exp,
                           std::span<const int64_t> queries, float* rows, cudaStream_t stream) {
  return pick_all<false>(in, log_sum_exp, queries, rows, stream);
}

#define REPLICATE_ATTENTION(Element)                                                                                   \
  template bool attention_takes(const AttentionInputs<Element>&);                                                      \
  template cudaError_t attention_forward(const AttentionInputs<Element>&, const AttentionOutputs<Element>&,            \
                                         cudaStream_t);                                                                \
  template cudaError_t attention_received(const AttentionInputs<Element>&, const float*, float*, cudaStream_t);        \
  template cudaError_t attention_columns(const AttentionInputs<Element>&, const float*, std::span<const int64_t>,      \
                                         float*, cudaStream_t);                                                        \
  template cudaError_t attention_rows(const AttentionInputs<Element>&, const float*, std::span<const int64_t>, float*, \
                                      cudaStream_t);
REPLICATE_ATTENTION(float)
REPLICATE_ATTENTION(Bfloat16)
#undef REPLICATE_ATTENTION

}  // namespace replicate::cuda
