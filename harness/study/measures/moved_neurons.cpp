#include "harness/study/measures/moved_neurons.h"

namespace replicate {

std::shared_ptr<Watch> watch_later_neurons(std::vector<int64_t> layers, int64_t k) {
  return only_in(std::move(layers), watch(Site::hidden, [k](const Tensor& hidden) {  // [b, T, F]
                   return hidden.slice(1, k + 1);
                 }));
}

Tensor moved_share(const Tensor& before, const Tensor& after, double deviations) {
  const auto deviation = before.flatten(0, 1).std(0);  // [F]
  const auto spread = deviation.gt(0);
  const auto moved = (after - before).abs().gt(deviations * deviation).logical_and(spread);  // [B, P, F]
  return moved.sum({1, 2}).to(at::kDouble) / static_cast<double>(before.size(1)) / spread.sum().to(at::kDouble);
}

}  // namespace replicate
