#pragma once

#include "models/core/torch.h"

namespace replicate {

/// The same work again and again, on always the same tensors. On a GPU it is done twice, then recorded as a CUDA graph
/// and replayed from then on, so that the processor starts one thing in place of thousands; elsewhere it is done every
/// time. Nothing in it may wait for the device or read the processor's memory. What cannot be recorded is done every
/// time too, with a warning.
class CudaGraph {
 public:
  explicit CudaGraph(at::Device device);
  ~CudaGraph();

  /// Returns before the device is done, but is never more than two runs ahead of it: who is interrupted need not wait
  /// long.
  void run(const std::function<void()>& work);

 private:
  struct Recording;
  std::unique_ptr<Recording> recording_;  // null but on a GPU
};

}  // namespace replicate
