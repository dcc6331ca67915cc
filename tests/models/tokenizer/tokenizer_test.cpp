#include "models/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>

#include "base/utf8.h"
#include "models/formats/gguf.h"
#include "models/tokenizer/merges.h"
#include "tests/support/assets.h"
#include "tests/support/expect_error.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/tokenizer_lines.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

using Ids = std::vector<int64_t>;

// A vocabulary small enough to work out by hand.

const std::vector<std::string> kTokens = {"<s>", "a", "b",  "c", "Ġ", "ab", "abc", "Ġa",
                                          "bc",  "1", "12", "Ã", "©", "Ã©", "2"};
const std::vector<std::string> kMerges = {"b c", "a b", "Ġ a", "a bc", "1 2", "Ã ©"};

GgufWriter small_vocabulary(const std::string& pre = "gpt-2") {
  GgufWriter writer;
  writer.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre);
  writer.texts("tokenizer.ggml.tokens", kTokens);
  return writer;
}

Tokenizer tokenizer(const GgufWriter& writer) {
  const auto bytes = writer.bytes();
  return Tokenizer::from_gguf(GgufFile::parse(bytes, "test.gguf"));
}

Tokenizer small_tokenizer(const std::string& pre = "gpt-2") {
  return tokenizer(small_vocabulary(pre).texts("tokenizer.ggml.merges", kMerges));
}

TEST(Tokenizer, MergesTheLowestRankFirst) {
  EXPECT_EQ(small_tokenizer().encode("abc"), (Ids{6}));  // b c, then a bc; not a b first
  EXPECT_EQ(small_tokenizer().encode("ab"), (Ids{5}));
  EXPECT_EQ(small_tokenizer().encode("abab a"), (Ids{5, 5, 7}));
  EXPECT_EQ(small_tokenizer().encode(""), (Ids{}));
}

TEST(Tokenizer, SplitsWordsAsThePreTokenizerSays) {
  EXPECT_EQ(small_tokenizer("gpt-2").encode("a12"), (Ids{1, 10}));
  EXPECT_EQ(small_tokenizer("smollm").encode("a12"), (Ids{1, 9, 14}));
  for (const auto* name : {"llama-bpe", "smaug-bpe", "dbrx"}) {
    EXPECT_EQ(small_tokenizer(name).encode("a12"), (Ids{1, 10})) << name;
    EXPECT_EQ(small_tokenizer(name).encode("(a"), (Ids{1})) << name;  // "(" goes with the letter, not as in GPT-2
  }
}

TEST(Tokenizer, LeavesOutBytesWithoutAToken) {
  EXPECT_EQ(small_tokenizer().encode("xaybz"), (Ids{5}));  // as `tokenizers`: what is left can merge
  EXPECT_EQ(small_tokenizer().encode("xyz"), (Ids{}));
}

TEST(Tokenizer, ReadsBytesThroughTheAlphabet) {
  EXPECT_EQ(small_tokenizer().encode("\xc3\xa9"), (Ids{13}));
  EXPECT_EQ(small_tokenizer().decode(Ids{13, 4, 1}), "\xc3\xa9 a");
}

TEST(Tokenizer, OutsideTheAlphabetATokenStandsForItself) {
  auto tokens = kTokens;
  tokens.push_back(" ");  // no spelling of the byte: that is "Ġ"
  const Tokenizer with_space = tokenizer(GgufWriter()
                                             .text("tokenizer.ggml.model", "gpt2")
                                             .text("tokenizer.ggml.pre", "llama-bpe")
                                             .texts("tokenizer.ggml.tokens", tokens)
                                             .texts("tokenizer.ggml.merges", kMerges));
  EXPECT_EQ(with_space.encode(" "), (Ids{4}));
  EXPECT_EQ(with_space.decode(Ids{15, 4}), "  ");
}

TEST(Tokenizer, TakesSpecialTokensForPlainText) {
  EXPECT_EQ(small_tokenizer().encode("<s>a"), (Ids{1}));
  EXPECT_EQ(small_tokenizer().decode(Ids{0, 1}), "<s>a");
}

TEST(Tokenizer, FindsUserDefinedTokensBeforeWords) {
  auto tokens = kTokens;
  tokens.push_back("<think>");
  std::vector<int32_t> types(tokens.size(), 1);
  const auto with = [&](int32_t type) {
    types.back() = type;
    GgufWriter writer;
    writer.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "qwen2");
    return tokenizer(writer.texts("tokenizer.ggml.tokens", tokens)
                         .texts("tokenizer.ggml.merges", kMerges)
                         .integers("tokenizer.ggml.token_type", types));
  };
  EXPECT_EQ(with(4).encode("ab<think>b"), (Ids{5, 15, 2}));
  EXPECT_FALSE(with(4).is_special(15));
  EXPECT_EQ(with(4).decode(Ids{15}), "<think>");
  EXPECT_EQ(with(3).encode("ab<think>b"), (Ids{5, 2}));  // no other character of it is a token
  EXPECT_NE(with(3).fingerprint(), with(4).fingerprint());
}

TEST(Tokenizer, UserDefinedTokensAreText) {
  auto tokens = kTokens;
  tokens.push_back("\xa9");  // the end of a character
  std::vector<int32_t> types(tokens.size(), 1);
  types.back() = 4;
  auto writer = GgufWriter().text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "gpt-2");
  writer.texts("tokenizer.ggml.tokens", tokens)
      .texts("tokenizer.ggml.merges", kMerges)
      .integers("tokenizer.ggml.token_type", types);
  expect_error([&] { tokenizer(writer); }, "is no UTF-8");
}

TEST(AddedTokens, TheLongestThatBeginsFirstIsFound) {
  AddedTokens added;
  int32_t id = 0;
  for (const auto* text : {"ab", "abcd", "bcde", "", "ab"}) added.add({.text = text, .id = id++});
  const auto found = [&](std::string_view text) {
    std::string found;
    added.split(
        text, [&](std::string_view part) { found += std::string(part) + " "; },
        [&](int32_t i) { found += std::to_string(i) + " "; });
    return found;
  };
  EXPECT_EQ(found("xabcabcde"), "x 0 c 1 e ");
  EXPECT_EQ(found("abbcde"), "0 2 ");
  EXPECT_EQ(found("bcd"), "bcd ");
  EXPECT_EQ(found(""), "");
}

TEST(Tokenizer, BosIsAddedAsLlamaCppAddsIt) {
  const auto adds = [](const char* pre) { return small_tokenizer(pre).adds_bos(); };
  EXPECT_TRUE(adds("llama-bpe"));
  for (const auto* pre : {"gpt-2", "smollm", "qwen2", "smaug-bpe", "dbrx"}) EXPECT_FALSE(adds(pre)) << pre;
  auto silent = small_vocabulary("llama-bpe").texts("tokenizer.ggml.merges", kMerges);
  EXPECT_FALSE(tokenizer(silent.boolean("tokenizer.ggml.add_bos_token", false)).adds_bos());
}

TEST(Tokenizer, WholeWordsOfLlama3AreNotSplit) {
  const auto writer = [](const std::string& pre) {
    return small_vocabulary(pre).texts("tokenizer.ggml.merges", {"b c"});  // no way to "abc"
  };
  EXPECT_EQ(tokenizer(writer("llama-bpe")).encode("abc"), (Ids{6}));
  for (const auto* name : {"gpt-2", "smaug-bpe", "dbrx"}) {
    EXPECT_EQ(tokenizer(writer(name)).encode("abc"), (Ids{1, 8})) << name;
  }
}

TEST(Tokenizer, KnowsItsSpecialTokens) {
  std::vector<int32_t> types(kTokens.size(), 1);
  types[0] = 3;
  types[5] = 5;
  const Tokenizer tokens = tokenizer(small_vocabulary()
                                         .texts("tokenizer.ggml.merges", kMerges)
                                         .integers("tokenizer.ggml.token_type", types)
                                         .unsigned_integer("tokenizer.ggml.bos_token_id", 0)
                                         .boolean("tokenizer.ggml.add_bos_token", true));
  EXPECT_EQ(tokens.vocabulary_size(), 15);
  EXPECT_EQ(tokens.bos(), 0);
  EXPECT_EQ(tokens.eos(), std::nullopt);
  EXPECT_TRUE(tokens.adds_bos());
  EXPECT_TRUE(tokens.is_special(0));
  EXPECT_TRUE(tokens.is_special(5));
  EXPECT_FALSE(tokens.is_special(1));
  EXPECT_FALSE(tokens.is_special(-1));
  EXPECT_FALSE(tokens.is_special(15));
}

TEST(Tokenizer, RefusesIdsOutsideTheVocabulary) {
  expect_error([] { (void)small_tokenizer().decode(Ids{15}); }, "token id 15 is not in the vocabulary of 15");
  expect_error([] { (void)small_tokenizer().decode(Ids{-1}); }, "token id -1");
}

// What a file can get wrong.

void expect_refused(const GgufWriter& writer, const std::string& part) {
  expect_error([&] { tokenizer(writer); }, part);
}

TEST(Tokenizer, RefusesOtherKinds) {
  expect_refused(GgufWriter(), "metadata 'tokenizer.ggml.model' is missing");
  expect_refused(GgufWriter().text("tokenizer.ggml.model", "t5"),
                 "tokenizer 't5' is neither byte-level BPE nor SentencePiece's (test.gguf)");
  expect_refused(GgufWriter().text("tokenizer.ggml.model", "gpt2"), "metadata 'tokenizer.ggml.pre' is missing");
  expect_refused(small_vocabulary("viking"),
                 "pre-tokenizer 'viking' is not known (test.gguf): use a model with one of gpt-2, smollm");
}

TEST(Tokenizer, RefusesBrokenTables) {
  expect_refused(small_vocabulary(), "metadata 'tokenizer.ggml.merges' is missing");
  expect_refused(small_vocabulary().texts("tokenizer.ggml.merges", {"ab"}), "merge 'ab' is not a pair");
  expect_refused(small_vocabulary().texts("tokenizer.ggml.merges", {"a x"}), "merge 'a x' gives or takes");
  expect_refused(small_vocabulary().texts("tokenizer.ggml.merges", {"c c"}), "merge 'c c' gives or takes");
  const auto whole = [] { return small_vocabulary().texts("tokenizer.ggml.merges", kMerges); };
  expect_refused(whole().integers("tokenizer.ggml.token_type", {1, 1}), "2 token types for 15 tokens");
  expect_refused(whole().unsigned_integer("tokenizer.ggml.bos_token_id", 15),
                 "metadata 'tokenizer.ggml.bos_token_id' is 15 in a vocabulary of 15");
  const auto with_tokens = [](const std::vector<std::string>& tokens) {
    return GgufWriter()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "smollm")
        .texts("tokenizer.ggml.tokens", tokens)
        .texts("tokenizer.ggml.merges", {});
  };
  expect_refused(with_tokens({}), "a vocabulary of 0 tokens");
  expect_refused(with_tokens({"a", "b", "a"}), "token 'a' is there twice");
}

// Merging and replacing, against the plainest way of doing it.

/// Looks through all pairs for every single merge.
std::vector<int32_t> merged_plainly(const std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>>& table,
                                    std::vector<int32_t> ids) {
  for (;;) {
    size_t best = 0;
    int best_rank = -1;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = table.find({ids[i], ids[i + 1]});
      if (found == table.end() || (best_rank >= 0 && found->second.first >= best_rank)) continue;
      best = i;
      best_rank = found->second.first;
    }
    if (best_rank < 0) return ids;
    ids[best] = table.at({ids[best], ids[best + 1]}).second;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(Merges, EqualThePlainWay) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    MergeTable table;
    std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>> plain;
    for (int rank = 0; rank < 12; ++rank) {
      const auto left = static_cast<int32_t>(random() % (3 + static_cast<unsigned>(rank)));
      const auto right = static_cast<int32_t>(random() % (3 + static_cast<unsigned>(rank)));
      table.add(left, right, 3 + rank);
      plain[{left, right}] = {rank, 3 + rank};
    }
    std::vector<int32_t> ids(random() % 60);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % 3);
    const auto expected = merged_plainly(plain, ids);
    table.apply(ids);
    EXPECT_EQ(ids, expected);
  }
}

TEST(Utf8, ReplacesMaximalSubparts) {
  const std::string kMark = "\xef\xbf\xbd";
  EXPECT_EQ(replace_invalid_utf8(""), "");
  EXPECT_EQ(replace_invalid_utf8("a\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80\n"), "a\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80\n");
  EXPECT_EQ(replace_invalid_utf8(std::string_view("\0\x7f", 2)), std::string("\0\x7f", 2));
  EXPECT_EQ(replace_invalid_utf8("\xff"), kMark);
  EXPECT_EQ(replace_invalid_utf8("\xe6\xbcx"), kMark + "x");               // breaks off
  EXPECT_EQ(replace_invalid_utf8("\xf0\x9f\x98"), kMark);                  // ends too early
  EXPECT_EQ(replace_invalid_utf8("\xc0\xaf"), kMark + kMark);              // overlong
  EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), kMark + kMark + kMark);  // a surrogate
  EXPECT_EQ(replace_invalid_utf8("\xf4\x90\x80\x80"), kMark + kMark + kMark + kMark);
  EXPECT_EQ(replace_invalid_utf8("\xf0\x9f\xf0\x9f\x98\x80"), kMark + "\xf0\x9f\x98\x80");
}

// The real vocabulary, against PyPI `tokenizers` (tests/reference/make_tokens.py).

/// The real vocabulary with another pre-tokenizer.
Tokenizer real_tokenizer(const GgufFile& file, const std::string& pre) {
  return tokenizer(GgufWriter()
                       .text("tokenizer.ggml.model", "gpt2")
                       .text("tokenizer.ggml.pre", pre)
                       .texts("tokenizer.ggml.tokens", file.require_texts("tokenizer.ggml.tokens"))
                       .texts("tokenizer.ggml.merges", file.require_texts("tokenizer.ggml.merges")));
}

void expect_reference_ids(const std::string& pre) {
  if (!fs::exists(model_file())) GTEST_SKIP() << "no " << model_file() << "; ./replicate fetches it";
  const Tokenizer tokens = real_tokenizer(GgufFile::open(model_file()), pre);
  const auto texts = golden_lines("lines.txt");
  const auto smollm = golden_lines("smollm.txt");
  const auto expected = golden_lines(pre + ".txt");
  ASSERT_EQ(texts.size(), 1000u);
  ASSERT_EQ(expected.size(), 1000u);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string& ids = expected[i] == "=" ? smollm[i] : expected[i];
    EXPECT_EQ(spelled(tokens.encode(unescaped(texts[i]))), ids) << i + 1 << ": " << texts[i];
  }
}

TEST(RealVocabulary, EqualsTheReferenceOnAThousandLinesOfSmollm) { expect_reference_ids("smollm"); }
TEST(RealVocabulary, EqualsTheReferenceOnAThousandLinesOfGpt2) { expect_reference_ids("gpt-2"); }
TEST(RealVocabulary, EqualsTheReferenceOnAThousandLinesOfLlama3) { expect_reference_ids("llama-bpe"); }
TEST(RealVocabulary, EqualsTheReferenceOnAThousandLinesOfQwen2) { expect_reference_ids("qwen2"); }

// SentencePiece's BPE.

/// Pieces: 0 unknown, 1 <s>, 2 and 3 two bytes, then a, b, ab (-2), U+2581 a, b U+2581 (-1), two spaces (user-defined).
GgufWriter small_sentencepiece(const std::vector<float>& scores = {0, 0, 0, 0, -9, -9, -2, -3, -1, 0},
                               int64_t unknown = 0) {
  GgufWriter writer;
  writer.text("tokenizer.ggml.model", "llama");
  writer.texts("tokenizer.ggml.tokens",
               {"<unk>", "<s>", "<0xC3>", "<0xA9>", "a", "b", "ab", "\u2581a", "b\u2581", "  "});
  writer.reals("tokenizer.ggml.scores", scores);
  writer.integers("tokenizer.ggml.token_type", {2, 3, 6, 6, 1, 1, 1, 1, 1, 4});
  writer.integer("tokenizer.ggml.unknown_token_id", unknown).integer("tokenizer.ggml.bos_token_id", 1);
  return writer;
}

GgufWriter without_prefix(GgufWriter writer = small_sentencepiece()) {
  return writer.boolean("tokenizer.ggml.add_space_prefix", false);
}

TEST(SentencePiece, MergesTheHighestScoreFirst) {
  const auto tokens = tokenizer(without_prefix());
  EXPECT_EQ(tokens.encode("ab"), (Ids{6}));
  EXPECT_EQ(tokens.encode("ab a"), (Ids{4, 8, 4}));  // b and the space first, so that neither ab nor the space and a
  EXPECT_EQ(tokens.decode(Ids{4, 8, 4}), "ab a");
  EXPECT_EQ(tokens.encode(""), (Ids{}));
}

TEST(SentencePiece, UserDefinedPiecesAreFoundFirst) {
  EXPECT_EQ(tokenizer(without_prefix()).encode("b  a"), (Ids{5, 9, 4}));
}

TEST(SentencePiece,
     EveryPartHasASpaceOfItsOwn) {  // as llama.cpp has it, and `tokenizers` with the prefix of every section
  const auto tokens = tokenizer(small_sentencepiece());
  EXPECT_EQ(tokens.encode("a"), (Ids{7}));
  EXPECT_EQ(tokens.encode("a  a"), (Ids{7, 9, 7}));
  EXPECT_EQ(tokens.encode("  a"), (Ids{9, 7}));
  EXPECT_EQ(tokens.encode(""), (Ids{}));
}

TEST(SentencePiece, UnknownCharactersBecomeBytesOrOneUnknown) {
  const auto tokens = tokenizer(without_prefix());
  EXPECT_EQ(tokens.encode("a\u00e9"), (Ids{4, 2, 3}));
  EXPECT_EQ(tokens.decode(Ids{2, 3}), "\u00e9");
  EXPECT_EQ(tokens.encode("a\u4e2d"), (Ids{4, 0}));
}

TEST(SentencePiece, SpecialPiecesAreNoText) {
  const auto tokens = tokenizer(without_prefix());
  EXPECT_TRUE(tokens.is_special(1));
  EXPECT_TRUE(tokens.adds_bos());
  for (const auto id : tokens.encode("<s>a")) EXPECT_NE(id, 1);
}

TEST(SentencePiece, WhatDoesNotFitTogetherIsRefused) {
  expect_error([] { tokenizer(small_sentencepiece({0, 1})); }, "2 scores and 10 kinds for 10 tokens");
  const std::vector<float> zeros(10, 0);
  expect_error([&] { tokenizer(small_sentencepiece(zeros, -1)); }, "no unknown token");
  expect_error([&] { tokenizer(small_sentencepiece(zeros, 10)); }, "unknown_token_id");
}

TEST(SentencePiece, EqualsTheReferenceOnAThousandLines) {
  const auto file = GgufFile::open(tokenizer_golden("sentencepiece.gguf"));
  expect_reference_ids(Tokenizer::from_gguf(file), "sentencepiece.txt", 1000);
}

TEST(RealFile, GivesItsOwnTokenizer) {
  if (!fs::exists(model_file())) GTEST_SKIP() << "no " << model_file() << "; ./replicate fetches it";
  const Tokenizer tokens = Tokenizer::from_gguf(GgufFile::open(model_file()));
  EXPECT_EQ(tokens.vocabulary_size(), 49152);
  EXPECT_EQ(tokens.bos(), 1);
  EXPECT_EQ(tokens.eos(), 2);
  EXPECT_FALSE(tokens.adds_bos());
  EXPECT_TRUE(tokens.is_special(0));
  EXPECT_EQ(tokens.decode(tokens.encode("Hello 你好 42!\n")), "Hello 你好 42!\n");
}

}  // namespace
}  // namespace replicate
