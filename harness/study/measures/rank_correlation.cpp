#include "harness/study/measures/rank_correlation.h"

#include "base/statistics.h"

namespace replicate {

Tensor spearman_of_rows(const Tensor& x, const Tensor& y) {
  const auto a = x.to(at::kDouble).contiguous(), b = y.to(at::kDouble).contiguous();
  const auto width = static_cast<size_t>(x.size(1));
  auto result = at::empty({x.size(0)}, at::kDouble);
  for (int64_t r = 0; r < x.size(0); ++r) {
    const std::span<const double> row_a(a.const_data_ptr<double>() + r * x.size(1), width);
    const std::span<const double> row_b(b.const_data_ptr<double>() + r * x.size(1), width);
    result.mutable_data_ptr<double>()[r] = spearman(row_a, row_b);
  }
  return result;
}

}  // namespace replicate
