#include "models/tokenizer/added_tokens.h"

#include <utility>

#include "base/regex.h"
#include "models/tokenizer/byte_level.h"

namespace replicate {
namespace {

size_t white_space_at(std::string_view text) {
  static const Regex spaces(with_white_space(R"(\A\s+)"), Regex::Text::utf8);
  size_t size = 0;
  spaces.each_match(text, [&](size_t, size_t end) { size = end; });
  return size;
}

}  // namespace

void AddedTokens::add(AddedToken token) {
  if (token.text.empty()) return;
  uint32_t node = 0;
  for (const char c : token.text) {
    const auto byte = static_cast<unsigned char>(c);
    auto& next = node == 0 ? first_[byte] : further_[uint64_t{node} * 256 + byte];
    if (next == 0) {
      next = static_cast<uint32_t>(ends_.size());
      ends_.push_back(-1);
    }
    node = next;
  }
  if (ends_[node] >= 0) return;
  ends_[node] = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(std::move(token));
}

const AddedToken* AddedTokens::longest_at(std::string_view text) const {
  const AddedToken* longest = nullptr;
  auto node = first_[static_cast<unsigned char>(text.front())];
  for (size_t at = 1; node != 0; ++at) {
    if (ends_[node] >= 0) longest = &tokens_[static_cast<size_t>(ends_[node])];
    if (at == text.size()) break;
    const auto next = further_.find(uint64_t{node} * 256 + static_cast<unsigned char>(text[at]));
    node = next == further_.end() ? 0 : next->second;
  }
  return longest;
}

void AddedTokens::split(std::string_view text, const std::function<void(std::string_view)>& use_text,
                        const std::function<void(int32_t)>& use_id) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const auto* token = longest_at(text.substr(at));
    if (!token) {
      ++at;  // no token begins within a character
      continue;
    }
    const auto begin = at;
    at += token->text.size();
    if (token->special) continue;
    if (begin > done) use_text(text.substr(done, begin - done));
    use_id(token->id);
    if (token->strips_right) at += white_space_at(text.substr(at));
    done = at;
  }
  if (done < text.size()) use_text(text.substr(done));
}

}  // namespace replicate
