#include "models/training/backcopy_data.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/error.h"
#include "base/sha256.h"
#include "models/formats/permutation.h"

namespace replicate {
namespace {

constexpr double kUnseen = 0.01;  // of every bigram, added to its count
constexpr int64_t kValidationSize = 1 << 16;
constexpr uint64_t kValidationKey = 0x76616c6964617465;

/// Ids 1.. of the triggers, then of the most frequent other characters; 0 for the rest.
std::array<int64_t, 256> ids_of(const std::string& text, int64_t ordinary, const std::string& triggers) {
  std::array<int64_t, 256> counts{}, ids{};
  for (const unsigned char c : text) ++counts[std::tolower(c)];
  const auto triggers_first = [&](int c) { return triggers.find(static_cast<char>(c)) == std::string::npos; };
  std::vector<int> order(256);
  for (int c = 0; c < 256; ++c) order[c] = c;
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return std::pair(triggers_first(a), -counts[a]) < std::pair(triggers_first(b), -counts[b]);
  });
  const auto most = static_cast<int64_t>(256 - std::count(counts.begin(), counts.end(), 0));
  if (ordinary <= static_cast<int64_t>(triggers.size()) || ordinary > most) {
    throw Error("the text has " + std::to_string(most) + " different characters, " + std::to_string(ordinary) +
                    " are asked for",
                "training data backcopy", "choose another training.vocabulary");
  }
  for (const unsigned char c : triggers) {
    if (counts[c] > 0) continue;
    throw Error("the trigger " + in_quotes(std::string(1, static_cast<char>(c))) + " is not in the text",
                "training data backcopy", "give other training.triggers, in lower case");
  }
  for (int64_t i = 0; i < ordinary; ++i) ids[order[i]] = i + 1;
  for (int c = 'A'; c <= 'Z'; ++c) ids[c] = ids[std::tolower(c)];
  return ids;
}

void accumulate(std::vector<double>& row) {
  double sum = 0;
  for (auto& p : row) p = sum += p;
  for (auto& p : row) p /= sum;
}

}  // namespace

BackcopyData::BackcopyData(const std::string& text, int64_t vocabulary, const std::string& triggers, int64_t length,
                           bool begins_with_bos)
    : vocabulary_(vocabulary),
      triggers_(static_cast<int64_t>(triggers.size())),
      length_(length),
      begins_with_bos_(begins_with_bos) {
  const auto ids = ids_of(text, vocabulary - 1, triggers);
  next_.assign(vocabulary, std::vector<double>(vocabulary - 1, kUnseen));
  int64_t last = 0;
  for (const unsigned char c : text) {
    const auto id = ids[c];
    if (id == 0) continue;
    ++next_[0][id - 1];
    if (last > 0) ++next_[last][id - 1];
    last = id;
  }
  // A sequence begins with no trigger and none follows another: there would be nothing to copy, or a copied trigger.
  for (int64_t t = 0; t < triggers_; ++t) {
    for (int64_t from = 0; from <= triggers_; ++from) next_[from][t] = 0;
  }
  for (auto& row : next_) accumulate(row);
}

std::optional<int64_t> BackcopyData::bos() const { return begins_with_bos_ ? std::optional<int64_t>(0) : std::nullopt; }

int64_t BackcopyData::validation_size() const { return kValidationSize; }

int64_t BackcopyData::drawn(const std::vector<double>& cumulative, uint64_t bits) const {
  const double u = static_cast<double>(bits >> 11) * 0x1p-53;
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), u);
  return std::min<int64_t>(found - cumulative.begin() + 1, vocabulary_ - 1);
}

void BackcopyData::sample(uint64_t key, int64_t* ids, int64_t count) const {
  for (int64_t t = 0; t < count; ++t) {
    const auto last = t > 0 ? ids[t - 1] : 0;
    ids[t] = copies(t, last) ? ids[t - 2] : drawn(next_[last], mixed(key + 1 + static_cast<uint64_t>(t)));
  }
}

Batch BackcopyData::sequences(uint64_t key, int64_t first, int64_t count) const {
  auto ids = at::zeros({count, length_ + 1}, at::kLong);  // BOS is 0
  const auto skip = begins_with_bos_ ? 1 : 0;
  for (int64_t row = 0; row < count; ++row) {
    auto* to = ids.mutable_data_ptr<int64_t>() + row * (length_ + 1) + skip;
    sample(mixed(key + mixed(static_cast<uint64_t>(first + row) + 1)), to, length_ + 1 - skip);
  }
  return {ids.slice(1, 0, length_).contiguous(), ids.slice(1, 1).contiguous()};
}

Batch BackcopyData::batch(uint64_t seed, int64_t step, int64_t count) const {
  return sequences(mixed(seed + 1), step * count, count);
}

Batch BackcopyData::validation(int64_t first, int64_t count) const {
  TORCH_CHECK(first + count <= kValidationSize, "the validation set has ", kValidationSize, " sequences");
  return sequences(kValidationKey, first, count);
}

double BackcopyData::nats(int64_t last, int64_t id) const {
  const auto& cumulative = next_[last];
  return -std::log(cumulative[id - 1] - (id > 1 ? cumulative[id - 2] : 0));
}

double BackcopyData::own_loss(int64_t first, int64_t count) const {
  const auto texts = validation(first, count);
  const auto skip = begins_with_bos_ ? 1 : 0;  // without BOS the first token is given
  double sum = 0;
  for (int64_t row = 0; row < count; ++row) {
    const auto* inputs = texts.inputs.const_data_ptr<int64_t>() + row * length_;
    const auto last_target = texts.targets[row][length_ - 1].item<int64_t>();
    for (int64_t t = 1 - skip; t <= length_ - skip; ++t) {
      const auto last = t > 0 ? inputs[t - 1 + skip] : 0;
      const auto id = t + skip < length_ ? inputs[t + skip] : last_target;
      if (!copies(t, last)) sum += nats(last, id);
    }
  }
  return sum / static_cast<double>(count * length_);
}

std::string BackcopyData::fingerprint() const {
  std::string all;
  for (const auto& row : next_) {
    for (const auto p : row) all += std::to_string(p) + " ";
  }
  return "backcopy " + sha256_hex(std::as_bytes(std::span(all))) + " triggers " + std::to_string(triggers_) +
         " length " + std::to_string(length_) + (begins_with_bos_ ? " bos" : "");
}

}  // namespace replicate
