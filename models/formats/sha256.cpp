#include "models/formats/sha256.h"

#ifdef REPLICATE_MBEDTLS
#include <mbedtls/sha256.h>
#else
#include <openssl/evp.h>
#endif

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "models/formats/error.h"

namespace replicate {
namespace {

using Hash = std::array<unsigned char, 32>;

#ifdef REPLICATE_MBEDTLS
/// A running digest, by Mbed TLS: for machines without OpenSSL's headers. Software alone never fails here.
class Digest {
 public:
  Digest() {
    mbedtls_sha256_init(&context_);
    mbedtls_sha256_starts_ret(&context_, /*is224=*/0);
  }
  ~Digest() { mbedtls_sha256_free(&context_); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void add(const void* bytes, size_t count) {
    mbedtls_sha256_update_ret(&context_, static_cast<const unsigned char*>(bytes), count);
  }

  Hash finish() {
    Hash hash;
    mbedtls_sha256_finish_ret(&context_, hash.data());
    return hash;
  }

 private:
  mbedtls_sha256_context context_;
};
#else
/// A running digest. OpenSSL fails only when it is out of memory or has SHA-256 switched off.
class Digest {
 public:
  Digest() { require(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr)); }

  void add(const void* bytes, size_t count) {
    require(EVP_DigestUpdate(context_.get(), bytes, count));
  }

  Hash finish() {
    Hash hash;
    require(EVP_DigestFinal_ex(context_.get(), hash.data(), nullptr));
    return hash;
  }

 private:
  static void require(bool done) {
    if (!done) throw Error("SHA-256 is not available", "OpenSSL", "check its configuration");
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free};
};
#endif

std::string hex(const Hash& hash) {
  std::string digits;
  for (const unsigned char byte : hash) {
    digits += "0123456789abcdef"[byte >> 4];
    digits += "0123456789abcdef"[byte & 15];
  }
  return digits;
}

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(std::string("cannot read the file, ") + std::strerror(errno), path.string(),
              "check the path and its permissions");
}

}  // namespace

std::string sha256_hex(std::span<const std::byte> bytes) {
  Digest digest;
  digest.add(bytes.data(), bytes.size());
  return hex(digest.finish());
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
  return hex(digest.finish());
}

}  // namespace replicate
