#include "models/formats/added_tokens.h"

#include <algorithm>

#include "models/formats/byte_level.h"
#include "models/formats/regex.h"

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
  auto& sizes = sizes_[static_cast<unsigned char>(token.text.front())];
  const auto place = std::lower_bound(sizes.begin(), sizes.end(), token.text.size(), std::greater<>());
  if (place == sizes.end() || *place != token.text.size()) sizes.insert(place, token.text.size());
  auto text = token.text;
  tokens_.emplace(std::move(text), std::move(token));
}

const AddedToken* AddedTokens::longest_at(std::string_view text) const {
  for (const auto size : sizes_[static_cast<unsigned char>(text.front())]) {
    if (size > text.size()) continue;
    if (const auto found = tokens_.find(std::string(text.substr(0, size))); found != tokens_.end()) return &found->second;
  }
  return nullptr;
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
