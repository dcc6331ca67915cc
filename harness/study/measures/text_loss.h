#pragma once

#include "models/core/executor.h"
#include "models/core/probe.h"

namespace replicate {

/// Mean cross-entropy of the next token in nats, per sequence. One sequence at a time, so that nothing as large as the
/// batch's logits is made beside them.
class TextLoss : public Probe {
 public:
  /// `tokens` are those of the pass that it is attached to.
  explicit TextLoss(Tokens tokens) : tokens_(std::move(tokens)) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& logits) override;

  Tensor values() const { return at::stack(losses_).cpu(); }  ///< [B] float64

 private:
  Tokens tokens_;
  std::vector<Tensor> losses_;
};

}  // namespace replicate
