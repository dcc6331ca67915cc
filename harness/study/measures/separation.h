#pragma once

#include "models/core/torch.h"

namespace replicate {

/// How well a score separates marked positions from the others: the area under the ROC curve (AUC), the chance that a
/// marked position has the higher score, ties counted half. Over positions of many sequences, reduced to how often the
/// marked ones of one sequence win against the others of another, so resamples cost little.
class Separation {
 public:
  /// score [B, P]; marked [B, P] bool.
  Separation(const Tensor& score, const Tensor& marked);

  int64_t marked() const;  ///< positions, of all sequences
  Tensor auc(
      const Tensor& weights) const;  ///< weights [R, B] (harness/study/population.h) -> [R]; NaN without both kinds

 private:
  Tensor marked_, others_;  // [B]: how many
  Tensor wins_;             // [B, B]: of marked positions in one sequence over others in another
};

}  // namespace replicate
