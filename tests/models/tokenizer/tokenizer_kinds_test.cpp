// The kinds of tokenizer that models on Hugging Face come with, against the libraries that made them
// (tests/reference/make_tokenizer_kinds.py and make_sentencepiece.py).

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/sha256.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tokenizer_lines.h"

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
  refused("characters", {{"model", {{"unk_token", "nowhere"}}}},
          "the unknown token 'nowhere' is not in the vocabulary");
  refused("characters", {{"pre_tokenizer", {{"type", "Metaspace"}, {"prepend_scheme", "last"}}}},
          "the prefix scheme 'last'");
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

/// The tokenizer's own files go before the configuration's number, and a null in them is an answer.
TEST_F(TokenizerFolder, BosIsNamedByAnyOfFourFiles) {
  const std::string eos = R"({"eos_token": "a"})", none = R"({"bos_token": null})", b = R"({"bos_token": "b"})",
                    c = R"({"bos_token_id": 100})";
  struct Case {
    std::string tokenizer_config, special_tokens_map, generation_config, config;
    std::optional<int64_t> bos;
  };
  for (const auto& [tokenizer_config, special_tokens_map, generation_config, config, bos] :
       {Case{b, none, c, c, 1 + 'b'}, Case{none, b, c, c, std::nullopt}, Case{eos, b, c, "{}", 1 + 'b'},
        Case{"", b, "", c, 1 + 'b'}, Case{eos, "", c, R"({"bos_token_id": 5})", 100}, Case{"", "", "", c, 100},
        Case{eos, eos, "{}", c, 100}, Case{eos, "", "", "{}", std::nullopt},
        Case{"", "", "", R"({"bos_token_id": 5000})", std::nullopt},
        Case{"", "", "", R"({"bos_token_id": null, "x": NaN})", 0}}) {
    for (const auto& [name, text] : {std::pair{"tokenizer_config.json", tokenizer_config},
                                     {"special_tokens_map.json", special_tokens_map},
                                     {"generation_config.json", generation_config},
                                     {"config.json", config}}) {
      fs::remove(folder_ / name);
      if (!text.empty()) folder_.write(name, text);
    }
    EXPECT_EQ(Tokenizer::from_folder(folder_.path(), 257).bos(), bos)
        << tokenizer_config << special_tokens_map << generation_config << config;
  }
}

TEST_F(TokenizerFolder, MayHaveFewerTokensThanTheModelHasRows) {
  EXPECT_EQ(Tokenizer::from_folder(folder_.path(), 300).vocabulary_size(), 257);
}

TEST_F(TokenizerFolder, HasNoMoreTokensThanTheModelHasRows) {
  auto file = byte_tokenizer_json({{"a", "b"}, {"ab", "c"}});
  folder_.write("tokenizer.json", file.dump());
  expect_error([&] { Tokenizer::from_folder(folder_.path(), 258); }, "tokenizer.json has 259 tokens, the model 258");
  folder_.write("recipe.txt", "");  // a run of `replicate train`, with a beginning of the tokenizer
  EXPECT_EQ(Tokenizer::from_folder(folder_.path(), 258).encode("abc"), (Ids{257, 1 + 'c'}));
}

TEST_F(TokenizerFolder, MayHaveSpecialTokensWithoutARow) {
  auto file = byte_tokenizer_json();
  file["added_tokens"].push_back({{"id", 257}, {"content", "<image>"}, {"special", true}});
  folder_.write("tokenizer.json", file.dump());
  EXPECT_EQ(Tokenizer::from_folder(folder_.path(), 257).encode("<image>").size(), 7u);
  expect_error([&] { Tokenizer::from_folder(folder_.path(), 256); }, "tokenizer.json has 258 tokens, the model 256");
}

TEST(TokenizerFolders, HoldATokenizer) {
  const TemporaryFolder folder;
  expect_error([&] { Tokenizer::from_folder(folder.path(), 300); },
               "neither tokenizer.json nor tokenizer.model, nor vocab.json");
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
  EXPECT_TRUE(Tokenizer::from_folder(folder.path(), 700).adds_bos());
  folder.write("tokenizer_config.json", R"({"add_bos_token": false})");
  EXPECT_FALSE(Tokenizer::from_folder(folder.path(), 700).adds_bos());
  expect_error([&] { Tokenizer::from_folder(folder.path(), 699); }, "tokenizer.model has 700 tokens, the model 699");
}

TEST(SentencePieceFile, IsRefusedWhenDamaged) {
  expect_error([] { Tokenizer::from_sentencepiece_bytes("no model", "test.model"); }, "not a model of SentencePiece");
  expect_error([] { Tokenizer::from_sentencepiece_bytes("", "test.model"); }, "not a model of SentencePiece");
}

// What the library would crash on: see check_sentencepiece_model. Messages are made by hand, as protocol buffers spell
// them.

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value > 0x7f; value >>= 7) bytes += static_cast<char>(0x80 | (value & 0x7f));
  return bytes + static_cast<char>(value);
}

std::string field(uint32_t number, uint64_t value) { return varint(number << 3) + varint(value); }
std::string field(uint32_t number, const std::string& bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}

enum PieceType : uint64_t { kNormal = 1, kUnknown = 2, kUserDefined = 4 };

std::string piece(const std::string& text, PieceType type = kNormal) {
  return field(1, field(1, text) + field(3, type));
}

/// Pieces <unk> and a, and rules of the normalizer.
std::string model_with(const std::string& rules) {
  return piece("<unk>", kUnknown) + piece("a") + field(3, field(2, rules) + field(3, uint64_t{0}));
}

/// A double array (see Unit in sentencepiece_check.cpp) with one rule, for A: the root's base is 1, where A is the unit
/// 0x40, whose base is 2. All other units have labels that no byte is.
std::vector<uint32_t> one_rule() {
  std::vector<uint32_t> units(256, 1U << 31);
  units[0] = 1 << 10;
  units[0x40] = 0x42 << 10 | 1 << 8 | 'A';
  return units;
}

std::string rules(std::vector<uint32_t> units, const std::string& texts = std::string("a\0", 2),
                  uint32_t more_bytes = 0) {
  const auto bytes = static_cast<uint32_t>(units.size() * sizeof(uint32_t));
  units.insert(units.begin(), bytes + more_bytes);
  return std::string(reinterpret_cast<const char*>(units.data()), units.size() * sizeof(uint32_t)) + texts;
}

std::string rules_with(size_t unit, uint32_t bits) {
  auto units = one_rule();
  units[unit] = bits;
  return rules(units);
}

void expect_no_model(const std::string& bytes, const std::string& part) {
  expect_error([&] { Tokenizer::from_sentencepiece_bytes(bytes, "test.model"); },
               "not a model of SentencePiece, " + part);
}

TEST(SentencePieceFile, HasRules) {
  EXPECT_EQ(Tokenizer::from_sentencepiece_bytes(model_with(rules(one_rule())), "test.model").encode("aAb"),
            (Ids{1, 1, 0}));
  // Made by PyPI `sentencepiece`, whose ids these are.
  const auto tokenizer =
      Tokenizer::from_sentencepiece(source_folder() / "tests/fuzz/corpus/tokenizer_model/rules.model");
  EXPECT_EQ(tokenizer.encode("the \ufb01ne SEA"), (Ids{6, 10, 9, 8, 6, 14, 15, 12, 8, 6, 0, 7}));
  EXPECT_EQ(tokenizer.encode("ABA\uff21 seeds\u200bsea"), (Ids{6, 7, 0, 7, 7, 6, 5, 13, 3, 7}));
}

TEST(SentencePieceFile, RulesStayWithinTheirTable) {
  constexpr uint32_t kFar = 0x1fffffU << 10;
  expect_no_model(model_with(rules_with(0, kFar)), "a rule that leads out of the table");
  expect_no_model(model_with(rules_with(0, 1U << 31 | kFar)), "a rule that leads out of the table");
  expect_no_model(model_with(rules_with(0x40, kFar | 'A')), "a rule that leads out of the table");
  expect_no_model(model_with(rules(std::vector<uint32_t>(255, 1U << 31))), "a rule that leads out of the table");
  expect_no_model(model_with(rules(one_rule(), "", 4)), "rules of a wrong size");  // as many bytes as there are in all
  expect_no_model(model_with(rules(one_rule(), "a", 1)), "rules of a wrong size");
  expect_no_model(model_with(rules({})), "rules of a wrong size");
  expect_no_model(model_with("\1"), "rules that break off");
}

TEST(SentencePieceFile, RulesGiveAShortText) {
  expect_no_model(model_with(rules_with(2, 1U << 31 | 2)), "a rule that gives no text");
  expect_no_model(model_with(rules(one_rule(), "a")), "a rule without an end");
  expect_no_model(model_with(rules(one_rule(), std::string(5000, 'a') + '\0')), "a rule that gives 5000 bytes");
}

TEST(SentencePieceFile, RulesAreNotNestedDeep) {
  auto endless = one_rule();
  endless[0x40] = 0x41 << 10 | 1 << 8 | 'A';  // back to the root's base: A, AA, AAA ...
  expect_no_model(model_with(rules(endless)), "rules within rules");
  const auto nested = [](size_t count) {
    std::string model = piece("<unk>", kUnknown);
    for (size_t size = 1; size <= count; ++size) model += piece(std::string(size, 'a'), kUserDefined);
    return model;
  };
  EXPECT_EQ(Tokenizer::from_sentencepiece_bytes(nested(64), "test.model").vocabulary_size(), 65);
  expect_no_model(nested(65), "user-defined pieces within pieces");
}

TEST(SentencePieceFile, PiecesAreShort) {
  const auto with = [](size_t size) { return piece("<unk>", kUnknown) + piece("a") + piece(std::string(size, 'b')); };
  EXPECT_EQ(Tokenizer::from_sentencepiece_bytes(with(4096), "test.model").vocabulary_size(), 3);
  expect_no_model(with(200'000), "a piece of 200000 bytes");
}

TEST(SentencePieceFile, IsAWholeMessage) {
  const auto model = model_with(rules(one_rule()));
  expect_no_model(model.substr(0, model.size() - 1), "a damaged message");
  expect_no_model(model + "\x0b\x0c", "a damaged message");  // a group
  expect_no_model(model + std::string("\0\0", 2), "a damaged message");
  expect_no_model(model + "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a damaged message");
}
#else
TEST(SentencePieceFile, NeedsTheLibrary) {
  expect_error([] { Tokenizer::from_sentencepiece_bytes("", "test.model"); }, "without the SentencePiece library");
}
#endif

}  // namespace
}  // namespace replicate
