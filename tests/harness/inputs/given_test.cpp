#include "harness/inputs/given.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"
#include "tests/support/letters_tokenizer.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

using Kind = GivenSource::Kind;

class GivenTest : public testing::Test {
 protected:
  GivenInputs tokens(const std::string& lines) const {
    folder_.write("given.jsonl", lines);
    return read_given({Kind::tokens, (folder_ / "given.jsonl").string()}, *letters_tokenizer(), 50);
  }
  GivenInputs text(const std::string& words, GivenShape shape = {}) const {
    folder_.write("given.txt", words);
    return read_given({Kind::text, (folder_ / "given.txt").string()}, *letters_tokenizer(), kLetters, shape);
  }
  /// A line of ids per sequence, all different.
  static std::string lines(const std::vector<int64_t>& lengths) {
    std::string all;
    for (size_t b = 0; b < lengths.size(); ++b) {
      std::string ids;
      for (int64_t t = 0; t < lengths[b]; ++t)
        ids += (t ? "," : "") + std::to_string(t < 2 ? (b >> (5 * t)) % 32 : t % 50);
      all += "[" + ids + "]\n";
    }
    return all;
  }
  /// So many characters, which are as many tokens, that do not repeat.
  static std::string words(size_t characters) {
    std::string all;
    for (int i = 0; all.size() < characters; ++i) all += "word" + std::to_string(i) + (i % 9 ? " " : "\n");
    return all.substr(0, characters);
  }
  static int64_t sequences(const GivenInputs& given) {
    return given.judged->sequences() + (given.set_aside ? given.set_aside->sequences() : 0);
  }
  static std::string notes(const GivenInputs& given) {
    std::string all;
    for (const auto& note : given.notes) all += note + "\n";
    return all;
  }
  TemporaryFolder folder_;
};

TEST_F(GivenTest, TokensThatAreNoneAreSaidInOneShortLine) {
  const auto refuse = [&](const std::string& lines, const std::string& part) {
    expect_error([&] { tokens(lines); }, part);
    EXPECT_LT(message_of([&] { tokens(lines); }).size(), 300U);
  };
  const std::string many(1 << 20, '['), closed(1 << 20, ']');
  refuse(many + closed, "not a JSON array of token ids");
  refuse("[1, " + many + closed + "]", "not a JSON array of token ids");
  refuse("[1, [2], 3]", "token id of type array is not in the vocabulary");
  refuse("[1, \"" + std::string(1 << 20, 'a') + "\"]", "token id of type string is not in the vocabulary");
  refuse("[1, 50]", "token id 50 is not in the vocabulary");
  refuse("\n\r\n", "the token file is empty");
  refuse("[1, 2, 3]\n[4]\n", "sequences of 3 ids are too short to measure on");
  const auto open = [](const std::string& path) {
    return [path] { read_given({Kind::tokens, path}, *letters_tokenizer(), 50); };
  };
  expect_error(open((folder_ / "none.jsonl").string()), "cannot read the token file");
  expect_error(open("/dev/zero"), "cannot read the token file: this is a pipe or a device");
}

TEST_F(GivenTest, AThirdOfManySequencesIsSetAside) {
  for (const int64_t all : {23, 24, 25, 60}) {
    const auto given = tokens(lines(std::vector<int64_t>(all, 16)));
    EXPECT_EQ(sequences(given), all);
    EXPECT_EQ(given.set_aside ? given.set_aside->sequences() : 0, all < kFewestGiven ? 0 : all / 3) << all;
    EXPECT_TRUE(given.notes.empty());
  }
}

TEST_F(GivenTest, TokensAreReadLineByLine) {
  const auto given = tokens("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]\n\n[5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,49]\r\n");
  EXPECT_EQ(given.judged->ids.sizes(), (std::vector<int64_t>{2, 16}));
  EXPECT_EQ(given.judged->ids[1][15].item<int64_t>(), 49);
}

TEST_F(GivenTest, WhatIsGivenComesBackFromTheFileThatIsKept) {
  for (const int64_t all : {3, 30}) {
    const auto given = tokens(lines(std::vector<int64_t>(all, 20)));
    const auto again = tokens(given_jsonl(given));
    EXPECT_EQ(again.judged->sha256, given.judged->sha256);
    ASSERT_EQ(again.set_aside == nullptr, given.set_aside == nullptr);
    if (given.set_aside) {
      EXPECT_EQ(again.set_aside->sha256, given.set_aside->sha256);
    }
  }
}

TEST_F(GivenTest, SequencesOfSeveralLengthsAreCutToTheLengthThatKeepsMost) {
  struct Case {
    std::vector<int64_t> lengths;
    int64_t sequences, length;
    const char* note;
  };
  std::vector<int64_t> one_short(41, 40), rising;
  one_short[7] = 17;
  for (int64_t length = 16; length < 56; ++length) rising.push_back(length);
  for (const auto& [lengths, kept, length, note] :
       {Case{one_short, 40, 40, "have 17 to 40 ids: 40 of 41 are measured, cut to 40 ids"},
        Case{rising, 28, 28, "28 of 40 are measured, cut to 28 ids"},
        Case{{4, 20, 18}, 2, 18, "have 4 to 20 ids: 2 of 3 are measured, cut to 18 ids"},
        Case{{15, 16}, 1, 16, "1 of 2 are measured, cut to 16 ids"}}) {
    const auto given = tokens(lines(lengths));
    EXPECT_EQ(sequences(given), kept) << note;
    EXPECT_EQ(given.judged->length(), length) << note;
    EXPECT_NE(notes(given).find(note), std::string::npos) << notes(given);
  }
}

TEST_F(GivenTest, ASequenceThatComesAgainIsLeftOut) {
  const auto once = lines(std::vector<int64_t>(30, 16));
  const auto given = tokens(once + once + once);
  EXPECT_EQ(sequences(given), 30);
  EXPECT_NE(notes(given).find("60 of 90 given sequences repeat another one"), std::string::npos) << notes(given);
  EXPECT_EQ(tokens(once).judged->sha256, given.judged->sha256);
  std::string line;
  for (int i = 0; i < 2000; ++i) line += "the same line again\n";
  const auto repeated = text(line);
  EXPECT_EQ(repeated.set_aside, nullptr);  // too few that differ for a verdict
  EXPECT_LT(sequences(repeated), kFewestGiven);
}

TEST_F(GivenTest, AShortTextIsCutIntoShorterSequences) {
  struct Case {
    size_t characters;
    int64_t sequences, length;
    const char* note;
  };
  for (const auto& [characters, kept, length, note] :
       {Case{24 * 128, 24, 128, "24 sequences of 128 tokens."},
        Case{24 * 128 - 1, 47, 64, "47 sequences of 64 tokens: it is too short for 24 of 128."},
        Case{24 * 32, 24, 32, "24 sequences of 32 tokens"}, Case{100, 3, 32, "3 sequences of 32 tokens"},
        Case{31, 1, 31, "1 sequence of 31 tokens"},
        Case{500 * 128, 48, 128, "48 sequences of 128 tokens, evenly spread over the 500 that it has"}}) {
    const auto given = text(words(characters));
    EXPECT_EQ(sequences(given), kept) << note;
    EXPECT_EQ(given.judged->length(), length) << note;
    EXPECT_NE(notes(given).find(note), std::string::npos) << notes(given);
  }
  expect_error([&] { text(words(15)); }, "the text has 15 tokens, which are too few to measure on");
}

TEST_F(GivenTest, ATextIsItsTokensInOrder) {
  const auto all = words(24 * 32);
  const auto given = text(all);
  const auto ids = at::cat({given.set_aside->ids, given.judged->ids}).flatten();
  EXPECT_TRUE(at::equal(ids, at::tensor(letters_tokenizer()->encode(all), at::kLong)));
  EXPECT_EQ(text("\xef\xbb\xbf" + all).judged->sha256, given.judged->sha256);  // a byte order mark is no text
  const auto literal = read_given({Kind::literal, all}, *letters_tokenizer(), kLetters);
  EXPECT_EQ(literal.judged->sha256, given.judged->sha256);
}

TEST_F(GivenTest, BosComesFirstWhereItIsAskedFor) {
  const auto given = text(words(24 * 127), {128, true});
  EXPECT_EQ(sequences(given), 24);
  EXPECT_TRUE(given.judged->bos);
  EXPECT_TRUE((given.judged->ids.select(1, 0) == *letters_tokenizer()->bos()).all().item<bool>());
  EXPECT_FALSE(text(words(24 * 128)).judged->bos);
  folder_.write("bos.jsonl", given_jsonl(given));  // as a run is reproduced
  const auto again = read_given({Kind::tokens, (folder_ / "bos.jsonl").string()}, *letters_tokenizer(), kLetters);
  EXPECT_TRUE(again.judged->bos);
}

TEST_F(GivenTest, WhatIsNoTextIsRefused) {
  const auto valid = words(5000);
  std::string utf16;
  for (const char c : valid) utf16 += {c, '\0'};
  for (const auto& [bytes, at] : {std::pair{utf16, "byte 1 is not"},
                                  {"\xff\xfe" + utf16, "byte 0 is not"},
                                  {valid + "\xe4" + valid, "byte 5000 is not"},
                                  {valid + "\xc3", "byte 5000 is not"},
                                  {"\xef\xbb\xbf" + valid + "\xe4", "byte 5003 is not"},
                                  {std::string("\x1f\x8b\x08"), "byte 1 is not"}}) {
    expect_error([&, &bytes = bytes] { text(bytes); }, at);
    expect_error([&, &bytes = bytes] { text(bytes); }, "iconv converts it");
  }
  const auto open = [](const std::string& path) {
    return [path] { read_given({Kind::text, path}, *letters_tokenizer(), kLetters); };
  };
  expect_error(open((folder_ / "none.txt").string()), "none.txt");
  expect_error(open(folder_.path().string()), "a directory, not a file");
  folder_.write("empty.txt", "");
  expect_error(open((folder_ / "empty.txt").string()), "empty");
}

/// Only windows of it are read, all over the file and cut at whole characters.
TEST_F(GivenTest, OfALongTextPassagesFromAllOverItAreTaken) {
  std::string all;
  for (int i = 0; all.size() < (12U << 20); ++i)
    all += "line " + std::to_string(i) + " \xc3\xa4\xe2\x82\xac says nothing\n";
  const auto given = text(all);
  EXPECT_EQ(sequences(given), kMostTextSequences);
  EXPECT_NE(notes(given).find("taken from all over it"), std::string::npos) << notes(given);
  EXPECT_EQ(given.judged->length(), 128);
  std::string no_lines = words(6 << 20);
  std::ranges::replace(no_lines, '\n', ' ');
  EXPECT_EQ(sequences(text(no_lines)), kMostTextSequences);
}

}  // namespace
}  // namespace replicate
