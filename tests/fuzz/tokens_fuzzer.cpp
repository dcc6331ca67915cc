// libFuzzer: whatever the bytes are, reading them as a token file ends in a result or in an Error.
// The header's checksum is put right first: no mutation would get past it. Run with
// tests/fuzz/corpus/tokens.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "models/formats/token_file.h"
#include "tests/fuzz/one_line.h"

namespace replicate {
namespace {

constexpr size_t kChecked = 104;  // bytes of the header under its checksum, see token_file.h

std::vector<std::byte> sealed(std::span<const std::byte> data) {
  std::vector<std::byte> bytes(data.begin(), data.end());
  if (bytes.size() < kChecked + sizeof(Sha256Digest)) return bytes;
  const Sha256Digest digest = sha256(std::span(bytes).first(kChecked));
  std::memcpy(bytes.data() + kChecked, digest.data(), digest.size());
  return bytes;
}

void read_windows(const TokenFile& file, int64_t length) {
  const Windows windows(file, Split::train, length);
  std::vector<int64_t> ids(static_cast<size_t>(length + 1));
  for (int64_t i = 0; i < windows.size(); ++i) file.copy(windows.first_token(i), ids);
}

void read_file(std::span<const std::byte> data) {
  const auto bytes = sealed(data);
  const TokenFile file = TokenFile::parse(bytes, "fuzz.tokens");
  for (const TokenDocument& document : file.documents()) {
    std::vector<int64_t> ids(document.count);
    file.copy(document.first, ids);
  }
  for (const int64_t length : {1, 3}) read_windows(file, length);
  if (file.largest_id() > UINT32_MAX) std::abort();
  allow_error([&] { file.verify(); });
}

}  // namespace
}  // namespace replicate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  replicate::allow_error([&] { replicate::read_file(std::as_bytes(std::span(data, size))); });
  return 0;
}
