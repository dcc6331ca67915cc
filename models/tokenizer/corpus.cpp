#include "models/tokenizer/corpus.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/utf8.h"
#include "models/tokenizer/tokenizer.h"

namespace replicate {
namespace fs = std::filesystem;
namespace {

constexpr size_t kDocumentBytes = 64 << 10;
constexpr uint64_t kValidationEvery = 20;

[[noreturn]] void fail(const std::string& what, const fs::path& path, const std::string& remedy) {
  throw Error(what, path.string(), remedy);
}

// Texts.

std::vector<fs::path> texts_below(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".txt" && !entry->is_directory()) {
      paths.push_back(entry->path());
    }
  }
  if (error) fail("cannot look into the folder: " + error.message(), folder, "check its permissions");
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<fs::path> texts_of(const fs::path& corpus) {
  std::error_code none;
  return fs::is_directory(corpus, none) ? texts_below(corpus) : std::vector<fs::path>{corpus};
}

/// Behind the last `mark` of the second half of `text`, or nothing.
std::optional<size_t> end_of_last(std::string_view mark, std::string_view text) {
  const size_t found = text.rfind(mark);
  if (found == std::string_view::npos || found < text.size() / 2) return std::nullopt;
  return found + mark.size();
}

/// The last character that begins in `text` may end after it: where it begins. Bytes that are no
/// UTF-8 may be cut anywhere.
size_t start_of_last_character(std::string_view text) {
  for (size_t back = 1; back <= 4; ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) != 0x80) return text.size() - (byte < 0x80 ? 0 : back);
  }
  return text.size();
}

/// How much of `text` is its first document.
size_t first_document(std::string_view text) {
  if (text.size() <= kDocumentBytes) return text.size();
  const auto most = text.substr(0, kDocumentBytes);
  for (const std::string_view mark : {"\n\n", "\n\r\n", "\n"}) {
    if (const auto end = end_of_last(mark, most)) return *end;
  }
  return start_of_last_character(most);
}

/// A model would learn other bytes as well as words, and its loss would look like any other.
void require_text(std::string_view document, size_t offset, const fs::path& path) {
  const auto at = first_not_text(document);
  if (!at) return;
  fail("byte " + std::to_string(offset + *at) + " is not UTF-8 text", path,
       "give text in UTF-8 (iconv converts it), unpacked, or *.tokens for ids");
}

void for_each_document_of_file(const fs::path& path, const std::function<void(std::string_view)>& use) {
  std::error_code none;
  if (fs::is_regular_file(path, none) && fs::file_size(path, none) == 0) return;
  const MappedFile file = MappedFile::open(path);
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  while (!text.empty()) {
    const size_t size = first_document(text);
    require_text(text.substr(0, size), file.bytes().size() - text.size(), path);
    use(text.substr(0, size));
    text.remove_prefix(size);
  }
}

/// What has to be known of a text corpus before its first document is written.
struct Overview {
  Sha256 digest;  ///< of the documents' digests, in order
  uint64_t bytes = 0;
  bool has_train = false;
  bool has_validation = false;
  Sha256Digest greatest{};

  void add(std::string_view document) {
    const Sha256Digest own = sha256(document);
    digest.add(own);
    bytes += document.size();
    (split_of(document) == Split::validation ? has_validation : has_train) = true;
    greatest = std::max(greatest, own);
  }
};

Overview look_over(const fs::path& corpus) {
  Overview overview;
  for_each_document(corpus, [&](std::string_view document) { overview.add(document); });
  if (overview.bytes == 0) fail("the corpus holds no text", corpus, "put some into it");
  return overview;
}

Sha256Digest source_of(Sha256Digest texts, const Tokenizer& tokenizer) {
  return Sha256().add(texts).add(tokenizer.fingerprint()).digest();
}

/// Splits as split_of does, but leaves no side empty.
class Splitter {
 public:
  Splitter(const Overview& overview, const fs::path& corpus) {
    if (!overview.has_validation) stand_in_ = overview.greatest;
    if (!overview.has_train) fail_without_train(corpus);
  }

  Split operator()(std::string_view document) const {
    if (!stand_in_) return split_of(document);
    return sha256(document) == *stand_in_ ? Split::validation : Split::train;
  }

  [[noreturn]] static void fail_without_train(const fs::path& corpus) {
    fail("the corpus has no document left for training", corpus, "give a longer text");
  }

 private:
  std::optional<Sha256Digest> stand_in_;
};

void tokenize_texts(const fs::path& corpus, const Tokenizer& tokenizer, const fs::path& token_file,
                    const TokenizeProgress& progress) {
  Overview overview = look_over(corpus);
  const Splitter split(overview, corpus);
  TokenFileWriter writer(token_file, tokenizer.vocabulary_size(), source_of(overview.digest.digest(), tokenizer));
  uint64_t done = 0;
  bool has_train = false;
  for_each_document(corpus, [&](std::string_view document) {
    const auto ids = tokenizer.encode(document);
    has_train = has_train || (!ids.empty() && split(document) == Split::train);
    writer.add_document(ids, split(document));
    done += document.size();
    if (progress) progress(done, overview.bytes);
  });
  if (!has_train) Splitter::fail_without_train(corpus);
  writer.finish();
}

// Token files.

std::vector<fs::path> token_files_in(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".tokens") paths.push_back(entry->path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Calls use(document, its ids) for every document of the files.
template <typename Use>
void for_each_tokenised(const std::vector<TokenFile>& files, Use use) {
  std::vector<int64_t> ids;
  for (const TokenFile& file : files) {
    for (const TokenDocument& document : file.documents()) {
      ids.resize(document.count);
      file.copy(document.first, ids);
      use(document, ids);
    }
  }
}

Sha256Digest digest_of(const std::vector<int64_t>& ids) { return sha256(std::as_bytes(std::span(ids))); }

/// Keeps the digests of validation's documents only: training has many more.
void check_splits(const std::vector<TokenFile>& files, const fs::path& folder) {
  std::set<Sha256Digest> validation;
  bool has_train = false;
  for_each_tokenised(files, [&](const TokenDocument& document, const std::vector<int64_t>& ids) {
    if (document.split == Split::validation) validation.insert(digest_of(ids));
  });
  for_each_tokenised(files, [&](const TokenDocument& document, const std::vector<int64_t>& ids) {
    if (document.split == Split::validation) return;
    has_train = true;
    if (!validation.contains(digest_of(ids))) return;
    fail("a document of " + std::to_string(ids.size()) + " tokens is for training and validation", folder,
         "take it out of one of them");
  });
  if (!has_train) Splitter::fail_without_train(folder);
  if (validation.empty()) fail("no document is for validation", folder, "mark one in twenty so");
}

void check_ids(const TokenFile& file, int64_t vocabulary) {
  file.verify();
  if (file.vocabulary() <= vocabulary) return;
  const int64_t largest = file.largest_id();
  if (largest < vocabulary) return;
  fail("token id " + std::to_string(largest) + " is not in the vocabulary of " + std::to_string(vocabulary),
       file.where(), "use the tokenizer that the ids come from");
}

Sha256Digest payloads_of(const std::vector<TokenFile>& files) {
  Sha256 digest;
  for (const TokenFile& file : files) digest.add(file.payload());
  return digest.digest();
}

void join_token_files(const fs::path& folder, const Tokenizer& tokenizer, const fs::path& token_file,
                      const TokenizeProgress& progress) {
  const auto files = open_token_files(folder, tokenizer.vocabulary_size());
  uint64_t done = 0, total = 0;
  for (const TokenFile& file : files) total += static_cast<uint64_t>(file.tokens());
  TokenFileWriter writer(token_file, tokenizer.vocabulary_size(), source_of(payloads_of(files), tokenizer));
  for_each_tokenised(files, [&](const TokenDocument& document, const std::vector<int64_t>& ids) {
    writer.add_document(ids, document.split);
    done += ids.size();
    if (progress) progress(done, total);
  });
  writer.finish();
}

}  // namespace

void for_each_document(const fs::path& corpus, const std::function<void(std::string_view document)>& use) {
  const auto paths = texts_of(corpus);
  if (paths.empty()) fail("no .txt file in this folder", corpus, "put some into it");
  for (const fs::path& path : paths) for_each_document_of_file(path, use);
}

Split split_of(std::string_view document) {
  const Sha256Digest digest = sha256(document);
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) number = number << 8 | std::to_integer<uint64_t>(digest[i]);
  return number % kValidationEvery == 0 ? Split::validation : Split::train;
}

void tokenize_corpus(const fs::path& corpus, const Tokenizer& tokenizer, const fs::path& token_file,
                     const TokenizeProgress& progress) {
  if (holds_token_files(corpus)) {
    join_token_files(corpus, tokenizer, token_file, progress);
  } else {
    tokenize_texts(corpus, tokenizer, token_file, progress);
  }
}

Sha256Digest corpus_source(const fs::path& corpus, const Tokenizer& tokenizer) {
  if (!holds_token_files(corpus)) return source_of(look_over(corpus).digest.digest(), tokenizer);
  std::vector<TokenFile> files;
  for (const fs::path& path : token_files_in(corpus)) files.push_back(TokenFile::open(path));
  return source_of(payloads_of(files), tokenizer);
}

bool holds_token_files(const fs::path& folder) { return !token_files_in(folder).empty(); }

std::vector<TokenFile> open_token_files(const fs::path& folder, int64_t vocabulary) {
  std::vector<TokenFile> files;
  for (const fs::path& path : token_files_in(folder)) {
    files.push_back(TokenFile::open(path));
    check_ids(files.back(), vocabulary);
  }
  if (files.empty()) fail("no *.tokens file in this folder", folder, "put some into it");
  check_splits(files, folder);
  return files;
}

}  // namespace replicate
