#pragma once

#include "models/core/torch.h"

namespace replicate {

struct ParameterShape {
  std::string name;  ///< as `transformers` names it, where it knows such a weight
  std::vector<int64_t> shape;
};

/// A stable, named list of parameters in one flat buffer, matrices first, and their gradients in another of
/// the same layout: an optimiser step, the norm of all gradients, a checkpoint and an exchange between devices are
/// each one operation on flat tensors. N elements in all.
class ParameterSet {
 public:
  /// Zeros. Weight decay is for the matrices (two axes or more), which come first, each group in the given order.
  ParameterSet(std::vector<ParameterShape> shapes, const at::TensorOptions& options);

  /// The parameter as a leaf of autograd: a view of values(), its gradient a view of gradients(), which every
  /// backward pass adds to.
  const Tensor& at(const std::string& name) const;
  bool has(const std::string& name) const { return leaves_.count(name) > 0; }
  const std::vector<ParameterShape>& shapes() const { return shapes_; }

  Tensor values() const { return values_; }        // [N]
  Tensor gradients() const { return gradients_; }  // [N]
  int64_t decaying() const { return decaying_; }   ///< so many elements at the beginning belong to matrices

 private:
  std::vector<ParameterShape> shapes_;
  Tensor values_, gradients_;
  int64_t decaying_ = 0;
  std::map<std::string, Tensor> leaves_;
};

}  // namespace replicate
