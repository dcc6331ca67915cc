#include "harness/study/measures/row_comparison.h"

#include "models/core/entropy.h"

namespace replicate {
namespace {

constexpr double kLeast = 1e-30;  // keeps quotients of zeros at zero

/// Rows [b, H, R, T] without columns 0 and k, renormalised.
Tensor rest_of(const Tensor& rows, int64_t k) {
  auto rest = rows.to(at::kDouble, false, true);
  rest.select(-1, 0).zero_();
  rest.select(-1, k).zero_();
  return rest / rest.sum(-1, true).clamp_min(kLeast);
}

/// Mean over heads and rows of [b, H, R]: [b].
Tensor over_heads_and_rows(const Tensor& x) { return x.mean({1, 2}, false, at::kDouble); }

Tensor entropy_of_rows(const Tensor& rows) {  // [b, H, R, T] -> [b]
  return over_heads_and_rows(entropy_terms(rows.to(at::kDouble)).sum(-1));
}

/// What kOfRows names, of one pass's rows [b, H, R, T]: [b, 5].
Tensor describe_rows(const Tensor& rows, int64_t k) {
  const auto rest = rest_of(rows, k);
  const auto effective_positions = 1 / rest.square().sum(-1).clamp_min(kLeast);
  return at::stack({entropy_of_rows(rows), entropy_of_rows(rest), over_heads_and_rows(effective_positions),
                    over_heads_and_rows(rows.select(-1, k)), over_heads_and_rows(rows.select(-1, 0))},
                   1);
}

}  // namespace

Tensor compare_rows(const Tensor& untouched, const Tensor& changed, int64_t k) {
  const auto difference = (rest_of(untouched, k) - rest_of(changed, k)).abs().sum(-1) / 2;  // [b, H, R]
  return at::cat({over_heads_and_rows(difference).unsqueeze(1), describe_rows(untouched, k), describe_rows(changed, k)},
                 1);
}

}  // namespace replicate
