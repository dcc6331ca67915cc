#pragma once

#include "models/kernels/blas.h"
#include "models/torch.h"

namespace replicate {

/// Calls work(i) for i in 0..count-1, each by one thread, several at a time. For products and eigenproblems that are small:
/// shared out within one, threads wait for each other most of the time, and its bits depend on their number.
template <typename Work>
void each_by_one_thread(int64_t count, const Work& work) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    const c10::InferenceMode guard;
    const OneThreadOfBlas alone;
    for (int64_t i = begin; i < end; ++i) work(i);
  });
}

}  // namespace replicate
