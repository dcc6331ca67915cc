#pragma once

#include "models/formats/token_file.h"
#include "models/training/batch.h"

namespace replicate {

/// Windows of tokenised text, none across two documents. Every window of the training split is seen once before one
/// is seen again.
class TextData : public TrainingData {
 public:
  /// `length` is T. With `begins_with_bos` every sequence is BOS and T - 1 tokens of text. Error when a split has no
  /// window of that length, or BOS is asked for and missing.
  TextData(std::shared_ptr<const TokenFile> file, int64_t length, std::optional<int64_t> bos_token,
           bool begins_with_bos, std::filesystem::path tokenizer = {});

  int64_t vocabulary() const override;
  int64_t length() const override { return length_; }
  Batch batch(uint64_t seed, int64_t step, int64_t sequences) const override;
  Batch validation(int64_t first, int64_t sequences) const override;
  int64_t validation_size() const override { return validation_.size(); }
  std::optional<int64_t> bos() const override { return begins_with_bos_ ? bos_token_ : std::nullopt; }
  std::optional<int64_t> bos_token() const override { return bos_token_; }
  std::filesystem::path tokenizer() const override { return tokenizer_; }
  std::string fingerprint() const override;

 private:
  Batch read(const Windows& windows, const std::vector<int64_t>& indices) const;

  std::shared_ptr<const TokenFile> file_;
  int64_t length_;
  std::optional<int64_t> bos_token_;
  bool begins_with_bos_;
  std::filesystem::path tokenizer_;
  Windows training_, validation_;
};

}  // namespace replicate
