// libFuzzer: whatever the bytes are, reading them as a tokenizer.json and encoding a text with it, which stands after
// a seam, ends in a result or in an Error. Run with tests/fuzz/corpus/tokenizer_json.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "models/tokenizer/tokenizer.h"
#include "tests/fuzz/one_line.h"
#include "tests/fuzz/seam.h"

namespace replicate {
namespace {

void read(std::string_view file, std::string_view text, std::optional<int64_t> vocabulary) {
  const Tokenizer tokenizer = Tokenizer::from_json_text(file, "fuzz.json", vocabulary);
  if (vocabulary && tokenizer.vocabulary_size() != *vocabulary) std::abort();
  const auto ids = tokenizer.encode(text.substr(0, 1000));
  for (const int64_t id : ids) {
    if (id < 0 || id >= tokenizer.vocabulary_size()) std::abort();
  }
  (void)tokenizer.decode(ids);
}

}  // namespace
}  // namespace replicate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find(replicate::kSeam), size);
  const auto file = input.substr(0, end);
  const auto text = end < size ? input.substr(end + replicate::kSeam.size()) : file;  // without a seam, its own
  replicate::allow_error([&] { replicate::read(file, text, {}); });
  replicate::allow_error([&] { replicate::read(file, text, 3); });
  return 0;
}
