// libFuzzer: whatever the bytes are, reading them as a model's config.json ends in a description that holds together or
// in an Error. Run with tests/fuzz/corpus/config_json.

#include <cstdint>
#include <cstdlib>

#include "models/formats/description.h"
#include "tests/fuzz/one_line.h"

namespace replicate {
namespace {

void read(std::string_view text) {
  const auto described = describe_config_json(text, "fuzz.json").config;
  check(described, "fuzz.json");
  for (int64_t layer = 1; layer <= described.layers; ++layer) {
    (void)described.rope_of(layer);
    (void)described.window_of(layer);
  }
  if (block_flops(described, 1, 2) <= 0) std::abort();
}

}  // namespace
}  // namespace replicate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  replicate::allow_error([&] { replicate::read({reinterpret_cast<const char*>(data), size}); });
  return 0;
}
