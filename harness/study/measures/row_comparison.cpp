#include "harness/study/measures/row_comparison.h"

#include <algorithm>

#include "models/core/entropy.h"

namespace replicate {
namespace {

constexpr double kLeast = 1e-30;  // keeps quotients of zeros at zero

/// Rows [..., T] without columns 0 and k, renormalised.
Tensor rest_of(const Tensor& rows, int64_t k) {
  auto rest = rows.to(at::kDouble, false, true);
  rest.select(-1, 0).zero_();
  rest.select(-1, k).zero_();
  return rest / rest.sum(-1, true).clamp_min(kLeast);
}

/// Mean over heads and rows of [b, H, R]: [b].
Tensor over_heads_and_rows(const Tensor& x) { return x.mean({1, 2}, false, at::kDouble); }

Tensor entropy_of_rows(const Tensor& rows) { return entropy_terms(rows.to(at::kDouble)).sum(-1); }

/// The effective number of positions over which rows that sum to one spread.
Tensor effective_number(const Tensor& rows) { return 1 / rows.square().sum(-1).clamp_min(kLeast); }

/// What kOfRows names, of one pass's rows [b, H, R, T]: [b, 5].
Tensor describe_rows(const Tensor& rows, int64_t k) {
  const auto rest = rest_of(rows, k);
  return at::stack({over_heads_and_rows(entropy_of_rows(rows)), over_heads_and_rows(entropy_of_rows(rest)),
                    over_heads_and_rows(effective_number(rest)), over_heads_and_rows(rows.select(-1, k)),
                    over_heads_and_rows(rows.select(-1, 0))},
                   1);
}

}  // namespace

std::vector<int64_t> later_queries(int64_t k, int64_t length, int64_t most) {
  const auto all = length - 1 - k;
  const auto taken = std::clamp<int64_t>(most, 1, all);
  std::vector<int64_t> queries;
  for (int64_t i = 1; i <= taken; ++i) queries.push_back(k + i * all / taken);
  return queries;
}

Tensor compare_rows(const Tensor& untouched, const Tensor& changed, int64_t k) {
  const auto difference = (rest_of(untouched, k) - rest_of(changed, k)).abs().sum(-1) / 2;  // [b, H, R]
  return at::cat({over_heads_and_rows(difference).unsqueeze(1), describe_rows(untouched, k), describe_rows(changed, k)},
                 1);
}

Tensor change_of_rest(const Tensor& untouched, const Tensor& changed, int64_t k) {
  const auto before = rest_of(untouched, k), after = rest_of(changed, k);  // [b, 2, H, R, T]
  const auto p = before.select(1, 0), p_after = after.select(1, 0);
  const auto w = before.select(1, 1), w_after = after.select(1, 1);
  return at::stack({over_heads_and_rows((p - p_after).abs().sum(-1) / 2),
                    over_heads_and_rows((entropy_of_rows(p) - entropy_of_rows(p_after)).abs()),
                    over_heads_and_rows((effective_number(w) - effective_number(w_after)).abs())},
                   1);
}

}  // namespace replicate
