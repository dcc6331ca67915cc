#include "models/formats/sentencepiece_bpe.h"

#include <algorithm>
#include <cstdlib>
#include <queue>
#include <tuple>

namespace replicate {
namespace {

constexpr std::string_view kSpace = "\u2581";
constexpr int64_t kNone = -1;

/// "<0x0A>": the byte, or -1 for what is spelled otherwise.
int byte_spelled(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return -1;
  const std::string digits(piece.substr(3, 2));
  if (digits.find_first_not_of("0123456789ABCDEFabcdef") != std::string::npos) return -1;
  return static_cast<int>(std::strtol(digits.c_str(), nullptr, 16));
}

std::string with_marked_spaces(std::string_view text, bool prefix) {
  std::string marked;
  if (prefix && !text.empty()) marked += kSpace;
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpace;
    } else {
      marked += c;
    }
  }
  return marked;
}

size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

/// One text on its way from characters to pieces.
class SentencePieceRun {
 public:
  SentencePieceRun(const SentencePieceBpe& model, std::string_view text) : model_(model) {
    for (size_t at = 0; at < text.size();) {
      const auto size = std::min(character_bytes(text[at]), text.size() - at);
      const auto index = static_cast<int64_t>(symbols_.size());
      symbols_.push_back({text.substr(at, size), index - 1, index + 1});
      at += size;
    }
    if (!symbols_.empty()) symbols_.back().right = kNone;
    for (int64_t i = 0; i < static_cast<int64_t>(symbols_.size()); ++i) queue_merge(i);
  }

  void merge_all() {
    while (!queue_.empty()) {
      const auto candidate = queue_.top();
      queue_.pop();
      auto& symbol = at(candidate.symbol);
      // Queued before one of the two changed; what they became was queued then.
      if (symbol.text.empty() || symbol.right == kNone) continue;
      if (symbol.text.size() + at(symbol.right).text.size() != candidate.size) continue;
      merge_with_right(candidate.symbol);
    }
  }

  template <typename Use>
  void each(const Use& use) const {
    for (const auto& symbol : symbols_) {
      if (!symbol.text.empty()) use(symbol.text);
    }
  }

 private:
  /// A piece of the text; empty once it is merged into one further left.
  struct Symbol {
    std::string_view text;
    int64_t left, right;
  };

  /// A merge of a symbol with its right neighbour into so many bytes.
  struct Candidate {
    float score;
    int64_t symbol;
    size_t size;
    /// For std::priority_queue, whose top is the greatest: the highest score, then the leftmost.
    bool operator<(const Candidate& other) const {
      return std::tie(score, other.symbol) < std::tie(other.score, symbol);
    }
  };

  Symbol& at(int64_t symbol) { return symbols_[static_cast<size_t>(symbol)]; }

  /// Neighbours lie side by side in the text.
  std::string_view joined(int64_t symbol) {
    const auto& left = at(symbol).text;
    return {left.data(), left.size() + at(at(symbol).right).text.size()};
  }

  void queue_merge(int64_t symbol) {
    if (symbol == kNone || at(symbol).right == kNone) return;
    const auto text = joined(symbol);
    if (const auto* id = model_.find(text)) {
      queue_.push({model_.scores_[static_cast<size_t>(*id)], symbol, text.size()});
    }
  }

  void merge_with_right(int64_t symbol) {
    auto& gone = at(at(symbol).right);
    at(symbol).text = joined(symbol);
    at(symbol).right = gone.right;
    if (gone.right != kNone) at(gone.right).left = symbol;
    gone.text = {};
    queue_merge(at(symbol).left);
    queue_merge(symbol);
  }

  const SentencePieceBpe& model_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate> queue_;
};

SentencePieceBpe::SentencePieceBpe(std::vector<std::string> pieces, std::vector<float> scores,
                                   const std::vector<Kind>& kinds, int32_t unknown, bool space_prefix)
    : pieces_(std::move(pieces)), scores_(std::move(scores)), unknown_(unknown), space_prefix_(space_prefix) {
  byte_ids_.fill(-1);
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    auto& piece = pieces_[i];
    if (piece.empty()) continue;
    if (kinds[i] == Kind::user_defined) piece = with_marked_spaces(piece, false);  // llama.cpp's converter unmarks them
    if (kinds[i] == Kind::byte && byte_spelled(piece) >= 0) byte_ids_[static_cast<size_t>(byte_spelled(piece))] = id;
    if (kinds[i] == Kind::user_defined) user_defined_[static_cast<unsigned char>(piece.front())].push_back(id);
    if (kinds[i] == Kind::normal || kinds[i] == Kind::user_defined) ids_.emplace(piece, id);
  }
  for (auto& candidates : user_defined_) {
    std::stable_sort(candidates.begin(), candidates.end(), [&](int32_t a, int32_t b) {
      return pieces_[static_cast<size_t>(a)].size() > pieces_[static_cast<size_t>(b)].size();
    });
  }
}

std::string SentencePieceBpe::bytes_of(std::string_view piece, Kind kind) {
  if (kind == Kind::byte && byte_spelled(piece) >= 0) return std::string(1, static_cast<char>(byte_spelled(piece)));
  std::string bytes(piece);
  for (auto at = bytes.find(kSpace); at != std::string::npos; at = bytes.find(kSpace, at + 1)) {
    bytes.replace(at, kSpace.size(), " ");
  }
  return bytes;
}

const int32_t* SentencePieceBpe::find(std::string_view text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? nullptr : &found->second;
}

/// The length of the longest user-defined piece with which the text begins, or 0.
size_t SentencePieceBpe::user_defined_at(std::string_view text) const {
  for (const auto id : user_defined_[static_cast<unsigned char>(text.front())]) {
    const auto& piece = pieces_[static_cast<size_t>(id)];
    if (text.starts_with(piece)) return piece.size();
  }
  return 0;
}

void SentencePieceBpe::encode(std::string_view text, std::vector<int64_t>& ids) const {
  const auto marked = with_marked_spaces(text, space_prefix_);
  const std::string_view all = marked;
  size_t done = 0;
  for (size_t at = 0; at < all.size();) {
    const auto size = user_defined_at(all.substr(at));
    if (size == 0) {
      at += character_bytes(all[at]);
      continue;
    }
    encode_part(all.substr(done, at - done), ids);
    ids.push_back(*find(all.substr(at, size)));
    done = at += size;
  }
  encode_part(all.substr(std::min(done, all.size())), ids);
}

void SentencePieceBpe::encode_part(std::string_view text, std::vector<int64_t>& ids) const {
  SentencePieceRun run(*this, text);
  run.merge_all();
  run.each([&](std::string_view piece) {
    if (const auto* id = find(piece)) return ids.push_back(*id);
    for (const char byte : piece) {
      const auto id = byte_ids_[static_cast<unsigned char>(byte)];
      if (id < 0) return ids.push_back(unknown_);  // one for the whole character
      ids.push_back(id);
    }
  });
}

}  // namespace replicate
