#include "harness/study/measures/separation.h"

namespace replicate {
namespace {

/// How many of the sorted scores lie below each of x, equal ones counted half.
Tensor below(const Tensor& sorted, const Tensor& x) {
  const auto less = at::searchsorted(sorted, x), up_to = at::searchsorted(sorted, x, false, true);
  return (less + up_to).to(at::kDouble) / 2;
}

}  // namespace

Separation::Separation(const Tensor& score, const Tensor& marked)
    : marked_(marked.sum(1).to(at::kDouble)), others_(marked.logical_not().sum(1).to(at::kDouble)) {
  const auto sequences = score.size(0);
  wins_ = at::zeros({sequences, sequences}, at::kDouble);
  for (int64_t b = 0; b < sequences; ++b) {
    const auto own = score[b].masked_select(marked[b]);
    for (int64_t other = 0; other < sequences; ++other) {
      const auto sorted = std::get<0>(score[other].masked_select(marked[other].logical_not()).sort());
      wins_[b][other] = below(sorted, own).sum();
    }
  }
}

int64_t Separation::marked() const { return marked_.sum().item<int64_t>(); }

Tensor Separation::auc(const Tensor& weights) const {
  const auto wins = (at::matmul(weights, wins_) * weights).sum(1);  // [R]
  return wins / (at::matmul(weights, marked_) * at::matmul(weights, others_));
}

}  // namespace replicate
