#pragma once

#include "models/core/torch.h"
#include "models/kernels/blas.h"

namespace replicate {

/// Calls work(i) for i in 0..count-1 on tensors of `device`. On a processor several at a time, each by one thread: for
/// products and eigenproblems that are small, since shared out within one, threads wait for each other most of the
/// time, and its bits depend on their number. Elsewhere one after another by the calling thread: LibTorch loads its
/// linear algebra for GPUs at the first call, and throws when two threads make that call at once.
template <typename Work>
void each_by_one_thread(int64_t count, at::Device device, const Work& work) {
  const auto range = [&](int64_t begin, int64_t end) {
    const c10::InferenceMode guard;
    const OneThreadOfBlas alone;
    for (int64_t i = begin; i < end; ++i) work(i);
  };
  if (!device.is_cpu()) return range(0, count);
  at::parallel_for(0, count, 1, range);
}

}  // namespace replicate
