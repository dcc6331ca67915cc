#include <algorithm>
#include <atomic>

#include "models/core/attention.h"
#include "models/kernels/blas.h"
#include "models/kernels/softmax_row.h"

// One task is a slice of one head's query blocks. A block's scores come from a matrix product into a
// scratch of kQueriesOfASlice x T, one pass over each row turns them into exponentials and statistics, and a
// second matrix product takes the mean of the values. The row sum divides the K outputs, not the T scores.

namespace replicate {
namespace {

constexpr int64_t kQueriesOfASlice = 64;
constexpr int64_t kFewHeads = 16;  // below, a head is cut in slices so that threads have even work

struct Shape {
  int64_t batch, heads, kv_heads, length, width;
};

/// Where one task reads and writes, float32.
struct Head {
  const float *q, *k;  // [T, K] each
  const float* v;      // [T, K], rows v_stride apart
  int64_t v_stride;
  float* output;  // [T, stride], this head's K columns of [B, T, H, K]
  int64_t output_stride;
  int64_t sequence, head;
};

/// The statistics of one head, null where not asked for.
struct HeadStatistics {
  float *columns, *rows, *received, *entropy, *sum_squares;
};

float* data_at(const Tensor& t, int64_t b, int64_t h) {
  return t.defined() ? t.mutable_data_ptr<float>() + b * t.stride(0) + h * t.stride(1) : nullptr;
}

class Attention {
 public:
  Attention(const Shape& shape, const AttentionSpec& spec, const AttentionNeeds& needs)
      : shape_(shape), spec_(spec), needs_(needs) {
    masked_.resize(shape.length, nullptr);
    for (const auto& row : spec.rows) masked_[row.query] = &row;
  }

  /// Query blocks slice, slice + slices, ... of one head. `received` is this slice's own [T].
  void run(const Head& head, HeadStatistics statistics, int64_t slice, int64_t slices,
           std::vector<float>& scratch) const {
    scratch.resize(kQueriesOfASlice * shape_.length);
    for (int64_t first = slice * kQueriesOfASlice; first < shape_.length; first += slices * kQueriesOfASlice) {
      const auto rows = std::min(kQueriesOfASlice, shape_.length - first), keys = first + rows;
      multiply_transposed(head.q + first * shape_.width, head.k, scratch.data(), rows, keys, shape_.width);
      float sums[kQueriesOfASlice];
      for (int64_t i = 0; i < rows; ++i) {
        sums[i] = finish_row(head, first + i, keys, scratch.data() + i * keys, statistics);
      }
      multiply(scratch.data(), head.v, head.v_stride, head.output + first * head.output_stride, head.output_stride,
               rows, shape_.width, keys);
      normalise(head, first, rows, sums);
    }
  }

 private:
  /// Scores of one query become exp(score - max), zero ahead of it; returns their sum.
  float finish_row(const Head& head, int64_t query, int64_t keys, float* p, const HeadStatistics& s) const {
    const float scale = static_cast<float>(spec_.scale);
    const auto first = masked_[query] ? 0 : first_visible(query);
    const RowSums sums = masked_[query] || spec_.identity ? masked_row(visible_keys(head, query), p, query + 1, scale)
                                                          : softmax_row(p + first, query + 1 - first, scale);
    if (!spec_.identity) std::fill(p, p + first, 0.f);
    std::fill(p + query + 1, p + keys, 0.f);
    record(query, p, sums, s);
    return sums.total;
  }

  int64_t first_visible(int64_t query) const {
    return spec_.window ? std::max<int64_t>(0, query + 1 - *spec_.window) : 0;
  }

  std::vector<int64_t> visible_keys(const Head& head, int64_t query) const {
    if (spec_.identity) return {query};
    const auto& lists = masked_[query]->keys;
    return lists[lists.size() == 1 ? 0 : head.sequence];
  }

  /// The softmax over the visible keys alone; the others get probability zero.
  static RowSums masked_row(const std::vector<int64_t>& visible, float* p, int64_t n, float scale) {
    std::vector<float> few;
    for (const auto key : visible) few.push_back(p[key]);
    const auto sums = softmax_row(few.data(), static_cast<int64_t>(few.size()), scale);
    std::fill(p, p + n, 0.f);
    for (size_t i = 0; i < visible.size(); ++i) p[visible[i]] = few[i];
    return sums;
  }

  void record(int64_t query, const float* p, const RowSums& sums, const HeadStatistics& s) const {
    const float inverse = 1 / sums.total;
    if (s.received) add_scaled(s.received, p, query, inverse);  // keys before the query only
    if (s.entropy) s.entropy[query] = entropy(sums);
    if (s.sum_squares) s.sum_squares[query] = sums.squares * inverse * inverse;
    const auto columns = static_cast<int64_t>(needs_.columns.size());
    for (int64_t c = 0; c < columns; ++c) {
      const auto key = needs_.columns[c];
      if (key <= query) s.columns[query * columns + c] = p[key] * inverse;
    }
    for (size_t r = 0; r < needs_.rows.size(); ++r) {
      if (needs_.rows[r] != query) continue;
      float* row = s.rows + static_cast<int64_t>(r) * shape_.length;
      for (int64_t key = 0; key <= query; ++key) row[key] = p[key] * inverse;
    }
  }

  void normalise(const Head& head, int64_t first, int64_t rows, const float* sums) const {
    for (int64_t i = 0; i < rows; ++i) {
      float* out = head.output + (first + i) * head.output_stride;
      const float inverse = 1 / sums[i];
      for (int64_t d = 0; d < shape_.width; ++d) out[d] *= inverse;
    }
  }

  Shape shape_;
  const AttentionSpec& spec_;
  const AttentionNeeds& needs_;
  std::vector<const MaskedRow*> masked_;  // by query
};

/// Runs task(i, scratch) for i < tasks on all threads; a free thread takes the next one.
template <typename Task>
void for_each_task(int64_t tasks, const Task& task) {
  std::atomic<int64_t> next{0};
  const auto threads = std::min<int64_t>(at::get_num_threads(), tasks);
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    const OneThreadOfBlas alone;
    std::vector<float> scratch;
    for (auto i = next++; i < tasks; i = next++) task(i, scratch);
  });
}

}  // namespace

AttentionResult attend_cpu(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                           const AttentionNeeds& needs) {
  const Shape shape{q.size(0), q.size(1), k.size(1), q.size(2), q.size(3)};
  const auto qc = q.contiguous(), kc = k.contiguous(), vc = v.stride(3) == 1 ? v : v.contiguous();
  auto output = at::empty({shape.batch, shape.length, shape.heads, shape.width}, qc.options());
  auto statistics = make_statistics(qc, needs);

  // Slices accumulate `received` apart and are added up in their order, so that the sums do not depend
  // on the number of threads or on who came first.
  const auto all_heads = shape.batch * shape.heads;
  const int64_t slices = all_heads < kFewHeads ? 4 : 1;
  auto received = needs.received ? at::zeros({slices, shape.batch, shape.heads, shape.length}, qc.options()) : Tensor();
  const Attention attention(shape, spec, needs);
  for_each_task(all_heads * slices, [&](int64_t task, std::vector<float>& scratch) {
    const auto slice = task / all_heads, b = task % all_heads / shape.heads, h = task % shape.heads;
    const auto kv = h * shape.kv_heads / shape.heads;
    const Head head{data_at(qc, b, h),
                    data_at(kc, b, kv),
                    data_at(vc, b, kv),
                    vc.stride(2),
                    output.mutable_data_ptr<float>() + b * output.stride(0) + h * shape.width,
                    output.stride(1),
                    b,
                    h};
    float* own_received = received.defined() ? received.mutable_data_ptr<float>() +
                                                   (slice * all_heads + b * shape.heads + h) * shape.length
                                             : nullptr;
    attention.run(head,
                  {data_at(statistics.columns, b, h), data_at(statistics.rows, b, h), own_received,
                   data_at(statistics.entropy, b, h), data_at(statistics.sum_squares, b, h)},
                  slice, slices, scratch);
  });
  if (needs.received) statistics.received = received.sum(0);
  if (needs.total) statistics.total.fill_(1);
  return {std::move(output), std::move(statistics)};
}

}  // namespace replicate
