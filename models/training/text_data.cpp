#include "models/training/text_data.h"

#include <numeric>

#include "base/error.h"
#include "models/formats/permutation.h"

namespace replicate {
namespace {

/// Another order of windows in every epoch of every seed.
uint64_t epoch_key(uint64_t seed, int64_t epoch) { return mixed(mixed(seed + 1) + static_cast<uint64_t>(epoch)); }

}  // namespace

TextData::TextData(std::shared_ptr<const TokenFile> file, int64_t length, std::optional<int64_t> bos_token,
                   bool begins_with_bos, std::filesystem::path tokenizer)
    : file_(std::move(file)),
      length_(length),
      bos_token_(bos_token),
      begins_with_bos_(begins_with_bos),
      tokenizer_(std::move(tokenizer)),
      // A window holds one token more than its length; BOS takes the place of one.
      training_(*file_, Split::train, length - (begins_with_bos ? 1 : 0)),
      validation_(*file_, Split::validation, length - (begins_with_bos ? 1 : 0)) {
  if (begins_with_bos && !bos_token) {
    throw Error("the tokens have no BOS", file_->where(), "use bos: off, or a tokenizer that has one");
  }
  if (training_.size() == 0 || validation_.size() == 0) {
    throw Error("no text is as long as " + std::to_string(length) + " tokens", file_->where(),
                "choose a shorter length or longer texts");
  }
}

int64_t TextData::vocabulary() const { return file_->vocabulary(); }

std::string TextData::fingerprint() const {
  return "tokens " + hex(file_->payload()) + " length " + std::to_string(length_) + (begins_with_bos_ ? " bos" : "");
}

Batch TextData::batch(uint64_t seed, int64_t step, int64_t sequences) const {
  std::vector<int64_t> indices;
  for (int64_t b = 0; b < sequences; ++b) {
    const auto sample = step * sequences + b, size = training_.size();
    indices.push_back(static_cast<int64_t>(
        permuted(static_cast<uint64_t>(sample % size), static_cast<uint64_t>(size), epoch_key(seed, sample / size))));
  }
  return read(training_, indices);
}

Batch TextData::validation(int64_t first, int64_t sequences) const {
  if (first + sequences > validation_.size()) {
    throw Error("the validation text has " + std::to_string(validation_.size()) + " sequences, " +
                    std::to_string(first + sequences) + " are asked for",
                file_->where(), "ask for fewer, or train on more text");
  }
  std::vector<int64_t> indices(sequences);
  std::iota(indices.begin(), indices.end(), first);
  return read(validation_, indices);
}

Batch TextData::read(const Windows& windows, const std::vector<int64_t>& indices) const {
  const auto rows = static_cast<int64_t>(indices.size());
  auto ids = at::empty({rows, length_ + 1}, at::kLong);
  const auto skip = begins_with_bos_ ? 1 : 0;
  for (int64_t row = 0; row < rows; ++row) {
    auto* to = ids.mutable_data_ptr<int64_t>() + row * (length_ + 1);
    if (begins_with_bos_) *to = *bos_token_;
    file_->copy(windows.first_token(indices[row]), {to + skip, static_cast<size_t>(length_ + 1 - skip)});
  }
  return {ids.slice(1, 0, length_).contiguous(), ids.slice(1, 1).contiguous()};
}

}  // namespace replicate
