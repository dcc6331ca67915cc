#include "harness/study/measures/text_loss.h"

namespace replicate {

ProbeNeeds TextLoss::needs(int64_t layer, int64_t layers) const {
  return layer == layers + 1 ? ProbeNeeds{.sites = {Site::logits}} : ProbeNeeds{};
}

void TextLoss::observe(const Place& place, Site, const Tensor& logits) {
  for (int64_t b = 0; b < logits.size(0); ++b) {
    const auto next = tokens_->ids.select(0, place.first_sequence + b).slice(0, 1).to(logits.device());
    const auto predicted = logits.select(0, b).slice(0, 0, -1).to(at::kFloat);  // [T - 1, V]
    const auto right = predicted.gather(1, next.unsqueeze(1)).squeeze(1);
    losses_.push_back((predicted.logsumexp(1) - right).mean(0, false, at::kDouble));
  }
}

}  // namespace replicate
