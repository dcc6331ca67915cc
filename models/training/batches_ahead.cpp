#include "models/training/batches_ahead.h"

#include <c10/util/ParallelGuard.h>

namespace replicate {

Batch BatchesAhead::made(int64_t step) const {
  auto batch = data_->batch(seed_, step, sequences_);
  return locked_ ? Batch{batch.inputs.pin_memory(), batch.targets.pin_memory()} : batch;
}

void BatchesAhead::begin(int64_t step) {
  next_step_ = step;
  next_ = std::async(std::launch::async, [this, step] {
    const c10::ParallelGuard alone(true);  // no team of threads for a copy
    return made(step);
  });
}

Batch BatchesAhead::take(int64_t step) {
  if (!next_.valid() || next_step_ != step) begin(step);
  auto batch = next_.get();
  begin(step + 1);
  return batch;
}

}  // namespace replicate
