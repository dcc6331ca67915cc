#pragma once

#include <array>

#include "models/training/batch.h"

namespace replicate {

/// The bigram-backcopy task (Guo et al. 2024, arXiv 2410.13835), in which small models grow a sink on BOS: a Markov
/// chain with the bigrams of a text's characters, but after a trigger the token before the trigger is copied. Heads
/// that copy have nothing to do elsewhere, and look at BOS then. Ids: BOS 0, then the text's most frequent characters
/// (case aside), the triggers first.
class BackcopyData : public TrainingData {
 public:
  /// `vocabulary` counts BOS. `length` is T. Error when the text has fewer characters than that, or
  /// lacks a trigger.
  BackcopyData(const std::string& text, int64_t vocabulary, const std::string& triggers, int64_t length,
               bool begins_with_bos);

  int64_t vocabulary() const override { return vocabulary_; }
  int64_t length() const override { return length_; }
  Batch batch(uint64_t seed, int64_t step, int64_t sequences) const override;
  Batch validation(int64_t first, int64_t sequences) const override;
  int64_t validation_size() const override;
  std::optional<int64_t> bos() const override;
  std::optional<int64_t> bos_token() const override { return 0; }
  std::string fingerprint() const override;

  /// Nats per token of the chain itself on validation(first, count): what no model can do better than but by chance. A
  /// copied token costs nothing.
  double own_loss(int64_t first, int64_t count) const;

 private:
  Batch sequences(uint64_t key, int64_t first, int64_t count) const;
  void sample(uint64_t key, int64_t* ids, int64_t count) const;
  int64_t drawn(const std::vector<double>& cumulative, uint64_t bits) const;
  bool copies(int64_t t, int64_t last) const { return t > 1 && last <= triggers_; }  ///< the t-th token of a text
  double nats(int64_t last, int64_t id) const;

  int64_t vocabulary_, triggers_, length_;
  bool begins_with_bos_;
  std::vector<std::vector<double>> next_;  // by id: cumulative probabilities of ids 1.., [0] of a first token
};

}  // namespace replicate
