#include "harness/study/measures/output_deviation.h"

#include <utility>

namespace replicate {

ProbeNeeds OutputDeviation::needs(int64_t layer, int64_t) const {
  if (layer > last_) return {};
  return {.sites = {Site::head_output}};
}

void OutputDeviation::observe(const Place&, Site, const Tensor& value) { batches_.push_back(value.flatten(2).clone()); }

void OutputDeviation::finish_layer(int64_t) {
  const auto outputs = at::cat(std::exchange(batches_, {}), 0).to(at::kDouble);
  layers_.push_back((outputs - outputs.mean(0, true)).square().sum(2).log().cpu());
}

}  // namespace replicate
