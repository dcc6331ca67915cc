#pragma once

#include <future>

#include "models/training/batch.h"

namespace replicate {

/// The batches of a run, each made while the device works on the one before.
class BatchesAhead {
 public:
  /// `locked`: in page-locked memory, from which a GPU copies while the processor goes on.
  BatchesAhead(std::shared_ptr<const TrainingData> data, uint64_t seed, int64_t sequences, bool locked)
      : data_(std::move(data)), seed_(seed), sequences_(sequences), locked_(locked) {}

  /// data->batch(seed, step, sequences), and its errors. It is there already when steps are taken in their order.
  Batch take(int64_t step);

 private:
  Batch made(int64_t step) const;
  void begin(int64_t step);

  std::shared_ptr<const TrainingData> data_;
  uint64_t seed_;
  int64_t sequences_;
  bool locked_;
  int64_t next_step_ = -1;
  std::future<Batch> next_;
};

}  // namespace replicate
