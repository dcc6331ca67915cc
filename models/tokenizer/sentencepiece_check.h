#pragma once

#include <string>
#include <string_view>

namespace replicate {

/// Error on a tokenizer.model that SentencePiece would crash on instead of refusing it, as versions up to 0.2.1 do:
/// with a very long piece the stack ends, and in the rules of the normalizer they read wherever the file tells them to.
/// What the library refuses by itself is not looked for. Sources: sentencepiece_model.proto; normalizer.cc and darts.h
/// of version 0.1.97; issues 1263, 1267, 1269 and 1272.
void check_sentencepiece_model(std::string_view bytes, const std::string& where);

}  // namespace replicate
