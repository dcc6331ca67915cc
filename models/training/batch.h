#pragma once

#include <filesystem>

#include "models/core/torch.h"

namespace replicate {

/// Token ids and the ids that come next, each [B, T] int64 on the CPU.
struct Batch {
  Tensor inputs, targets;
};

/// What a model is trained on. Batches are pure functions of (seed, step), so that a resumed run, other arms and
/// other devices see the same.
class TrainingData {
 public:
  virtual ~TrainingData() = default;
  virtual int64_t vocabulary() const = 0;
  virtual int64_t length() const = 0;  ///< T
  virtual Batch batch(uint64_t seed, int64_t step, int64_t sequences) const = 0;
  /// The same sequences for everybody, from the first-th on, disjoint from all batches. Error when there are too few.
  virtual Batch validation(int64_t first, int64_t sequences) const = 0;
  virtual int64_t validation_size() const = 0;           ///< sequences that there are
  virtual std::optional<int64_t> bos() const = 0;        ///< the id that sequences begin with, if they do
  virtual std::optional<int64_t> bos_token() const = 0;  ///< the vocabulary's, used or not
  /// The tokenizer.json that made the ids; empty where there was no text.
  virtual std::filesystem::path tokenizer() const { return {}; }
  virtual std::string fingerprint() const = 0;  ///< of all that decides the ids
};

}  // namespace replicate
