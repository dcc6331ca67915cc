#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "models/formats/token_file.h"

namespace replicate {

class Tokenizer;

/// Calls `use` for every document of a corpus: one file, or a folder with all .txt files below it
/// in the order of their paths. A text of more than 64 KiB becomes documents of up to 64 KiB, cut
/// after a blank line if there is one in the second half, else after a line, else anywhere, but
/// never inside a character of UTF-8; together they are the text. Error on a folder without texts,
/// on a file that cannot be read, and on one that is not UTF-8 or has a NUL, with the byte's place.
void for_each_document(const std::filesystem::path& corpus, const std::function<void(std::string_view document)>& use);

/// One document in twenty, picked by its content: validation when the first 8 bytes of its SHA-256,
/// as a big-endian number, are a multiple of 20. So the same document is never on both sides.
Split split_of(std::string_view document);

/// `done` of `total` bytes of text, or of tokens, are tokenised.
using TokenizeProgress = std::function<void(uint64_t done, uint64_t total)>;

/// Tokenises a corpus into one token file: a text corpus as for_each_document cuts it and split_of
/// splits it, or a folder that open_token_files takes, whose files become one. No BOS or EOS is
/// added. When no document falls to validation, the one with the greatest SHA-256 goes there.
///
/// The file's source() is a digest of all documents and of the tokenizer, so that a caller can
/// tell whether a file that is there already is the one wanted: see corpus_source. Error on an
/// empty corpus, on one without a training document, and as for_each_document.
void tokenize_corpus(const std::filesystem::path& corpus, const Tokenizer& tokenizer,
                     const std::filesystem::path& token_file, const TokenizeProgress& progress = {});

/// The source() that tokenize_corpus will give its file; reads the whole corpus.
Sha256Digest corpus_source(const std::filesystem::path& corpus, const Tokenizer& tokenizer);

/// True for a folder in which *.tokens files lie (not below it).
bool holds_token_files(const std::filesystem::path& folder);

/// Opens the *.tokens files of a folder, in the order of their names, and reads all of them: Error
/// unless each is sound (TokenFile::verify), every id is below `vocabulary`, there are documents
/// for training and for validation, and none of validation has the ids of one of training.
std::vector<TokenFile> open_token_files(const std::filesystem::path& folder, int64_t vocabulary);

}  // namespace replicate
