#include "base/sha256.h"

#ifdef REPLICATE_MBEDTLS
#include <mbedtls/sha256.h>
#else
#include <openssl/evp.h>
#endif

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/error.h"

namespace replicate {

#ifdef REPLICATE_MBEDTLS
/// By Mbed TLS, for machines without OpenSSL's headers. Software alone never fails here.
struct Sha256::Context {
  Context() {
    mbedtls_sha256_init(&state);
    mbedtls_sha256_starts_ret(&state, /*is224=*/0);
  }
  ~Context() { mbedtls_sha256_free(&state); }

  void add(std::span<const std::byte> bytes) {
    mbedtls_sha256_update_ret(&state, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
  void finish(unsigned char* digest) { mbedtls_sha256_finish_ret(&state, digest); }

  mbedtls_sha256_context state;
};
#else
/// OpenSSL fails only when it is out of memory or has SHA-256 switched off.
struct Sha256::Context {
  Context() { require(state && EVP_DigestInit_ex(state.get(), EVP_sha256(), nullptr)); }

  void add(std::span<const std::byte> bytes) { require(EVP_DigestUpdate(state.get(), bytes.data(), bytes.size())); }
  void finish(unsigned char* digest) { require(EVP_DigestFinal_ex(state.get(), digest, nullptr)); }

  static void require(bool done) {
    if (!done) throw Error("SHA-256 is not available", "OpenSSL", "check its configuration");
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> state{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};
#endif

namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(std::string("cannot read the file, ") + std::strerror(errno), path.string(),
              "check the path and its permissions");
}

}  // namespace

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

Sha256& Sha256::add(std::span<const std::byte> bytes) {
  context_->add(bytes);
  return *this;
}

Sha256& Sha256::add(std::string_view text) { return add(std::as_bytes(std::span(text))); }

Sha256Digest Sha256::digest() {
  Sha256Digest result;
  context_->finish(reinterpret_cast<unsigned char*>(result.data()));
  return result;
}

Sha256Digest sha256(std::span<const std::byte> bytes) { return Sha256().add(bytes).digest(); }
Sha256Digest sha256(std::string_view text) { return Sha256().add(text).digest(); }

std::string hex(const Sha256Digest& digest) {
  std::string result;
  for (const std::byte byte : digest) {
    result += "0123456789abcdef"[std::to_integer<int>(byte >> 4)];
    result += "0123456789abcdef"[std::to_integer<int>(byte & std::byte{15})];
  }
  return result;
}

std::string sha256_hex(std::span<const std::byte> bytes) { return hex(sha256(bytes)); }
std::string sha256_hex(std::string_view text) { return hex(sha256(text)); }

std::string sha256_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path);
  Sha256 digest;
  std::vector<char> piece(1 << 20);
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0) {
    digest.add(std::string_view(piece.data(), static_cast<size_t>(file.gcount())));
  }
  if (file.bad()) fail(path);
  return hex(digest.digest());
}

std::string sha256_files(std::span<const std::filesystem::path> paths) {
  if (paths.size() == 1) return sha256_file(paths.front());
  Sha256 digest;
  for (const auto& path : paths) digest.add(sha256_file(path)).add(std::string_view("\n"));
  return hex(digest.digest());
}

}  // namespace replicate
