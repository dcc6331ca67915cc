#include "models/tokenizer/corpus.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/utf8.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/expect_error.h"
#include "tests/support/files_in.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

/// Texts t with int.from_bytes(hashlib.sha256(t).digest()[:8], "big") % 20 == 0 in Python.
const std::vector<std::string> kForValidation = {"0", "9", "10", "33"};

std::vector<std::string> documents(const fs::path& corpus) {
  std::vector<std::string> result;
  for_each_document(corpus, [&](std::string_view document) { result.emplace_back(document); });
  return result;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string result;
  for (const std::string& part : parts) result += part;
  return result;
}

std::string repeated(const std::string& part, size_t bytes) {
  std::string result;
  while (result.size() < bytes) result += part;
  return result;
}

/// Some 200 documents, of which about one in twenty is for validation.
void write_corpus(const TemporaryFolder& folder, const std::string& name = "corpus") {
  for (int i = 0; i < 200; ++i) {
    folder.write(name + "/" + std::to_string(i) + ".txt", "document " + std::to_string(i));
  }
}

TEST(Corpus, ReadsTextsBelowAFolderInTheOrderOfTheirPaths) {
  const TemporaryFolder folder;
  folder.write("b.txt", "second");
  folder.write("a/z.txt", "first");
  folder.write("c/d/e.txt", "third");
  folder.write("a/notes.md", "not this");
  folder.write("empty.txt", "");
  EXPECT_EQ(documents(folder.path()), (std::vector<std::string>{"first", "second", "third"}));
  EXPECT_EQ(documents(folder / "a/notes.md"), (std::vector<std::string>{"not this"}));
}

TEST(Corpus, CutsLongTextsAtBlankLines) {
  const TemporaryFolder folder;
  const std::string text = repeated("A verse of some words,\nand another.\n\n", 200'000);
  folder.write("a.txt", text);
  const auto parts = documents(folder / "a.txt");
  EXPECT_EQ(joined(parts), text);
  ASSERT_EQ(parts.size(), 4u);
  for (const std::string& part : parts) {
    EXPECT_LE(part.size(), 65536u);
    EXPECT_TRUE(part.ends_with("\n\n"));
  }
}

TEST(Corpus, CutsElsewhereWhereThereIsNoBlankLine) {
  const TemporaryFolder folder;
  for (const std::string part : {"no blank line\n", "windows\r\n\r\n", "x", "é", "漢", "😀"}) {
    for (const std::string before : {"", "a", "ab", "abc"}) {
      const std::string text = before + repeated(part, 150'000);
      folder.write("a.txt", text);
      const auto parts = documents(folder / "a.txt");
      EXPECT_EQ(joined(parts), text);  // so no character was replaced, hence none was cut
      EXPECT_EQ(parts.size(), 3u);
      for (const std::string& cut : parts) EXPECT_LE(cut.size(), 65536u);
      EXPECT_TRUE(!part.ends_with("\n") || parts.front().ends_with(part));
    }
  }
}

TEST(Corpus, KeepsATextOfTheGreatestSizeWhole) {
  const TemporaryFolder folder;
  folder.write("a.txt", std::string(65536, 'x'));
  EXPECT_EQ(documents(folder / "a.txt").size(), 1u);
  folder.write("a.txt", std::string(65537, 'x'));
  EXPECT_EQ(documents(folder / "a.txt").size(), 2u);
}

TEST(Corpus, BytesThatAreNotUtf8TextAreRefusedWithTheirPlace) {
  const TemporaryFolder folder;
  struct Case {
    std::string bytes;
    size_t place;
  };
  const std::string long_text = repeated("a line\n", 140'000);
  for (const auto& [bytes, place] : {Case{std::string("\xff\xfe"
                                                      "a\0",
                                                      4),
                                          0},
                                     Case{std::string("a\0b\0", 4), 1},
                                     Case{"Stra\xdf"
                                          "e",
                                          4},
                                     Case{"\x1f\x8b\x08 gzip", 1}, Case{std::string("\x01\x02\x03\0", 4), 3},
                                     Case{long_text + "\xc3", long_text.size()}, Case{std::string("x\0\xff", 3), 1}}) {
    folder.write("a.txt", bytes);
    expect_error([&] { documents(folder / "a.txt"); }, "byte " + std::to_string(place) + " is not UTF-8 text");
  }
}

/// tests/setup_test.py cuts the same text in Python and has the same number and digest.
TEST(Corpus, CutsAsTheTrainerOfTheTokenizerDoes) {
  std::string text;
  for (int i = 0; i < 30000; ++i) {
    text += "line " + std::to_string(i) + (i % 50 ? "\n" : "\n\n");
  }
  for (int i = 0; i < 50000; ++i) text += "é";
  for (int i = 0; i < 60000; ++i) text += "x\n";
  for (int i = 0; i < 40000; ++i) text += "😀";
  const TemporaryFolder folder;
  folder.write("a.txt", text);
  Sha256 digest;
  const auto parts = documents(folder / "a.txt");
  for (const std::string& part : parts) digest.add(sha256(part));
  EXPECT_EQ(parts.size(), 11u);
  EXPECT_EQ(hex(digest.digest()), "f1a89f17fb7427c7c935cebae6f2a0c0f174770560bea9da24412b014733c5da");
}

TEST(Corpus, SplitsByContentOneInTwenty) {
  EXPECT_EQ(split_of("Hello"), split_of("Hello"));
  int validation = 0;
  for (int i = 0; i < 20'000; ++i) validation += split_of(std::to_string(i)) == Split::validation;
  EXPECT_NEAR(validation, 1000, 150);
  EXPECT_EQ(split_of("abc"), Split::train);
  for (const std::string& text : kForValidation) EXPECT_EQ(split_of(text), Split::validation) << text;
}

TEST(Corpus, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "none");
  expect_error([&] { documents(folder / "none"); }, "no .txt file in this folder");
  expect_error([&] { documents(folder / "absent"); }, "no such file");
  folder.write("empty/a.txt", "");
  expect_error([&] { tokenize_corpus(folder / "empty", byte_tokenizer(), folder / "t"); }, "the corpus holds no text");
  fs::create_symlink(folder / "absent", folder / "empty/b.txt");
  expect_error([&] { documents(folder / "empty"); }, "no such file");
  EXPECT_EQ(files_in(folder.path()), 2u);
}

TEST(Corpus, SaysThatItMayNotRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const TemporaryFolder folder;
  folder.write("a.txt", "x");
  fs::permissions(folder / "a.txt", fs::perms::none);
  expect_error([&] { documents(folder.path()); }, "cannot read the file");
}

// Tokenising.

std::vector<std::string> texts_of(const TokenFile& file, Split split) {
  const Tokenizer tokenizer = byte_tokenizer();
  std::vector<std::string> texts;
  for (const TokenDocument& document : file.documents()) {
    if (document.split != split) continue;
    std::vector<int64_t> ids(document.count);
    file.copy(document.first, ids);
    texts.push_back(tokenizer.decode(ids));
  }
  return texts;
}

TEST(TokenizeCorpus, WritesEveryDocumentInItsSplit) {
  const TemporaryFolder folder;
  write_corpus(folder);
  uint64_t last = 0, end = 0;
  tokenize_corpus(folder / "corpus", byte_tokenizer(), folder / "a.tokens", [&](uint64_t done, uint64_t total) {
    EXPECT_GT(done, last);
    last = done;
    end = total;
  });
  EXPECT_EQ(last, end);
  const TokenFile file = TokenFile::open(folder / "a.tokens");
  file.verify();
  EXPECT_EQ(file.vocabulary(), 257);
  EXPECT_EQ(file.documents().size(), 200u);
  const auto train = texts_of(file, Split::train), validation = texts_of(file, Split::validation);
  EXPECT_EQ(train.size() + validation.size(), 200u);
  for (const std::string& text : train) EXPECT_EQ(split_of(text), Split::train);
  for (const std::string& text : validation) EXPECT_EQ(split_of(text), Split::validation);
  EXPECT_FALSE(validation.empty());
}

TEST(TokenizeCorpus, IsDeterministicAndKnowsItsSource) {
  const TemporaryFolder folder;
  write_corpus(folder);
  const Tokenizer tokenizer = byte_tokenizer();
  tokenize_corpus(folder / "corpus", tokenizer, folder / "a.tokens");
  tokenize_corpus(folder / "corpus", tokenizer, folder / "b.tokens");
  const auto first = TokenFile::open(folder / "a.tokens");
  EXPECT_EQ(first.payload(), TokenFile::open(folder / "b.tokens").payload());
  EXPECT_EQ(first.source(), corpus_source(folder / "corpus", tokenizer));
  EXPECT_NE(first.source(), corpus_source(folder / "corpus", byte_tokenizer({{"a", "b"}})));
  folder.write("corpus/7.txt", "another document 7");
  EXPECT_NE(first.source(), corpus_source(folder / "corpus", tokenizer));
}

TEST(TokenizeCorpus, GivesValidationOneDocumentWhereItHasNone) {
  const TemporaryFolder folder;
  std::vector<std::string> texts;
  for (int i = 0; texts.size() < 5; ++i) {
    const std::string text = "text " + std::to_string(i);
    if (split_of(text) == Split::validation) continue;
    folder.write("corpus/" + text + ".txt", text);
    texts.push_back(text);
  }
  std::sort(texts.begin(), texts.end(), [](const auto& a, const auto& b) { return sha256(a) < sha256(b); });
  tokenize_corpus(folder / "corpus", byte_tokenizer(), folder / "a.tokens");
  const TokenFile file = TokenFile::open(folder / "a.tokens");
  EXPECT_EQ(texts_of(file, Split::validation), std::vector<std::string>{texts.back()});
  EXPECT_EQ(texts_of(file, Split::train).size(), 4u);
}

TEST(TokenizeCorpus, RefusesACorpusWithoutTraining) {
  const TemporaryFolder folder;
  const auto tokenize = [&] { tokenize_corpus(folder / "corpus", byte_tokenizer(), folder / "a.tokens"); };
  folder.write("corpus/a.txt", "abc");
  expect_error(tokenize, "no document left for training");
  folder.write("corpus/b.txt", "abc");  // the same again goes where the first goes
  expect_error(tokenize, "no document left for training");
  folder.write("corpus/a.txt", kForValidation[0]);
  folder.write("corpus/b.txt", kForValidation[1]);
  expect_error(tokenize, "no document left for training");
  EXPECT_FALSE(fs::exists(folder / "a.tokens"));
}

TEST(TokenizeCorpus, KeepsIdenticalDocumentsOnOneSide) {
  const TemporaryFolder folder;
  write_corpus(folder, "corpus/a");
  write_corpus(folder, "corpus/b");
  tokenize_corpus(folder / "corpus", byte_tokenizer(), folder / "a.tokens");
  const TokenFile file = TokenFile::open(folder / "a.tokens");
  std::set<std::string> train;
  for (const std::string& text : texts_of(file, Split::train)) train.insert(text);
  EXPECT_EQ(train.size() * 2, texts_of(file, Split::train).size());
  for (const auto& text : texts_of(file, Split::validation)) EXPECT_FALSE(train.contains(text));
}

// Folders of token files.

void write_tokens(const fs::path& path, int64_t vocabulary, const std::vector<int64_t>& train,
                  const std::vector<int64_t>& validation) {
  TokenFileWriter writer(path, vocabulary, Sha256Digest{});
  writer.add_document(train, Split::train);
  writer.add_document(validation, Split::validation);
  writer.finish();
}

TEST(TokenFolder, IsJoinedIntoOneFile) {
  const TemporaryFolder folder;
  EXPECT_FALSE(holds_token_files(folder.path()));
  write_tokens(folder / "b.tokens", 257, {5, 6}, {});
  write_tokens(folder / "a.tokens", 70000, {1, 2, 3}, {4});
  EXPECT_TRUE(holds_token_files(folder.path()));
  EXPECT_EQ(open_token_files(folder.path(), 257).size(), 2u);
  const TemporaryFolder result;
  tokenize_corpus(folder.path(), byte_tokenizer(), result / "all.tokens");
  const TokenFile file = TokenFile::open(result / "all.tokens");
  std::vector<int64_t> ids(6);
  file.copy(0, ids);
  EXPECT_EQ(ids, (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(file.documents()[1].split, Split::validation);
  EXPECT_EQ(file.vocabulary(), 257);
  EXPECT_EQ(file.source(), corpus_source(folder.path(), byte_tokenizer()));
}

TEST(TokenFolder, IsCheckedAgainstTheVocabulary) {
  const TemporaryFolder folder;
  write_tokens(folder / "a.tokens", 300, {1, 256}, {4});
  EXPECT_NO_THROW(open_token_files(folder.path(), 257));
  expect_error([&] { open_token_files(folder.path(), 256); }, "token id 256 is not in the vocabulary of 256");
  write_tokens(folder / "b.tokens", 300, {257}, {7});
  expect_error([&] { tokenize_corpus(folder.path(), byte_tokenizer(), folder / "out"); },
               "token id 257 is not in the vocabulary of 257");
}

TEST(TokenFolder, MustKeepItsSplitsApart) {
  const TemporaryFolder folder;
  write_tokens(folder / "a.tokens", 257, {1, 2}, {3});
  EXPECT_NO_THROW(open_token_files(folder.path(), 257));
  write_tokens(folder / "b.tokens", 70000, {3}, {9});
  expect_error([&] { open_token_files(folder.path(), 257); }, "a document of 1 tokens is for training and validation");
}

TEST(TokenFolder, MustHaveBothSplitsAndSoundFiles) {
  const TemporaryFolder folder;
  expect_error([&] { open_token_files(folder.path(), 257); }, "no *.tokens file in this folder");
  write_tokens(folder / "a.tokens", 257, {1, 2}, {});
  expect_error([&] { open_token_files(folder.path(), 257); }, "no document is for validation");
  write_tokens(folder / "a.tokens", 257, {}, {1});
  expect_error([&] { open_token_files(folder.path(), 257); }, "no document left for training");
  folder.write("b.tokens", "something else");
  expect_error([&] { open_token_files(folder.path(), 257); }, "no file of token ids");
}

}  // namespace
}  // namespace replicate
