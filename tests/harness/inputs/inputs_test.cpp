#include "harness/inputs/inputs.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "tests/support/expect_error.h"
#include "tests/support/letters_tokenizer.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

class InputsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string text;
    for (int i = 0; i < 30000; ++i) text += "line " + std::to_string(i) + " says nothing\n";
    folder_.write("a.txt", text);
  }
  InputMaker maker(uint64_t seed = 1) const {
    return InputMaker(letters_tokenizer(), kLetters, {folder_.path()}, seed);
  }
  static std::set<std::string> rows(const Tokens& tokens) {
    std::set<std::string> all;
    for (int64_t b = 0; b < tokens->sequences(); ++b) {
      const auto row = tokens->ids[b];
      all.emplace(reinterpret_cast<const char*>(row.const_data_ptr<int64_t>()), row.numel() * 8);
    }
    return all;
  }
  TemporaryFolder folder_;
};

TEST_F(InputsTest, NaturalPassagesAreDistinctAndBeginAtALine) {
  auto made = maker();
  const auto tokens = made.make(InputKind::natural, {20, 32});
  EXPECT_EQ(tokens->ids.sizes(), (std::vector<int64_t>{20, 32}));
  EXPECT_EQ(rows(tokens).size(), 20U);
  const auto first = letters_tokenizer()->encode("l").front();
  EXPECT_TRUE((tokens->ids.select(1, 0) == first).all().item<bool>());
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
  const auto natural = a.make(InputKind::natural, {4, 16})->sha256;
  EXPECT_EQ(natural, b.make(InputKind::natural, {4, 16})->sha256);
  EXPECT_NE(natural, c.make(InputKind::natural, {4, 16})->sha256);
}

TEST_F(InputsTest, TheSameRequestIsTheSamePointer) {
  auto made = maker();
  EXPECT_EQ(made.make(InputKind::random, {4, 16}), made.make(InputKind::random, {4, 16}));
  EXPECT_NE(made.make(InputKind::random, {4, 16}), made.make(InputKind::random, {4, 17}));
}

TEST_F(InputsTest, BosComesFirstAndTheLengthStays) {
  auto made = maker();
  const auto plain = made.make(InputKind::natural, {4, 16}), bos = made.make(InputKind::natural, {4, 16}, true);
  EXPECT_EQ(bos->label, "natural_bos");
  EXPECT_TRUE((bos->ids.select(1, 0) == kLetters - 1).all().item<bool>());
  EXPECT_TRUE(at::equal(bos->ids.slice(1, 1), plain->ids.slice(1, 0, 15)));
}

TEST_F(InputsTest, RandomIdsCoverTheVocabularyWithoutSpecialTokens) {
  const auto ids = maker().make(InputKind::random, {200, 64})->ids;
  EXPECT_EQ(ids.min().item<int64_t>(), 0);
  EXPECT_EQ(ids.max().item<int64_t>(), kLetters - 2);
}

TEST_F(InputsTest, RepeatedIsOneIdASequence) {
  const auto ids = maker().make(InputKind::repeated, {8, 16})->ids;
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
      hashes.insert(made.make(kind, {3, 24}, false, region)->sha256);
    }
  }
  EXPECT_EQ(hashes.size(), 9U);
}

TEST_F(InputsTest, ReplacedChangesOnePositionAndIsAnInputOfItsOwn) {
  auto made = maker();
  const auto plain = made.make(InputKind::natural, {3, 16});
  const auto changed = replaced(*plain, 5, {7, 8, 9}, "swapped");
  EXPECT_EQ(changed->label, "swapped");
  EXPECT_EQ(changed->kind, "natural");
  EXPECT_EQ(changed->ids.sizes(), (std::vector<int64_t>{3, 16}));
  EXPECT_NE(changed->sha256, plain->sha256);
  EXPECT_TRUE(at::equal(changed->ids.select(1, 5), at::tensor({7, 8, 9}, at::kLong)));
  auto restored = changed->ids.clone();
  restored.select(1, 5).copy_(plain->ids.select(1, 5));
  EXPECT_TRUE(at::equal(restored, plain->ids));
  EXPECT_TRUE(same_ids(*plain, *maker().make(InputKind::natural, {3, 16})));  // as it was
}

TEST_F(InputsTest, ReplacedTakesOneIdForAll) {
  auto made = maker();
  const auto plain = made.make(InputKind::random, {4, 16});
  const auto one = replaced(*plain, 0, {3}, "first");
  EXPECT_TRUE((one->ids.select(1, 0) == 3).all().item<bool>());
  EXPECT_TRUE(same_ids(*one, *replaced(*plain, 0, {3, 3, 3, 3}, "again")));
  EXPECT_FALSE(same_ids(*one, *replaced(*plain, 0, {4}, "first")));
}

TEST_F(InputsTest, ReplacedKnowsWhetherBosStillComesFirst) {
  auto made = maker();
  const auto bos = made.make(InputKind::natural, {2, 16}, true);
  EXPECT_TRUE(replaced(*bos, 5, {made.bos()}, "two")->bos);
  EXPECT_FALSE(replaced(*bos, 0, {3}, "none")->bos);
}

TEST_F(InputsTest, ARecordTellsWhatTheTokensAre) {
  const auto record =
      inputs_record(*make_tokens(at::tensor({1, 2, 3, 4, 5, 6}, at::kLong).view({2, 3}), "label", "kind", true));
  EXPECT_EQ(record.label, "label");
  EXPECT_EQ(record.kind, "kind");
  EXPECT_EQ(record.sequences, 2);
  EXPECT_EQ(record.length, 3);
  EXPECT_TRUE(record.bos);
  EXPECT_EQ(record.sha256, "5f544d51f4618ae3c5c6bcc2bbb9a8f64f63585665c1440d3075790d5e00ccbd");
}

TEST_F(InputsTest, OrdinaryIdsAreNeverSpecialAndTheSameForOnePurpose) {
  const auto made = maker();
  const auto ids = made.ordinary_ids(500, "a test");
  ASSERT_EQ(ids.size(), 500U);
  for (const auto id : ids) EXPECT_TRUE(id >= 0 && id < kLetters - 1) << id;
  EXPECT_GT(std::set<int64_t>(ids.begin(), ids.end()).size(), 80U);
  EXPECT_EQ(ids, maker().ordinary_ids(500, "a test"));
  EXPECT_NE(ids, made.ordinary_ids(500, "another"));
  EXPECT_NE(ids, maker(2).ordinary_ids(500, "a test"));
  auto fewer = ids;
  fewer.resize(10);
  EXPECT_EQ(made.ordinary_ids(10, "a test"), fewer);
  EXPECT_TRUE(made.ordinary_ids(0, "a test").empty());
}

TEST_F(InputsTest, OneTokenEachIsEveryOrdinaryIdOnce) {
  auto made = maker();
  const auto all = made.one_token_each(1 << 20);
  EXPECT_EQ(all->kind, "vocabulary");
  EXPECT_TRUE(all->ids.flatten().equal(at::arange(kLetters - 1)));  // all but BOS
  const auto some = made.one_token_each(20);
  EXPECT_EQ(some->ids.sizes(), (std::vector<int64_t>{20, 1}));
  EXPECT_EQ(std::get<0>(at::_unique(some->ids)).numel(), 20);
  EXPECT_TRUE(same_ids(*some, *maker().one_token_each(20)));
  EXPECT_FALSE(same_ids(*some, *maker(2).one_token_each(20)));
}

TEST_F(InputsTest, BosIsThatOfTheVocabulary) {
  const auto made = maker();
  EXPECT_TRUE(made.has_bos());
  EXPECT_EQ(made.bos(), kLetters - 1);
}

TEST_F(InputsTest, TooLittleOrNoProseSaysSo) {
  EXPECT_THROW(maker().make(InputKind::natural, {100000, 64}), Error);
  InputMaker none(letters_tokenizer(), kLetters, {folder_ / "missing"}, 1);
  EXPECT_THROW(none.make(InputKind::natural, {1, 16}), Error);
}

TEST_F(InputsTest, AnOpeningComesBeforeTheSamePassages) {
  const std::vector<int64_t> opening = {5, 6, 7};
  InputMaker in_chat(letters_tokenizer(), kLetters, {folder_.path(), opening}, 1);
  const auto plain = maker().make(InputKind::natural, {6, 32}), opened = in_chat.make(InputKind::natural, {6, 32});
  EXPECT_TRUE((opened->ids.slice(1, 0, 3) == at::tensor(opening, at::kLong)).all().item<bool>());
  EXPECT_TRUE(at::equal(opened->ids.slice(1, 3), plain->ids.slice(1, 0, 29)));
  const auto with_bos = in_chat.make(InputKind::natural, {6, 32}, true);
  EXPECT_TRUE((with_bos->ids.select(1, 0) == kLetters - 1).all().item<bool>());
  EXPECT_TRUE(at::equal(with_bos->ids.slice(1, 1), opened->ids.slice(1, 0, 31)));
  expect_error([&] { in_chat.make(InputKind::natural, {1, 5}); }, "the chat template takes 3 of 5 tokens");
}

}  // namespace
}  // namespace replicate
