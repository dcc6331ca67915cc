#pragma once

#include "models/core/weights.h"
#include "models/training/batch.h"

namespace replicate {

/// Always the same random batch: making batches is not what is timed.
class OneBatch : public TrainingData {
 public:
  OneBatch(const ModelConfig& model, int64_t sequences) : vocabulary_(model.vocabulary), length_(model.context) {
    auto generator = at::detail::createCPUGenerator();
    const auto ids = at::randint(0, vocabulary_, {sequences, length_ + 1}, generator, at::kLong);
    batch_ = {ids.slice(1, 0, length_).contiguous(), ids.slice(1, 1).contiguous()};
  }
  int64_t vocabulary() const override { return vocabulary_; }
  int64_t length() const override { return length_; }
  Batch batch(uint64_t, int64_t, int64_t) const override { return batch_; }
  Batch validation(int64_t, int64_t) const override { return batch_; }
  int64_t validation_size() const override { return 0; }
  std::optional<int64_t> bos() const override { return {}; }
  std::optional<int64_t> bos_token() const override { return {}; }
  std::string fingerprint() const override { return "one batch"; }

 private:
  int64_t vocabulary_, length_;
  Batch batch_;
};

}  // namespace replicate
