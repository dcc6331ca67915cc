#include "models/formats/token_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"

namespace replicate {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are read in place");

constexpr const char* kTokeniseAgain = "the file is damaged, tokenise the text again";
constexpr char kMagic[8] = {'R', 'P', 'L', 'T', 'O', 'K', 'E', 'N'};
constexpr uint32_t kVersion = 1;
constexpr int64_t kMostVocabulary = std::numeric_limits<int32_t>::max();
constexpr size_t kBufferBytes = 1 << 20;

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t id_bytes;
  uint64_t vocabulary;
  uint64_t tokens;
  uint64_t documents;
  Sha256Digest payload;
  Sha256Digest source;
  Sha256Digest checksum;
};
static_assert(sizeof(Header) == 136 && offsetof(Header, checksum) == 104);

std::span<const std::byte> bytes_of(const Header& header) { return std::as_bytes(std::span(&header, 1)); }

Sha256Digest checksum(const Header& header) { return sha256(bytes_of(header).first(offsetof(Header, checksum))); }

uint32_t bytes_of_id(int64_t vocabulary) { return vocabulary <= 65536 ? 2 : 4; }

uint64_t padded(uint64_t bytes) { return (bytes + 7) / 8 * 8; }

template <typename Id>
void widen(std::span<const std::byte> bytes, std::span<int64_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    Id id;
    std::memcpy(&id, bytes.data() + i * sizeof(id), sizeof(id));
    out[i] = id;
  }
}

void check_vocabulary(int64_t vocabulary, const std::string& where) {
  if (vocabulary > 0 && vocabulary <= kMostVocabulary) return;
  throw Error("a vocabulary of " + std::to_string(vocabulary) + " tokens", where, kTokeniseAgain);
}

}  // namespace

/// Fills a TokenFile from bytes: header, sizes, table of documents.
class TokenFileParser {
 public:
  TokenFileParser(std::span<const std::byte> bytes, TokenFile& file) : bytes_(bytes), file_(file) {}

  void parse() {
    read_header();
    check_header();
    file_.vocabulary_ = static_cast<int64_t>(header_.vocabulary);
    file_.tokens_ = static_cast<int64_t>(header_.tokens);
    file_.payload_ = header_.payload;
    file_.source_ = header_.source;
    place_payload();
    check_documents();
  }

 private:
  [[noreturn]] void fail(const std::string& what, const char* remedy = kTokeniseAgain) const {
    throw Error(what, file_.where_, remedy);
  }

  void read_header() {
    if (bytes_.size() < sizeof(header_) || std::memcmp(bytes_.data(), kMagic, sizeof(kMagic)) != 0) {
      fail("no file of token ids", "name a file that this program wrote");
    }
    std::memcpy(&header_, bytes_.data(), sizeof(header_));
    if (header_.version != kVersion) {
      fail("token file version " + std::to_string(header_.version), "tokenise the text again");
    }
  }

  void check_header() const {
    if (checksum(header_) != header_.checksum) fail("the header does not have its checksum");
    if (!std::in_range<int64_t>(header_.vocabulary)) fail("an absurd vocabulary");
    check_vocabulary(static_cast<int64_t>(header_.vocabulary), file_.where_);
    if (header_.id_bytes != bytes_of_id(static_cast<int64_t>(header_.vocabulary))) {
      fail("ids of " + std::to_string(header_.id_bytes) + " bytes");
    }
  }

  /// A checksum is no signature: a hostile file can have a header whose checksum is right.
  void place_payload() {
    file_.bytes_ = bytes_.subspan(sizeof(header_));
    const uint64_t size = file_.bytes_.size();
    const bool plausible =
        header_.tokens <= size / header_.id_bytes && header_.documents <= size / sizeof(TokenDocument);
    const uint64_t table = plausible ? padded(header_.tokens * header_.id_bytes) : 0;
    if (!plausible || table + header_.documents * sizeof(TokenDocument) != size) {
      fail(std::to_string(size) + " bytes do not hold " + std::to_string(header_.tokens) + " tokens and " +
           std::to_string(header_.documents) + " documents");
    }
    const std::byte* start = file_.bytes_.data() + table;
    if (reinterpret_cast<uintptr_t>(start) % alignof(TokenDocument) != 0) {
      fail("bytes that do not start at a multiple of 8", "copy them to where they do");
    }
    file_.documents_ = {reinterpret_cast<const TokenDocument*>(start), header_.documents};
  }

  void check_documents() const {
    int64_t end = 0;
    for (const TokenDocument& document : file_.documents_) {
      const bool known = document.split == Split::train || document.split == Split::validation;
      if (document.first != end || document.count == 0 || !known || document.count > file_.tokens_ - end) {
        fail("document " + std::to_string(&document - file_.documents_.data()) + " is not where it should be");
      }
      end += document.count;
    }
    if (end != file_.tokens_) fail("tokens that are in no document");
  }

  std::span<const std::byte> bytes_;
  TokenFile& file_;
  Header header_{};
};

TokenFile TokenFile::open(const std::filesystem::path& path) {
  auto mapping = std::make_shared<const MappedFile>(MappedFile::open(path));
  TokenFile file = parse(mapping->bytes(), path.string());
  file.mapping_ = std::move(mapping);
  return file;
}

TokenFile TokenFile::parse(std::span<const std::byte> bytes, std::string where) {
  TokenFile file;
  file.where_ = std::move(where);
  TokenFileParser(bytes, file).parse();
  return file;
}

int64_t TokenFile::id_bytes() const { return bytes_of_id(vocabulary_); }

void TokenFile::verify() const {
  if (sha256(bytes_) != payload_) throw Error("the ids do not have their checksum", where_, kTokeniseAgain);
  const int64_t largest = largest_id();
  if (largest < vocabulary_) return;
  throw Error("token id " + std::to_string(largest) + " is not in the vocabulary of " + std::to_string(vocabulary_),
              where_, kTokeniseAgain);
}

int64_t TokenFile::largest_id() const {
  int64_t largest = -1;
  std::vector<int64_t> ids(1 << 16);
  for (int64_t first = 0; first < tokens_;) {
    const auto count = std::min<int64_t>(static_cast<int64_t>(ids.size()), tokens_ - first);
    const auto some = std::span(ids).first(static_cast<size_t>(count));
    copy(first, some);
    largest = std::max(largest, *std::max_element(some.begin(), some.end()));
    first += count;
  }
  return largest;
}

void TokenFile::copy(int64_t first, std::span<int64_t> out) const {
  if (first < 0 || first > tokens_ || !std::cmp_less_equal(out.size(), tokens_ - first)) {
    throw Error("tokens " + std::to_string(first) + " and " + std::to_string(out.size()) +
                    " from there on are not among " + std::to_string(tokens_),
                where_, "ask for fewer");
  }
  const auto bytes = bytes_.subspan(static_cast<size_t>(first * id_bytes()));
  if (id_bytes() == 2) {
    widen<uint16_t>(bytes, out);
  } else {
    widen<uint32_t>(bytes, out);
  }
}

// Writing.

TokenFileWriter::TokenFileWriter(const std::filesystem::path& path, int64_t vocabulary, const Sha256Digest& source)
    : where_(path.string()), file_(path), vocabulary_(vocabulary), source_(source) {
  check_vocabulary(vocabulary, where_);
  buffer_.reserve(kBufferBytes + sizeof(uint64_t));
  file_.write(bytes_of(Header{}));  // what it holds is known last
}

void TokenFileWriter::add_document(std::span<const int64_t> ids, Split split) {
  if (ids.empty()) return;
  if (!std::in_range<uint32_t>(ids.size())) {
    throw Error("a document of " + std::to_string(ids.size()) + " tokens", where_, "cut it into shorter ones");
  }
  if (bytes_of_id(vocabulary_) == 2) {
    append<uint16_t>(ids);
  } else {
    append<uint32_t>(ids);
  }
  documents_.push_back({tokens_, static_cast<uint32_t>(ids.size()), split});
  tokens_ += static_cast<int64_t>(ids.size());
}

template <typename Id>
void TokenFileWriter::append(std::span<const int64_t> ids) {
  for (const int64_t wide : ids) {
    if (wide < 0 || wide >= vocabulary_) {
      throw Error("token id " + std::to_string(wide) + " is not in the vocabulary of " + std::to_string(vocabulary_),
                  where_, "give the vocabulary that the ids come from");
    }
    const Id id = static_cast<Id>(wide);
    write(std::as_bytes(std::span(&id, 1)));
  }
}

void TokenFileWriter::write(std::span<const std::byte> bytes) {
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBufferBytes) flush();
}

void TokenFileWriter::flush() {
  payload_.add(buffer_);
  file_.write(std::span<const std::byte>(buffer_));
  buffer_.clear();
}

void TokenFileWriter::finish() {
  const uint64_t bytes = static_cast<uint64_t>(tokens_) * bytes_of_id(vocabulary_);
  buffer_.resize(buffer_.size() + padded(bytes) - bytes);
  write(std::as_bytes(std::span(documents_)));
  flush();
  Header header{{},
                kVersion,
                bytes_of_id(vocabulary_),
                static_cast<uint64_t>(vocabulary_),
                static_cast<uint64_t>(tokens_),
                documents_.size(),
                payload_.digest(),
                source_,
                {}};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.checksum = checksum(header);
  file_.overwrite(0, bytes_of(header));
  file_.put_in_place();
}

// Windows.

Windows::Windows(const TokenFile& file, Split split, int64_t length) : where_(file.where()), length_(length) {
  if (length < 1) {
    throw Error("windows of " + std::to_string(length) + " tokens", where_, "ask for one or more");
  }
  for (const TokenDocument& document : file.documents()) {
    // Not count / (length + 1), which overflows for the greatest length.
    if (document.split != split || document.count <= length) continue;
    runs_.push_back({size_, document.first});
    size_ += document.count / (length + 1);
  }
}

int64_t Windows::first_token(int64_t index) const {
  if (index < 0 || index >= size_) {
    throw Error("window " + std::to_string(index) + " of " + std::to_string(size_), where_,
                "ask for one that is there");
  }
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                      [](int64_t window, const Run& run) { return window < run.first_window; });
  const Run& run = *std::prev(after);
  return run.first_token + (index - run.first_window) * (length_ + 1);
}

}  // namespace replicate
