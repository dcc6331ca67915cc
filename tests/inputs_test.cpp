#include "harness/inputs.h"

#include <gtest/gtest.h>

#include <set>

#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "tests/gguf_writer.h"
#include "tests/temporary_folder.h"

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
  InputMaker maker(uint64_t seed = 1) const {
    return InputMaker(byte_tokenizer(), kVocabulary, folder_.path(), seed);
  }
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

TEST_F(InputsTest, TooLittleOrNoProseSaysSo) {
  EXPECT_THROW(maker().make(InputKind::natural, {100000, 64}), Error);
  InputMaker none(byte_tokenizer(), kVocabulary, folder_ / "missing", 1);
  EXPECT_THROW(none.make(InputKind::natural, {1, 16}), Error);
}

}  // namespace
}  // namespace replicate
