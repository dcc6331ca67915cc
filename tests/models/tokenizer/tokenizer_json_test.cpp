#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "models/tokenizer/byte_level.h"
#include "models/tokenizer/text_steps.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/support/assets.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tokenizer_lines.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Ids = std::vector<int64_t>;

Tokenizer from(const json& file, std::optional<int64_t> vocabulary = {}) {
  return Tokenizer::from_json_text(file.dump(), "test.json", vocabulary);
}

const std::vector<std::pair<std::string, std::string>> kMergePairs = {
    {"a", "b"}, {"ab", "c"}, {"Ġ", "abc"}, {"1", "2"}};

TEST(TokenizerJson, ReadsBytesMergesAndSpecialTokens) {
  const Tokenizer tokenizer = byte_tokenizer(kMergePairs);
  EXPECT_EQ(tokenizer.vocabulary_size(), 261);
  EXPECT_EQ(tokenizer.encode("abc abc"), (Ids{258, 259}));
  EXPECT_EQ(tokenizer.encode("ab12"), (Ids{257, 260}));
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.eos(), 0);
  EXPECT_FALSE(tokenizer.adds_bos());
  EXPECT_TRUE(tokenizer.is_special(0));
  EXPECT_FALSE(tokenizer.is_special(1));
}

TEST(TokenizerJson, RoundTripsEveryByteOfText) {
  const Tokenizer tokenizer = byte_tokenizer();
  const std::string text = "Hello\t \n 你好 😀 <|endoftext|> \x7f é";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  EXPECT_EQ(tokenizer.encode(text).size(), text.size());
  EXPECT_EQ(tokenizer.encode("\n"), (Ids{11}));
}

TEST(TokenizerJson, TakesMergesAsTexts) {
  json file = byte_tokenizer_json(kMergePairs);
  file["model"]["merges"] = {"a b", "ab c", "Ġ abc", "1 2"};
  EXPECT_EQ(from(file).encode("abc abc"), (Ids{258, 259}));
  EXPECT_EQ(from(file).fingerprint(), byte_tokenizer(kMergePairs).fingerprint());
}

TEST(TokenizerJson, DoesWithoutAnEndOfText) {
  json file = byte_tokenizer_json();
  file["added_tokens"] = json::array();
  file["model"]["vocab"].erase("<|endoftext|>");
  file["model"]["vocab"]["another"] = 0;
  EXPECT_EQ(from(file).bos(), std::nullopt);
  EXPECT_EQ(from(file).eos(), std::nullopt);
  EXPECT_FALSE(from(file).is_special(0));
}

TEST(TokenizerJson, TakesAddedTokensBehindTheVocabulary) {
  json file = byte_tokenizer_json();
  file["added_tokens"].push_back({{"id", 257}, {"content", "<pad>"}, {"special", true}});
  EXPECT_EQ(from(file).vocabulary_size(), 258);
  EXPECT_TRUE(from(file).is_special(257));
  EXPECT_EQ(from(file).decode(Ids{257}), "<pad>");
}

TEST(TokenizerJson, TakesAddedTokensBehindPiecesWithScores) {  // ids as `tokenizers` gives them
  const auto file = json::parse(R"({
    "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 4, "content": "<extra>"}],
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true},
    "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["▁", -1], ["a", -2.5], ["▁a", -3]]}})");
  EXPECT_EQ(from(file).encode("a<extra>a"), (Ids{3, 4, 2}));
  EXPECT_EQ(from(file).encode("a <extra"), (Ids{3, 1, 0, 2}));
}

TEST(TokenizerJson, KeepsABeginningOfTheVocabulary) {
  const json file = byte_tokenizer_json(kMergePairs);
  const Tokenizer shorter = from(file, 258);
  EXPECT_EQ(shorter.vocabulary_size(), 258);
  EXPECT_EQ(shorter.encode("abc"), (Ids{257, 1 + 'c'}));
  EXPECT_EQ(from(file, 261).fingerprint(), from(file).fingerprint());
  EXPECT_NE(shorter.fingerprint(), from(file).fingerprint());
  EXPECT_EQ(shorter.fingerprint(), byte_tokenizer({{"a", "b"}}).fingerprint());
  EXPECT_EQ(from(file, 257).encode("ab"), (Ids{1 + 'a', 1 + 'b'}));
}

TEST(TokenizerJson, RefusesToShortenWhereTokensWouldBeLost) {
  json file = byte_tokenizer_json(kMergePairs);
  expect_error([&] { from(file, 256); }, "some single byte has no token left");
  expect_error([&] { from(file, 0); }, "0 tokens of a vocabulary of 261");
  expect_error([&] { from(file, 262); }, "262 tokens of a vocabulary of 261");
  json late = file;
  late["added_tokens"].push_back({{"id", 261}, {"content", "<pad>"}, {"special", true}});
  EXPECT_EQ(from(late, 260).vocabulary_size(), 260);  // text never gives what is lost
  json end = byte_tokenizer_json(kMergePairs);
  end["model"]["vocab"]["<|endoftext|>"] = 261;
  end["added_tokens"][0]["id"] = 261;
  end["model"]["vocab"]["other"] = 0;
  expect_error([&] { from(end, 260); }, "token '<|endoftext|>' is lost");
  std::swap(file["model"]["merges"][0], file["model"]["merges"][3]);
  EXPECT_NO_THROW(from(file));
  expect_error([&] { from(file, 258); }, "merges that are not in the order of their ids");
}

TEST(TokenizerJson, KeepsWhatASplitLeavesBetweenItsMatches) {
  json file = byte_tokenizer_json(kMergePairs);
  const json split = {
      {"type", "Split"}, {"pattern", {{"Regex", "[0-9]+"}}}, {"behavior", "Isolated"}, {"invert", false}};
  json bytes = file["pre_tokenizer"];
  bytes["use_regex"] = false;
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}};
  EXPECT_EQ(from(file).encode("ab12abc"), (Ids{257, 260, 258}));
  EXPECT_EQ(from(file).encode("abc"), (Ids{258}));
}

TEST(TokenizerJson, AnchorsOfASplitAreThoseOfLines) {  // words as `tokenizers` gives them
  const auto words = [](const char* pattern) {
    std::vector<std::string> words;
    split_by(words_of(pattern).splitters, {"a \nb c", true}, [&](const Piece& word) { words.emplace_back(word.text); });
    return words;
  };
  EXPECT_EQ(words(R"(\s+$)"), (std::vector<std::string>{"a", " ", "\nb c"}));
  EXPECT_EQ(words("^b"), (std::vector<std::string>{"a \n", "b", " c"}));
}

TEST(ByteLevel, SpellsWhiteSpaceOut) {
  EXPECT_EQ(with_white_space(R"([^\s\p{L}]|\s+(?!\S)|\\s)"),
            R"([^\p{Z}\t-\r\x{85}\p{L}]|[\p{Z}\t-\r\x{85}]+(?![^\p{Z}\t-\r\x{85}])|\\s)");
  expect_error([] { (void)with_white_space(R"([\S])"); }, "\\S in brackets is not supported");
}

// What a file can get wrong.

void expect_rejected(const json& file, const std::string& part) {
  expect_error([&] { from(file); }, part);
}

/// A sound file with the value at a JSON pointer replaced.
json changed(const std::string& pointer, const json& value) {
  json file = byte_tokenizer_json(kMergePairs);
  file[json::json_pointer(pointer)] = value;
  return file;
}

TEST(TokenizerJson, RefusesOtherKinds) {
  expect_rejected(changed("/model/type", "WordPiece"), "a model of kind 'WordPiece' is not supported");
  expect_rejected(changed("/model/type", "Unigram"), "Unigram on bytes is not supported");
  expect_rejected(changed("/normalizer", {{"type", "Precompiled"}}), "normalizer 'Precompiled' is not supported");
  expect_rejected(changed("/model/dropout", 0.1), "dropout of merges is not supported");
  expect_rejected(changed("/model/end_of_word_suffix", "</w>"), "end_of_word_suffix is not supp");
  expect_rejected(changed("/pre_tokenizer/type", "Whitespace"), "pre-tokenizer 'Whitespace' is not");
  expect_rejected(changed("/added_tokens/0", {{"id", 0}, {"content", "x"}, {"special", false}, {"lstrip", true}}),
                  "added_tokens.lstrip of 'x' is not supported");
  expect_rejected(changed("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {1, 2, 3}}}),
                  "the file.pre_tokenizer.pretokenizers is not an object");
  json many = {{"type", "Sequence"}, {"pretokenizers", json::array()}};
  for (int i = 0; i < 17; ++i) many["pretokenizers"].push_back({{"type", "Digits"}});
  expect_rejected(changed("/pre_tokenizer", many), "more than 16 steps");
}

TEST(TokenizerJson, RefusesBrokenTables) {
  expect_rejected(changed("/model/merges/0", "ab"), "a merge that is not a pair");
  expect_rejected(changed("/model/merges/0", {"a"}), "a merge that is not a pair");
  expect_rejected(changed("/model/merges/0", {"a", 1}), "a merge that is not a pair");
  expect_rejected(changed("/model/merges/0", {"b", "b"}), "merge 'b b' gives or takes an unknown");
  expect_rejected(changed("/model/merges", 1), "the file.model.merges is not a list");
  expect_rejected(changed("/model/vocab", json::array()), "vocab is not an object");
  expect_rejected(changed("/model/vocab", json::object()), "gives or takes an unknown token");
  expect_rejected(changed("/model/vocab/a", 5), "token id 5 is there twice");
  expect_rejected(changed("/model/vocab/a", 1000), "is missing");
  expect_rejected(changed("/model/vocab/a", -1), "the id of token 'a' is not a number in range");
  expect_rejected(changed("/model/vocab/a", 1.5), "not a number in range");
  expect_rejected(changed("/model/vocab/a", uint64_t{1} << 40), "not a number in range");
  expect_rejected(changed("/added_tokens/0/id", 1), "token id 1 is there twice");
  expect_rejected(changed("/added_tokens/0", 1), "added_tokens is not an object");
  expect_rejected(changed("/added_tokens", 1), "the file.added_tokens is not a list");
  expect_rejected(changed("/model", nullptr), "the file.model is missing");
  expect_rejected(json::array(), "the file is not an object");
}

TEST(TokenizerJson, RefusesBrokenSplits) {
  const auto with_split = [](const json& split) {
    const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
    return changed("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}});
  };
  const auto split = [](const json& pattern, const std::string& behavior = "Isolated") {
    return json{{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}};
  };
  expect_rejected(with_split(split({{"Regex", "("}})), "malformed pattern '('");
  for (const auto* broken : {"\\C", "\\", "\\p{"})
    expect_rejected(with_split(split({{"Regex", broken}})), "malformed pattern");
  for (const auto* other :
       {R"(\p{N}{1,3}+)", "a{,2}", R"([\p{L}&&a-z])", R"([a[bc]])", "[[:alpha:]]", R"(\h+)", R"(\p{L}\H)", R"(\w+)",
        R"(\pL+)", R"(\v)", R"(\Qa\E)", R"(a\b)", "(?m:.)", "(?im:.)", "(?-m:^)b", "x(?i)a|b"}) {
    expect_rejected(with_split(split({{"Regex", other}})), "in the pattern");
  }
  for (const auto* known : {"(?i)a|b", "(?i:'s|'t)", R"([^\r\n\p{L}&]?+\p{L}+)",
                            R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]+)", R"(\s+(?!\S)|\s{2}|\x{41}+)"}) {
    EXPECT_NO_THROW(from(with_split(split({{"Regex", known}})))) << known;
  }
  expect_rejected(with_split(split({{"String", ""}})), "an empty pattern");
  expect_rejected(with_split(split({{"Other", " "}})), "pattern.String is missing");
  expect_rejected(with_split(split({{"Regex", std::string(20'000, 'a')}})), "a very long pattern");
  expect_rejected(with_split(split({{"Regex", "a"}}, "Contiguous")), "a Split that is 'Contiguous'");
  expect_rejected(changed("/pre_tokenizer",
                          {{"type", "Sequence"}, {"pretokenizers", {{{"type", "ByteLevel"}}, {{"type", "Digits"}}}}}),
                  "a pre-tokenizer after ByteLevel");
}

/// A text goes through these steps, and what is left goes through bytes.
json with_steps(const json& normalizers, const json& pattern) {
  auto file = changed("/normalizer", {{"type", "Sequence"}, {"normalizers", normalizers}});
  const json split = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}};
  return file;
}

TEST(TokenizerJson, APatternWithoutAnEndIsGivenUp) {
  const auto encode = [](const std::string& pattern) {
    (void)from(with_steps(json::array(), pattern)).encode(std::string(40, 'a'));
  };
  expect_error([&] { encode(R"((?(DEFINE)(a\K))(?=(?1)))"); }, "a match goes back");    // ends before it begins
  expect_error([&] { encode(R"((?(DEFINE)(\Ka))(?<=(?1))a)"); }, "a match goes back");  // begins within the last one
  expect_error([&] { encode(R"((?:(?:.|.){22}\x01|.))"); }, "match limit exceeded");    // 2^22 ways at every character
  expect_error([&] { encode("(*NO_JIT)a"); }, "malformed pattern '(*NO_JIT)a'");
  EXPECT_NO_THROW(encode(R"(\(*a|a\K)"));
}

TEST(TokenizerJson, AnOrdinaryPatternGoesBackThroughALongRun) {
  const std::string spaces(100'000, ' ');
  EXPECT_EQ(from(with_steps(json::array(), R"(\s*[\r\n]+|\s+)")).encode(spaces).size(), spaces.size());
}

TEST(TokenizerJson, StepsThatBlowUpATextAreGivenUp) {
  const json step = {{"type", "Replace"}, {"pattern", {{"String", "e"}}}, {"content", std::string(10, 'e')}};
  auto file = with_steps(json(12, step), "e");
  expect_error([&] { (void)from(file).encode("e"); }, "the tokenizer blows up 1 bytes");
  file["added_tokens"].push_back({{"id", 261}, {"content", "<e>"}, {"special", false}, {"normalized", true}});
  expect_error([&] { from(file); }, "the tokenizer blows up 3 bytes");
  EXPECT_EQ(from(with_steps(json::array({step}), "e")).encode(std::string(1000, 'e')).size(), 10'000u);
}

TEST(TokenizerJson, SplitsThatBlowUpATextAreGivenUp) {
  const json twice = {{"type", "Metaspace"}, {"replacement", "  "}, {"prepend_scheme", "never"}, {"split", true}};
  auto file = changed("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", json(16, twice)}});
  expect_error([&] { (void)from(file).encode(" a"); }, "the tokenizer blows up 2 bytes");
  file["pre_tokenizer"]["pretokenizers"] = json(2, twice);
  EXPECT_NO_THROW((void)from(file).encode(" a"));
}

TEST(TokenizerJson, RefusesHostileJson) {
  const auto rejected = [](const std::string& text, const std::string& part) {
    expect_error([&] { Tokenizer::from_json_text(text, "test.json"); }, part);
  };
  rejected("", "malformed JSON");
  rejected("{\"a\":\"\xff\"}", "malformed JSON");
  rejected(std::string("{}\0{", 4), "a NUL byte");
  rejected(std::string(1'000'000, '['), "JSON nested too deep");
  rejected(R"({"model":1,"model":2})", "the key 'model' is there twice");
  rejected(R"({"model":{"vocab":{"a":0,"a":1}}})", "the key 'a' is there twice");
  rejected(R"({"a":{"b":1},"c":{"b":1},"model":1})", "the file.model is not an object");
}

TEST(TokenizerJson, SurvivesTruncation) {
  const std::string whole = byte_tokenizer_json(kMergePairs).dump();
  for (size_t size = 0; size < whole.size(); size += 7) {
    EXPECT_THROW(Tokenizer::from_json_text(whole.substr(0, size), "test.json"), Error);
  }
}

// Against PyPI `tokenizers` (tests/reference/make_tokenizer_json.py).

void expect_reference_ids_and_texts(const Tokenizer& tokenizer, const std::string& name, size_t count) {
  expect_reference_ids(tokenizer, name, count);
  for (const auto& line : golden_lines("lines.txt")) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(unescaped(line))), unescaped(line));
  }
}

json small_json() {
  std::ifstream file(tokenizer_golden("small.json"));
  return json::parse(file);
}

TEST(TokenizerJson, EqualsTheReferenceOnAThousandLines) {
  expect_reference_ids_and_texts(Tokenizer::from_json(tokenizer_golden("small.json")), "small.txt", 1000);
}

/// The same tokenizer in the two files that GPT-2 came in.
class VocabularyAndMerges : public testing::Test {
 protected:
  VocabularyAndMerges() {
    const auto model = small_json()["model"];
    std::string merges = "#version: 0.2\n";
    for (const auto& merge : model["merges"])
      merges += (merge.is_string() ? merge.get<std::string>()
                                   : merge[0].get<std::string>() + " " + merge[1].get<std::string>()) +
                "\n";
    folder_.write("vocab.json", model["vocab"].dump());
    folder_.write("merges.txt", merges);
  }
  Tokenizer read(int64_t rows = 1500) const { return Tokenizer::from_folder(folder_.path(), rows); }
  TemporaryFolder folder_;
};

TEST_F(VocabularyAndMerges, EqualTheReferenceOnAThousandLines) {
  expect_reference_ids_and_texts(read(), "small.txt", 1000);
}

TEST_F(VocabularyAndMerges, TheFolderNamesTheSpecialTokens) {
  EXPECT_EQ(read().bos(), 0);
  EXPECT_TRUE(read().is_special(0));
  EXPECT_FALSE(read().adds_bos());
  folder_.write("tokenizer_config.json", R"({"bos_token": "!", "eos_token": {"content": "!"}, "add_bos_token": true})");
  const auto tokenizer = read();
  EXPECT_EQ(tokenizer.bos(), small_json()["model"]["vocab"]["!"].get<int64_t>());
  EXPECT_TRUE(tokenizer.is_special(*tokenizer.bos()));
  EXPECT_TRUE(tokenizer.adds_bos());
  folder_.write("tokenizer_config.json", R"({"bos_token": null})");
  EXPECT_EQ(read().bos(), std::nullopt);
  folder_.write("added_tokens.json", R"({"<extra>": 1500})");
  EXPECT_EQ(read(1501).encode_with_special("a<extra>").back(), 1500);
}

TEST_F(VocabularyAndMerges, DamagedFilesAreRefused) {
  expect_error([&] { read(1400); }, "vocab.json");
  folder_.write("merges.txt", "no_pair\n");
  expect_error([&] { read(); }, "a merge that is not a pair");
  folder_.write("vocab.json", "[1]");
  expect_error([&] { read(); }, "the file is not an object");
  folder_.write("vocab.json", R"({"a": -1})");
  expect_error([&] { read(); }, "vocab.json");
  std::filesystem::remove(folder_ / "merges.txt");
  expect_error([&] { read(); }, "nor vocab.json with merges.txt");
}

TEST(TokenizerJson, EqualsTheReferenceWithAShorterVocabulary) {
  expect_reference_ids_and_texts(Tokenizer::from_json(tokenizer_golden("small.json"), 400), "small-400.txt", 200);
}

TEST(TokenizerJson, EqualsTheReferenceWithASplit) {
  json file = small_json();
  json bytes = file["pre_tokenizer"];
  bytes["use_regex"] = false;
  const json split = {
      {"type", "Split"},
      {"pattern",
       {{"Regex", R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
                  R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"}}},
      {"behavior", "Isolated"},
      {"invert", false}};
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, bytes}}};
  expect_reference_ids_and_texts(from(file), "small-split.txt", 200);
}

TEST(TokenizerJson, EqualsTheReferenceOnTheVocabularyThatSetUpTrains) {
  const fs::path file = assets_folder() / "tokenizers/prose-bpe-4096/tokenizer.json";
  if (!fs::exists(file)) GTEST_SKIP() << "no " << file << "; ./replicate fetches it";
  const Tokenizer tokenizer = Tokenizer::from_json(file);
  EXPECT_EQ(tokenizer.vocabulary_size(), 4096);
  EXPECT_EQ(tokenizer.eos(), 0);
  expect_reference_ids_and_texts(tokenizer, "prose-bpe-4096.txt", 1000);
}

}  // namespace
}  // namespace replicate
