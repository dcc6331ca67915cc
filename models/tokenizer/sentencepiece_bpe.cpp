#include "models/tokenizer/sentencepiece_bpe.h"

#include <cstdlib>
#include <queue>
#include <tuple>

#include "base/utf8.h"

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

}  // namespace

/// One text on its way from characters to pieces.
class SentencePieceRun {
 public:
  SentencePieceRun(const SentencePieceBpe& model, std::string_view text) : model_(model) {
    each_character(text, [&](std::string_view character) {
      const auto index = static_cast<int64_t>(symbols_.size());
      symbols_.push_back({character, index - 1, index + 1});
    });
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
    if (kinds[i] == Kind::byte && byte_spelled(piece) >= 0) byte_ids_[static_cast<size_t>(byte_spelled(piece))] = id;
    if (kinds[i] == Kind::user_defined) {  // llama.cpp's converter unmarks them, others do not
      user_defined_.add({.text = bytes_of(piece, kinds[i]), .id = id});
      piece = with_marked_spaces(piece, false);
    }
    if (kinds[i] == Kind::normal || kinds[i] == Kind::user_defined) ids_.emplace(piece, id);
  }
}

std::string SentencePieceBpe::bytes_of(std::string_view piece, Kind kind) {
  if (kind == Kind::byte && byte_spelled(piece) >= 0) return std::string(1, static_cast<char>(byte_spelled(piece)));
  std::string bytes;
  size_t done = 0;
  for (auto at = piece.find(kSpace); at != std::string_view::npos; at = piece.find(kSpace, done)) {
    bytes.append(piece.substr(done, at - done)).append(" ");
    done = at + kSpace.size();
  }
  return bytes.append(piece.substr(done));
}

const int32_t* SentencePieceBpe::find(std::string_view text) const {
  const auto found = ids_.find(text);
  return found == ids_.end() ? nullptr : &found->second;
}

void SentencePieceBpe::encode(std::string_view text, std::vector<int64_t>& ids) const {
  bool is_first = true;  // of the text, or after a user-defined piece
  const auto put_part = [&](std::string_view part) {
    encode_part(with_marked_spaces(part, space_prefix_ && is_first), ids);
    is_first = false;
  };
  user_defined_.split(text, put_part, [&](int32_t id) {
    ids.push_back(id);
    is_first = true;
  });
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
