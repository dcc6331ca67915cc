#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "base/sha256.h"

namespace replicate {

enum class Split : uint32_t { train, validation };

/// Where a document lies among a file's tokens; so it stands in the file, too.
struct TokenDocument {
  int64_t first = 0;   ///< its first token
  uint32_t count = 0;  ///< its tokens, at least one
  Split split = Split::train;
};
static_assert(sizeof(TokenDocument) == 16);

/// Tokenised text, mapped from its file. Little endian, in this order:
///
///   8 bytes   "RPLTOKEN"
///   u32, u32  version (1); bytes of an id: 2 when the vocabulary has up to 65,536 tokens, else 4
///   3 x u64   tokens in the vocabulary, in the file, documents
///   2 x 32    SHA-256 of the payload; source, a digest of what the tokens were made from
///   32        SHA-256 of all of the above
///   payload   the ids of all documents, zeros up to a multiple of 8, then every TokenDocument
///
/// Opening looks at the header and at the table of documents, never at the ids.
class TokenFile {
 public:
  /// Error when the file is no token file, is damaged, or its table has a hole or an overlap.
  static TokenFile open(const std::filesystem::path& path);

  /// The same for bytes in memory, which must outlive the object and start at a multiple of 8.
  static TokenFile parse(std::span<const std::byte> bytes, std::string where);

  const std::string& where() const { return where_; }
  int64_t vocabulary() const { return vocabulary_; }
  int64_t tokens() const { return tokens_; }
  std::span<const TokenDocument> documents() const { return documents_; }
  const Sha256Digest& payload() const { return payload_; }
  const Sha256Digest& source() const { return source_; }

  /// Reads everything: Error unless the payload has its digest and every id is in the vocabulary.
  void verify() const;

  /// The largest id; -1 in a file without tokens. Reads everything.
  int64_t largest_id() const;

  /// Ids from token `first` on; Error when they are not all there.
  void copy(int64_t first, std::span<int64_t> out) const;

 private:
  friend class TokenFileParser;
  TokenFile() = default;
  int64_t id_bytes() const;

  std::string where_;
  std::shared_ptr<const MappedFile> mapping_;  ///< null for bytes in memory
  int64_t vocabulary_ = 0;
  int64_t tokens_ = 0;
  std::span<const std::byte> bytes_;  ///< the payload
  std::span<const TokenDocument> documents_;
  Sha256Digest payload_{};
  Sha256Digest source_{};
};

/// Writes a token file whole or not at all (see AtomicFile). Ids go to disk as they come; of a
/// document, 16 bytes are kept.
class TokenFileWriter {
 public:
  TokenFileWriter(const std::filesystem::path& path, int64_t vocabulary, const Sha256Digest& source);

  /// A document without ids is left out. Error on an id outside the vocabulary and on a full disk.
  void add_document(std::span<const int64_t> ids, Split split);

  /// Puts the file in its place; the last call.
  void finish();

 private:
  template <typename Id>
  void append(std::span<const int64_t> ids);
  void write(std::span<const std::byte> bytes);
  void flush();

  std::string where_;
  AtomicFile file_;
  int64_t vocabulary_;
  Sha256Digest source_;
  Sha256 payload_;
  std::vector<std::byte> buffer_;
  std::vector<TokenDocument> documents_;
  int64_t tokens_ = 0;
};

/// Training windows: as many windows of `length` inputs with the token that follows each as fit
/// into each document of a split. They share no token, and what is left of a document is dropped.
class Windows {
 public:
  /// `file` must outlive the object. Error when `length` is not positive.
  Windows(const TokenFile& file, Split split, int64_t length);

  int64_t size() const { return size_; }
  int64_t length() const { return length_; }

  /// The first of the length() + 1 tokens of a window, for TokenFile::copy. 0 <= index < size().
  int64_t first_token(int64_t index) const;

 private:
  struct Run {
    int64_t first_window;
    int64_t first_token;
  };

  std::string where_;
  int64_t length_;
  int64_t size_ = 0;
  std::vector<Run> runs_;  ///< one a document that holds a window
};

}  // namespace replicate
