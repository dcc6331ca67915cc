#include "models/formats/sha256.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "models/formats/error.h"

namespace replicate {
namespace {

/// A running digest. OpenSSL fails only when it is out of memory or has SHA-256 switched off.
class Digest {
 public:
  Digest() { require(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr)); }

  void add(const void* bytes, size_t count) {
    require(EVP_DigestUpdate(context_.get(), bytes, count));
  }

  std::string hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    require(EVP_DigestFinal_ex(context_.get(), digest, &length));
    std::string result;
    for (unsigned i = 0; i < length; ++i) {
      result += "0123456789abcdef"[digest[i] >> 4];
      result += "0123456789abcdef"[digest[i] & 15];
    }
    return result;
  }

 private:
  static void require(bool done) {
    if (!done) throw Error("SHA-256 is not available", "OpenSSL", "check its configuration");
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free};
};

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(std::string("cannot read the file, ") + std::strerror(errno), path.string(),
              "check the path and its permissions");
}

}  // namespace

std::string sha256_hex(std::span<const std::byte> bytes) {
  Digest digest;
  digest.add(bytes.data(), bytes.size());
  return digest.hex();
}

std::string sha256_hex(std::string_view text) {
  return sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
}

std::string sha256_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path);
  Digest digest;
  std::vector<char> piece(1 << 20);
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    digest.add(piece.data(), static_cast<size_t>(file.gcount()));
  }
  if (file.bad()) fail(path);
  return digest.hex();
}

}  // namespace replicate
