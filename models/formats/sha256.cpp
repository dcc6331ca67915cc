#include "models/formats/sha256.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "models/formats/error.h"

namespace replicate {
namespace {

/// OpenSSL fails only when it is out of memory or has SHA-256 switched off.
void require(bool done) {
  if (!done) throw Error("SHA-256 is not available", "OpenSSL", "check its configuration");
}

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(std::string("cannot read the file, ") + std::strerror(errno), path.string(),
              "check the path and its permissions");
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

Sha256& Sha256::add(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
  return *this;
}

Sha256& Sha256::add(std::string_view text) { return add(std::as_bytes(std::span(text))); }

Sha256Digest Sha256::digest() {
  Sha256Digest result;
  require(
      EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(result.data()), nullptr));
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

}  // namespace replicate
