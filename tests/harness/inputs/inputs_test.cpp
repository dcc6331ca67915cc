#include "harness/inputs/inputs.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "models/formats/gguf.h"
#include "tests/support/expect_error.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

/// A vocabulary of the printable ASCII bytes, a space and a line feed, and BOS: ids follow the list.
std::shared_ptr<const Tokenizer> byte_tokenizer() {
  std::vector<std::string> tokens;
  for (char c = 33; c < 127; ++c) tokens.emplace_back(1, c);
  tokens.insert(tokens.end(), {"\xc4\xa0", "\xc4\x8a", "<bos>"});
  std::vector<int32_t> types(tokens.size(), 1);
  types.back() = 3;
  static std::vector<std::byte> bytes;
  bytes = GgufWriter()
              .text("tokenizer.ggml.model", "gpt2")
              .text("tokenizer.ggml.pre", "gpt-2")
              .texts("tokenizer.ggml.tokens", tokens)
              .integers("tokenizer.ggml.token_type", types)
              .texts("tokenizer.ggml.merges", {})
              .unsigned_integer("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(tokens.size() - 1))
              .bytes();
  return std::make_shared<const Tokenizer>(Tokenizer::from_gguf(GgufFile::parse(bytes, "test")));
}

constexpr int64_t kVocabulary = 97;

class InputsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string text;
    for (int i = 0; i < 30000; ++i) text += "line " + std::to_string(i) + " says nothing\n";
    folder_.write("a.txt", text);
  }
  InputMaker maker(uint64_t seed = 1) const { return InputMaker(byte_tokenizer(), kVocabulary, folder_.path(), seed); }
  static std::set<std::string> rows(const Inputs& inputs) {
    std::set<std::string> all;
    for (int64_t b = 0; b < inputs.record.sequences; ++b) {
      const auto row = (*inputs.tokens)[b].contiguous();
      all.emplace(reinterpret_cast<const char*>(row.const_data_ptr<int64_t>()), row.numel() * 8);
    }
    return all;
  }
  TemporaryFolder folder_;
};

TEST_F(InputsTest, NaturalPassagesAreDistinctAndBeginAtALine) {
  auto made = maker();
  const auto inputs = made.make(InputKind::natural, {20, 32});
  EXPECT_EQ(inputs.tokens->sizes(), (std::vector<int64_t>{20, 32}));
  EXPECT_EQ(rows(inputs).size(), 20U);
  const auto first = byte_tokenizer()->encode("l").front();
  EXPECT_TRUE((inputs.tokens->select(1, 0) == first).all().item<bool>());
}

TEST_F(InputsTest, SurveyAndMeasurementNeverShareAPassage) {
  auto made = maker();
  const auto survey = rows(made.make(InputKind::natural, {100, 32}, false, Region::survey));
  const auto measured = rows(made.make(InputKind::natural, {300, 32}));
  for (const auto& row : survey) EXPECT_EQ(measured.count(row), 0U);
}

TEST_F(InputsTest, DependOnTheSeedAndNotOnWhatWasAskedBefore) {
  auto a = maker(), b = maker(), c = maker(2);
  b.make(InputKind::random, {3, 16});
  const auto natural = a.make(InputKind::natural, {4, 16}).record.sha256;
  EXPECT_EQ(natural, b.make(InputKind::natural, {4, 16}).record.sha256);
  EXPECT_NE(natural, c.make(InputKind::natural, {4, 16}).record.sha256);
}

TEST_F(InputsTest, TheSameRequestIsTheSamePointer) {
  auto made = maker();
  EXPECT_EQ(made.make(InputKind::random, {4, 16}).tokens, made.make(InputKind::random, {4, 16}).tokens);
  EXPECT_NE(made.make(InputKind::random, {4, 16}).tokens, made.make(InputKind::random, {4, 17}).tokens);
}

TEST_F(InputsTest, BosComesFirstAndTheLengthStays) {
  auto made = maker();
  const auto plain = made.make(InputKind::natural, {4, 16}), bos = made.make(InputKind::natural, {4, 16}, true);
  EXPECT_EQ(bos.label, "natural_bos");
  EXPECT_TRUE((bos.tokens->select(1, 0) == kVocabulary - 1).all().item<bool>());
  EXPECT_TRUE(at::equal(bos.tokens->slice(1, 1), plain.tokens->slice(1, 0, 15)));
}

TEST_F(InputsTest, RandomIdsCoverTheVocabularyWithoutSpecialTokens) {
  const auto ids = *maker().make(InputKind::random, {200, 64}).tokens;
  EXPECT_EQ(ids.min().item<int64_t>(), 0);
  EXPECT_EQ(ids.max().item<int64_t>(), kVocabulary - 2);
}

TEST_F(InputsTest, RepeatedIsOneIdASequence) {
  const auto ids = *maker().make(InputKind::repeated, {8, 16}).tokens;
  EXPECT_TRUE((ids == ids.slice(1, 0, 1)).all().item<bool>());
  EXPECT_GT(ids.max().item<int64_t>(), ids.min().item<int64_t>());
}

TEST_F(InputsTest, CalibrationSharesNoPassageWithSurveyAndMeasurement) {
  auto made = maker();
  const auto calibration = rows(made.make(InputKind::natural, {100, 32}, false, Region::calibration));
  EXPECT_EQ(calibration.size(), 100U);
  for (const auto region : {Region::survey, Region::measure}) {
    for (const auto& row : rows(made.make(InputKind::natural, {150, 32}, false, region))) {
      EXPECT_EQ(calibration.count(row), 0U);
    }
  }
}

TEST_F(InputsTest, RegionsDrawRandomIdsOfTheirOwn) {
  auto made = maker();
  std::set<std::string> hashes;
  for (const auto region : {Region::survey, Region::calibration, Region::measure}) {
    for (const auto kind : {InputKind::random, InputKind::repeated, InputKind::natural}) {
      hashes.insert(made.make(kind, {3, 24}, false, region).record.sha256);
    }
  }
  EXPECT_EQ(hashes.size(), 9U);
}

TEST_F(InputsTest, ReplacedChangesOnePositionAndIsAnInputOfItsOwn) {
  auto made = maker();
  const auto plain = made.make(InputKind::natural, {3, 16});
  const auto changed = made.replaced(plain, 5, {7, 8, 9}, "swapped");
  EXPECT_EQ(changed.label, "swapped");
  EXPECT_EQ(changed.record.label, "swapped");
  EXPECT_EQ(changed.record.kind, "natural");
  EXPECT_EQ(changed.record.sequences, 3);
  EXPECT_EQ(changed.record.length, 16);
  EXPECT_NE(changed.record.sha256, plain.record.sha256);
  EXPECT_TRUE(at::equal(changed.tokens->select(1, 5), at::tensor({7, 8, 9}, at::kLong)));
  auto restored = changed.tokens->clone();
  restored.select(1, 5).copy_(plain.tokens->select(1, 5));
  EXPECT_TRUE(at::equal(restored, *plain.tokens));
  EXPECT_TRUE(at::equal(*plain.tokens, *maker().make(InputKind::natural, {3, 16}).tokens));  // as it was
  ASSERT_NE(made.find(changed.tokens), nullptr);
  EXPECT_EQ(made.find(changed.tokens)->sha256, changed.record.sha256);
}

TEST_F(InputsTest, ReplacedTakesOneIdForAllAndGivesOnePointerForOneRequest) {
  auto made = maker();
  const auto plain = made.make(InputKind::random, {4, 16});
  const auto one = made.replaced(plain, 0, {3}, "first"), again = made.replaced(plain, 0, {3, 3, 3, 3}, "first");
  EXPECT_TRUE((one.tokens->select(1, 0) == 3).all().item<bool>());
  EXPECT_EQ(one.tokens, again.tokens);
  EXPECT_NE(one.tokens, made.replaced(plain, 0, {4}, "first").tokens);
}

TEST_F(InputsTest, ReplacedKnowsWhetherBosStillComesFirst) {
  auto made = maker();
  const auto bos = made.make(InputKind::natural, {2, 16}, true);
  EXPECT_TRUE(made.replaced(bos, 5, {made.bos()}, "two").record.bos);
  EXPECT_FALSE(made.replaced(bos, 0, {3}, "none").record.bos);
}

TEST_F(InputsTest, OrdinaryIdsAreNeverSpecialAndTheSameForOnePurpose) {
  const auto made = maker();
  const auto ids = made.ordinary_ids(500, "a test");
  ASSERT_EQ(ids.size(), 500U);
  for (const auto id : ids) EXPECT_TRUE(id >= 0 && id < kVocabulary - 1) << id;
  EXPECT_GT(std::set<int64_t>(ids.begin(), ids.end()).size(), 80U);
  EXPECT_EQ(ids, maker().ordinary_ids(500, "a test"));
  EXPECT_NE(ids, made.ordinary_ids(500, "another"));
  EXPECT_NE(ids, maker(2).ordinary_ids(500, "a test"));
  auto fewer = ids;
  fewer.resize(10);
  EXPECT_EQ(made.ordinary_ids(10, "a test"), fewer);
  EXPECT_TRUE(made.ordinary_ids(0, "a test").empty());
}

TEST_F(InputsTest, BosIsThatOfTheVocabulary) {
  const auto made = maker();
  EXPECT_TRUE(made.has_bos());
  EXPECT_EQ(made.bos(), kVocabulary - 1);
  EXPECT_EQ(made.find(std::make_shared<const Tensor>(at::zeros({1, 16}, at::kLong))), nullptr);
}

TEST_F(InputsTest, TooLittleOrNoProseSaysSo) {
  EXPECT_THROW(maker().make(InputKind::natural, {100000, 64}), Error);
  InputMaker none(byte_tokenizer(), kVocabulary, folder_ / "missing", 1);
  EXPECT_THROW(none.make(InputKind::natural, {1, 16}), Error);
}

TEST_F(InputsTest, TokensThatAreNoneAreSaidInOneShortLine) {
  const auto refuse = [&](const std::string& text, const std::string& part) {
    folder_.write("bad.jsonl", text);
    expect_error([&] { read_tokens(folder_ / "bad.jsonl", 50); }, part);
    EXPECT_LT(message_of([&] { read_tokens(folder_ / "bad.jsonl", 50); }).size(), 300U);
  };
  const std::string many(1 << 20, '['), closed(1 << 20, ']');
  refuse(many + closed, "not a JSON array of token ids");
  refuse("[1, " + many + closed + "]", "not a JSON array of token ids");
  refuse("[1, [2], 3]", "token id of type array is not in the vocabulary");
  refuse("[1, \"" + std::string(1 << 20, 'a') + "\"]", "token id of type string is not in the vocabulary");
  refuse("[1, 50]", "token id 50 is not in the vocabulary");
  expect_error([&] { read_tokens(folder_ / "none.jsonl", 50); }, "cannot read the token file");
  expect_error([] { read_tokens("/dev/zero", 50); }, "cannot read the token file: this is a pipe or a device");
}

TEST_F(InputsTest, TokensAreReadLineByLine) {
  folder_.write("good.jsonl", "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]\n\n[5,5,5,5,5,5,5,5,5,5,5,5,5,5,5,49]\r\n");
  const auto inputs = read_tokens(folder_ / "good.jsonl", 50);
  EXPECT_EQ(inputs.record.sequences, 2);
  EXPECT_EQ(inputs.record.length, 16);
  EXPECT_EQ((*inputs.tokens)[1][15].item<int64_t>(), 49);
}

}  // namespace
}  // namespace replicate
