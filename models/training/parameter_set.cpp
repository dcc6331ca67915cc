#include "models/training/parameter_set.h"

#include <algorithm>

namespace replicate {
namespace {

int64_t elements(const ParameterShape& parameter) { return c10::multiply_integers(parameter.shape); }

}  // namespace

ParameterSet::ParameterSet(std::vector<ParameterShape> shapes, const at::TensorOptions& options)
    : shapes_(std::move(shapes)) {
  std::stable_partition(shapes_.begin(), shapes_.end(), [](const auto& p) { return p.shape.size() > 1; });
  int64_t total = 0;
  for (const auto& one : shapes_) {
    total += elements(one);
    if (one.shape.size() > 1) decaying_ = total;
  }
  values_ = at::zeros({total}, options);
  gradients_ = at::zeros({total}, options);
  int64_t offset = 0;
  for (const auto& one : shapes_) {
    auto leaf = values_.narrow(0, offset, elements(one)).view(one.shape).detach();
    leaf.requires_grad_(true);
    leaf.mutable_grad() = gradients_.narrow(0, offset, elements(one)).view(one.shape);
    leaves_.emplace(one.name, std::move(leaf));
    offset += elements(one);
  }
}

const Tensor& ParameterSet::at(const std::string& name) const {
  const auto found = leaves_.find(name);
  TORCH_CHECK(found != leaves_.end(), "no parameter is named ", name);
  return found->second;
}

}  // namespace replicate
