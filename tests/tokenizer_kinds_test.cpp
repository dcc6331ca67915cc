// The kinds of tokenizer that models on Hugging Face come with, against the libraries that made them
// (tests/reference/make_tokenizer_kinds.py and make_sentencepiece.py).

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "models/formats/sha256.h"
#include "models/formats/tokenizer.h"
#include "tests/byte_tokenizer.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"
#include "tests/tokenizer_lines.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;
using Ids = std::vector<int64_t>;

constexpr size_t kDigits = 8;

json json_in(const std::string& name) {
  std::ifstream file(tokenizer_golden(name));
  return json::parse(file);
}

ordered_json kinds() {
  std::ifstream file(tokenizer_golden("kinds.json"));
  return ordered_json::parse(file);
}

Tokenizer tokenizer_of(const std::string& kind) {
  const auto description = kinds().at(kind);
  auto file = json_in(description.at("base").get<std::string>() + ".json");
  file.merge_patch(json(description.at("patch")));
  return Tokenizer::from_json_text(file.dump(), kind);
}

std::vector<std::string> names_of_kinds() {
  const auto all = kinds();
  std::vector<std::string> names;
  for (const auto& [name, description] : all.items()) names.push_back(name);
  return names;
}

/// Of each line of lines.txt.
std::vector<std::string> digests_of(const std::string& kind) {
  const auto names = names_of_kinds();
  const auto column = static_cast<size_t>(std::find(names.begin(), names.end(), kind) - names.begin());
  std::vector<std::string> digests;
  for (const auto& line : golden_lines("kinds.txt")) digests.push_back(line.substr(column * (kDigits + 1), kDigits));
  return digests;
}

class TokenizerKind : public testing::TestWithParam<std::string> {};

TEST_P(TokenizerKind, EqualsTheReferenceOnAThousandLines) {
  const auto tokenizer = tokenizer_of(GetParam());
  const auto texts = golden_lines("lines.txt");
  const auto expected = digests_of(GetParam());
  ASSERT_EQ(texts.size(), 1000u);
  ASSERT_EQ(expected.size(), 1000u);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (expected[i] == std::string(kDigits, '-')) continue;
    const auto ids = spelled(tokenizer.encode(unescaped(texts[i])));
    EXPECT_EQ(sha256_hex(ids).substr(0, kDigits), expected[i]) << i + 1 << ": " << texts[i] << " -> " << ids;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerKind, testing::ValuesIn(names_of_kinds()), [](const auto& info) {
  auto name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(TokenizerKinds, SayWhetherTextsBeginWithBos) {
  EXPECT_TRUE(tokenizer_of("llama-2").adds_bos());
  EXPECT_FALSE(tokenizer_of("mistral").adds_bos());
}

TEST(TokenizerKinds, DecodeMarksAndBytes) {
  const auto tokenizer = tokenizer_of("gemma");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("In the\n\n\u4e2d \u00e9")), "In the\n\n\u4e2d \u00e9");
}

TEST(TokenizerKinds, RefuseWhatDoesNotFitTogether) {
  const auto refused = [](const std::string& base, const json& patch, const std::string& why) {
    auto file = json_in(base + ".json");
    file.merge_patch(patch);
    expect_error([&] { Tokenizer::from_json_text(file.dump(), "test.json"); }, why);
  };
  refused("unigram", {{"model", {{"unk_id", 100000}}}}, "unk_id is not in the vocabulary");
  refused("unigram", {{"model", {{"vocab", json::array({{"a", "b"}})}}}}, "a list of pieces with scores");
  refused("unigram", {{"model", {{"vocab", json::array()}}}}, "a list of pieces with scores");
  refused("characters", {{"model", {{"unk_token", "nowhere"}}}}, "the unknown token 'nowhere' is not in the vocabulary");
  refused("characters", {{"pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "last"}}}}, "the prefix scheme 'last'");
}

// Folders.

class TokenizerFolder : public testing::Test {
 protected:
  TokenizerFolder() { folder_.write("tokenizer.json", byte_tokenizer_json().dump()); }
  TemporaryFolder folder_;
};

TEST_F(TokenizerFolder, NamesBosAndEos) {
  EXPECT_EQ(Tokenizer::from_folder(folder_.path(), 257).bos(), 0);
  folder_.write("tokenizer_config.json", R"({"bos_token": null, "eos_token": {"content": "a"}})");
  const auto tokenizer = Tokenizer::from_folder(folder_.path(), 257);
  EXPECT_EQ(tokenizer.bos(), std::nullopt);
  EXPECT_EQ(tokenizer.eos(), 1 + 'a');
}

TEST_F(TokenizerFolder, MayHaveFewerTokensThanTheModelHasRows) {
  EXPECT_EQ(Tokenizer::from_folder(folder_.path(), 300).vocabulary_size(), 257);
  expect_error([&] { Tokenizer::from_folder(folder_.path(), 200); }, "cannot be shortened");
}

TEST(TokenizerFolders, HoldATokenizer) {
  const TemporaryFolder folder;
  expect_error([&] { Tokenizer::from_folder(folder.path(), 300); }, "neither tokenizer.json nor tokenizer.model");
}

// SentencePiece's own files.

#ifdef REPLICATE_SENTENCEPIECE
TEST(SentencePieceFile, EqualsTheReferenceOnAThousandLines) {
  const auto bpe = Tokenizer::from_sentencepiece(tokenizer_golden("sentencepiece.model"));
  expect_reference_ids(bpe, "sentencepiece.txt", 1000);
  EXPECT_EQ(bpe.bos(), 1);
  EXPECT_EQ(bpe.eos(), 2);
  EXPECT_TRUE(bpe.is_special(0));
  EXPECT_FALSE(bpe.is_special(bpe.encode("\u4e2d").front()));
  EXPECT_EQ(bpe.decode(bpe.encode("In the\u4e2d")), "In the\u4e2d");
  expect_reference_ids(Tokenizer::from_sentencepiece(tokenizer_golden("sentencepiece-unigram.model")),
                       "sentencepiece-unigram.txt", 1000);
}

TEST(SentencePieceFile, IsFoundInAFolder) {
  const TemporaryFolder folder;
  fs::copy_file(tokenizer_golden("sentencepiece.model"), folder / "tokenizer.model");
  EXPECT_EQ(Tokenizer::from_folder(folder.path(), 700).vocabulary_size(), 700);
  expect_error([&] { Tokenizer::from_folder(folder.path(), 699); }, "tokenizer.model has 700 tokens, the model 699");
}

TEST(SentencePieceFile, IsRefusedWhenDamaged) {
  expect_error([] { Tokenizer::from_sentencepiece_bytes("no model", "test.model"); }, "not a model of SentencePiece");
  expect_error([] { Tokenizer::from_sentencepiece_bytes("", "test.model"); }, "not a model of SentencePiece");
}
#else
TEST(SentencePieceFile, NeedsTheLibrary) {
  expect_error([] { Tokenizer::from_sentencepiece_bytes("", "test.model"); }, "without the SentencePiece library");
}
#endif

}  // namespace
}  // namespace replicate
