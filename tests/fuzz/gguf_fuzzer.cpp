// libFuzzer: whatever the bytes are, reading them as a model file ends in a result or in an Error.
// Build with -DREPLICATE_FUZZ=ON and clang; run with tests/fuzz/corpus/gguf as the corpus.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "models/formats/description.h"
#include "models/formats/gguf.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/fuzz/one_line.h"
#include "tests/fuzz/seam.h"

namespace replicate {
namespace {

void read_metadata(const GgufFile& file) {
  for (const std::string& key : file.keys()) {
    allow_error([&] { (void)file.integer(key); });
    allow_error([&] { (void)file.real(key); });
    allow_error([&] { (void)file.boolean(key); });
    allow_error([&] { (void)file.text(key); });
    allow_error([&] { (void)file.integers(key); });
    allow_error([&] { (void)file.reals(key); });
    allow_error([&] { (void)file.texts(key); });
  }
}

void decode_beginning(const StoredTensor& tensor) {
  constexpr int64_t kMost = 4096;
  const int64_t block = block_elements(tensor.type);
  const int64_t blocks = std::min(tensor.elements(), kMost) / block;
  std::vector<float> numbers(static_cast<size_t>(blocks * block));
  dequantize(tensor.type, tensor.bytes.first(static_cast<size_t>(blocks * block_bytes(tensor.type))), numbers);
}

void read_tensors(const GgufFile& file) {
  for (const StoredTensor& tensor : file.tensors()) {
    if (file.find(tensor.name) != &tensor) std::abort();
    decode_beginning(tensor);
    // The last byte must be there.
    if (!tensor.bytes.empty()) (void)*static_cast<const volatile std::byte*>(&tensor.bytes.back());
  }
}

/// A model in several files, cut at the seams; one file when there is none.
void join_shards(std::string_view input) {
  std::vector<GgufFile> shards;
  for (size_t start = 0; start <= input.size();) {
    const size_t end = std::min(input.find(kSeam, start), input.size());
    shards.push_back(GgufFile::parse(std::as_bytes(std::span(input.substr(start, end - start))), "part.gguf"));
    start = end + kSeam.size();
  }
  size_t tensors = 0;
  for (const GgufFile& shard : shards) tensors += shard.tensors().size();
  const GgufFile model = GgufFile::join(std::move(shards));
  if (model.tensors().size() != tensors) std::abort();
  read_tensors(model);
}

void tokenize(const GgufFile& file, std::string_view text) {
  const Tokenizer tokenizer = Tokenizer::from_gguf(file);
  const auto ids = tokenizer.encode(text);
  const auto valid = replace_invalid_utf8(tokenizer.decode(ids));
  if (replace_invalid_utf8(valid) != valid) std::abort();
  (void)tokenizer.is_special(ids.empty() ? 0 : ids.front());
}

void read_file(std::span<const std::byte> bytes) {
  const GgufFile file = GgufFile::parse(bytes, "fuzz.gguf");
  read_metadata(file);
  read_tensors(file);
  allow_error([&] { (void)describe_gguf(file); });
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  tokenize(file, text.substr(0, 1000));
}

}  // namespace
}  // namespace replicate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  replicate::allow_error([&] { replicate::read_file(std::as_bytes(std::span(data, size))); });
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  replicate::allow_error([&] { replicate::join_shards(input); });
  return 0;
}
