#include "models/tokenizer/unigram.h"

#include <algorithm>

#include "base/utf8.h"

namespace replicate {
namespace {

constexpr int32_t kUnknown = -1;
constexpr double kUnknownPenalty = 10;  // below the least probable piece, as in SentencePiece

}  // namespace

/// The last piece of the best split of all before an end.
struct Unigram::Step {
  double score = 0;
  size_t begin = std::string::npos;  ///< npos: no split ends here
  int32_t id = kUnknown;
};

Unigram::Unigram(std::vector<std::string> pieces, std::vector<double> scores, std::optional<int32_t> unknown,
                 const std::array<int32_t, 256>& byte_ids)
    : pieces_(std::move(pieces)), scores_(std::move(scores)), byte_ids_(byte_ids), unknown_(unknown) {
  for (size_t id = 0; id < pieces_.size(); ++id) {
    if (!pieces_[id].empty()) in_order_.push_back(static_cast<int32_t>(id));
  }
  const auto piece = [&](int32_t id) -> const std::string& { return pieces_[static_cast<size_t>(id)]; };
  std::sort(in_order_.begin(), in_order_.end(), [&](int32_t a, int32_t b) { return piece(a) < piece(b); });
  unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
}

/// Pieces with the same first bytes lie side by side, the shortest first; with every byte more they are fewer.
template <typename Use>
void Unigram::each_beginning(std::string_view text, const Use& use) const {
  auto first = in_order_.begin(), last = in_order_.end();
  for (size_t size = 1; size <= text.size() && first != last; ++size) {
    const auto wanted = static_cast<unsigned char>(text[size - 1]);
    const auto byte_of = [&](int32_t id) {
      const auto& piece = pieces_[static_cast<size_t>(id)];
      return piece.size() < size ? -1 : static_cast<unsigned char>(piece[size - 1]);
    };
    first = std::partition_point(first, last, [&](int32_t id) { return byte_of(id) < wanted; });
    last = std::partition_point(first, last, [&](int32_t id) { return byte_of(id) == wanted; });
    if (first != last && pieces_[static_cast<size_t>(*first)].size() == size) use(size, *first);
  }
}

std::vector<Unigram::Step> Unigram::best_steps(std::string_view word) const {
  std::vector<Step> steps(word.size() + 1);
  steps[0].begin = 0;
  size_t begin = 0;
  each_character(word, [&](std::string_view character) {
    const double so_far = steps[begin].score;
    const auto offer = [&](size_t size, double score, int32_t id) {
      auto& step = steps[begin + size];
      if (step.begin == std::string::npos || so_far + score > step.score) step = {so_far + score, begin, id};
    };
    bool has_own = false;
    each_beginning(word.substr(begin), [&](size_t size, int32_t id) {
      offer(size, scores_[static_cast<size_t>(id)], id);
      has_own = has_own || size == character.size();
    });
    if (!has_own) offer(character.size(), unknown_score_, kUnknown);
    begin += character.size();
  });
  return steps;
}

void Unigram::put_unknown(std::string_view text, std::vector<int64_t>& ids) const {
  const auto id_of = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (std::all_of(text.begin(), text.end(), [&](char byte) { return id_of(byte) >= 0; })) {
    for (const char byte : text) ids.push_back(id_of(byte));
  } else if (unknown_) {
    ids.push_back(*unknown_);
  }
}

void Unigram::encode(std::string_view word, std::vector<int64_t>& ids) const {
  const auto steps = best_steps(word);
  std::vector<std::pair<std::string_view, int32_t>> backwards;
  for (size_t end = word.size(); end > 0;) {
    const auto [score, begin, id] = steps[end];
    const bool joins = id == kUnknown && !backwards.empty() && backwards.back().second == kUnknown;
    if (joins) {
      backwards.back().first = word.substr(begin, backwards.back().first.size() + end - begin);
    } else {
      backwards.emplace_back(word.substr(begin, end - begin), id);
    }
    end = begin;
  }
  for (auto piece = backwards.rbegin(); piece != backwards.rend(); ++piece) {
    if (piece->second == kUnknown) {
      put_unknown(piece->first, ids);
    } else {
      ids.push_back(piece->second);
    }
  }
}

}  // namespace replicate
