// libFuzzer: whatever the bytes are, reading them as SentencePiece's tokenizer.model and encoding with it ends in ids
// of the vocabulary or in an Error. Run with tests/fuzz/corpus/tokenizer_model.

#include <cstdint>
#include <cstdlib>

#include "models/tokenizer/tokenizer.h"
#include "tests/fuzz/one_line.h"

namespace replicate {
namespace {

void read(std::string_view bytes) {
  const Tokenizer tokenizer = Tokenizer::from_sentencepiece_bytes(bytes, "fuzz.model");
  const auto ids = tokenizer.encode(bytes.substr(0, 1000));
  for (const int64_t id : ids) {
    if (id < 0 || id >= tokenizer.vocabulary_size()) std::abort();
  }
  (void)tokenizer.decode(ids);
}

}  // namespace
}  // namespace replicate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  replicate::allow_error([&] { replicate::read({reinterpret_cast<const char*>(data), size}); });
  return 0;
}
