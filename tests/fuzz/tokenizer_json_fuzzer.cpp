// libFuzzer: whatever the bytes are, reading them as a tokenizer.json and encoding with it ends in
// a result or in an Error. Run with tests/fuzz/corpus/tokenizer_json.

#include <cstdint>
#include <cstdlib>
#include <optional>

#include "models/formats/tokenizer.h"
#include "tests/fuzz/one_line.h"

namespace replicate {
namespace {

void read(std::string_view text, std::optional<int64_t> vocabulary) {
  const Tokenizer tokenizer = Tokenizer::from_json_text(text, "fuzz.json", vocabulary);
  if (vocabulary && tokenizer.vocabulary_size() != *vocabulary) std::abort();
  for (const int64_t id : tokenizer.encode(text.substr(0, 1000))) {
    if (id < 0 || id >= tokenizer.vocabulary_size()) std::abort();
  }
}

}  // namespace
}  // namespace replicate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  replicate::allow_error([&] { replicate::read(text, {}); });
  replicate::allow_error([&] { replicate::read(text, 3); });
  return 0;
}
