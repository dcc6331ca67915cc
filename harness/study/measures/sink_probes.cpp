#include "harness/study/measures/sink_probes.h"

namespace replicate {
std::shared_ptr<Watch> watch_columns(std::vector<int64_t> keys) {
  return watch_attention({.columns = keys}, [keys](const AttentionStatistics& statistics) {
    std::vector<Tensor> columns;
    for (const auto key : keys) {
      columns.push_back(statistics.column(key).mean(1, false, at::kDouble));
    }
    return at::stack(columns, 1);
  });
}

Tensor attention_to(const Tensor& column, int64_t key, int64_t length) {
  TORCH_CHECK(key + 1 < length && length <= column.size(-1), "no query sees position ", key);
  return column.slice(-1, key + 1, length).mean(-1);
}

double uniform_attention(int64_t key, int64_t length) {
  double sum = 0;
  for (int64_t q = key + 1; q < length; ++q) sum += 1.0 / static_cast<double>(q + 1);
  return sum / static_cast<double>(length - key - 1);
}

Tensor excess_attention(const Tensor& column, int64_t key, int64_t length) {
  const double uniform = uniform_attention(key, length);
  return (attention_to(column, key, length) - uniform) / (1 - uniform);
}

Tensor mean_over_layers(const Tensor& by_layer, const std::vector<int64_t>& layers) {
  return by_layer.index_select(1, at::tensor(layers, at::kLong) - 1).mean(1);
}

std::shared_ptr<Watch> watch_norms() {
  return watch_residual([](const Tensor& hidden) {
    const auto norms = at::linalg_vector_norm(hidden, 2, {-1}, false, at::kDouble);  // [b, T]
    const auto rest = norms.slice(1, 1);
    // at::median takes the lower of two middle values; the quantile is their mean, as numpy's median is.
    return at::stack({norms.select(1, 0), rest.mean(1), at::quantile(rest, 0.5, 1)}, 1);
  });
}

Tensor pack_sink_series(const Tensor& excess, const Tensor& norms) {
  return at::cat({excess, norms.select(2, 0), norms.select(2, 2)}, 1);
}

SinkSeries::SinkSeries(std::span<const double> packed, int64_t layers)
    : excess(packed.subspan(0, layers)),
      first_norm(packed.subspan(layers, layers + 1)),
      rest_norm(packed.subspan(2 * layers + 1, layers + 1)) {}

}  // namespace replicate
