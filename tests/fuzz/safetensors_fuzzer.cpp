// libFuzzer: whatever the bytes are, reading them as a safetensors file, and as the index of several, ends in a result
// or in an Error. Build with -DREPLICATE_FUZZ=ON and clang; run with tests/fuzz/corpus/safetensors.

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "models/formats/safetensors.h"
#include "models/formats/safetensors_index.h"
#include "tests/fuzz/one_line.h"

namespace replicate {
namespace {

void decode(const SafetensorsTensor& tensor) {
  std::vector<float> numbers(static_cast<size_t>(tensor.elements()));
  decode_floats(tensor, numbers.data());
}

void read_file(std::span<const std::byte> bytes) {
  const SafetensorsFile file = SafetensorsFile::parse(bytes, "fuzz.safetensors");
  size_t total = 0;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    if (file.find(tensor.name) != &tensor) std::abort();
    allow_error([&] { decode(tensor); });
    total += tensor.bytes.size();
    // The last byte must be there.
    if (!tensor.bytes.empty()) (void)*static_cast<const volatile std::byte*>(&tensor.bytes.back());
  }
  if (total > bytes.size()) std::abort();  // no two tensors share a byte
}

void read_index(std::string_view text) {
  for (const auto& name : files_of_index(text, "fuzz.index.json")) {
    if (name.find('/') != std::string::npos) std::abort();  // it would lead out of the folder
  }
}

}  // namespace
}  // namespace replicate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  replicate::allow_error([&] { replicate::read_file(std::as_bytes(std::span(data, size))); });
  replicate::allow_error([&] { replicate::read_index({reinterpret_cast<const char*>(data), size}); });
  return 0;
}
