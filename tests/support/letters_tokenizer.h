#pragma once

// A tokenizer whose ids can be told by hand.

#include <memory>

#include "models/formats/gguf.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/support/gguf_writer.h"

namespace replicate {

/// A vocabulary of the printable ASCII bytes, a space and a line feed, and BOS: ids follow the list.
inline std::shared_ptr<const Tokenizer> letters_tokenizer() {
  std::vector<std::string> tokens;
  for (char c = 33; c < 127; ++c) tokens.emplace_back(1, c);
  tokens.insert(tokens.end(), {"\xc4\xa0", "\xc4\x8a", "<bos>"});
  std::vector<int32_t> types(tokens.size(), 1);
  types.back() = 3;
  static std::vector<std::byte> bytes;
  bytes = GgufWriter()
              .text("tokenizer.ggml.model", "gpt2")
              .text("tokenizer.ggml.pre", "gpt-2")
              .texts("tokenizer.ggml.tokens", tokens)
              .integers("tokenizer.ggml.token_type", types)
              .texts("tokenizer.ggml.merges", {})
              .unsigned_integer("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(tokens.size() - 1))
              .bytes();
  return std::make_shared<const Tokenizer>(Tokenizer::from_gguf(GgufFile::parse(bytes, "test")));
}

inline constexpr int64_t kLetters = 97;  ///< its vocabulary

}  // namespace replicate
