#include "harness/record/head_maps.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "harness/record/record.h"
#include "tests/support/expect_error.h"
#include "tests/support/sample_records.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

std::string encoded(const std::string& text) { return base64(std::as_bytes(std::span(text))); }

/// RFC 4648, section 10.
TEST(Base64, IsThatOfTheStandard) {
  for (const auto& [text, expected] : {std::pair{"", ""},
                                       {"f", "Zg=="},
                                       {"fo", "Zm8="},
                                       {"foo", "Zm9v"},
                                       {"foob", "Zm9vYg=="},
                                       {"fooba", "Zm9vYmE="},
                                       {"foobar", "Zm9vYmFy"}})
    EXPECT_EQ(encoded(text), expected);
}

/// Two passes, a text of three tokens, two layers of one head: 2 * 1 * 2 * 1 * 6 bytes.
HeadMaps two_passes() {
  return {.layers = 2,
          .heads = 1,
          .first_layer = 2,
          .passes = {"untouched", "masked"},
          .texts = {{"a", " b", "\n"}},
          .shares = encoded(std::string(24, '\x7f'))};
}

TEST(HeadMaps, ComeBackAsTheyWereWritten) {
  const auto written = two_passes();
  const auto read = head_maps_from_json(head_maps_to_json(written), "attention.json");
  EXPECT_EQ(head_maps_to_json(read), head_maps_to_json(written));
  EXPECT_EQ(read.texts, written.texts);
  EXPECT_EQ(read.positions(), 3);
}

TEST(HeadMaps, WhatDoesNotFitTogetherIsRefused) {
  const auto refuse = [](const std::function<void(HeadMaps&)>& change, const char* message) {
    auto maps = two_passes();
    change(maps);
    expect_error([&] { head_maps_from_json(head_maps_to_json(maps), "attention.json"); }, message);
  };
  constexpr auto kSizes = "the sizes of these attention maps do not fit together (attention.json)";
  refuse([](HeadMaps& maps) { maps.layers = 3; }, kSizes);
  refuse([](HeadMaps& maps) { maps.heads = 0; }, kSizes);
  refuse([](HeadMaps& maps) { maps.layers = INT64_MAX; }, kSizes);
  refuse([](HeadMaps& maps) { maps.first_layer = 3; }, kSizes);
  refuse([](HeadMaps& maps) { maps.first_layer = 0; }, kSizes);
  refuse([](HeadMaps& maps) { maps.passes.clear(); }, kSizes);
  refuse([](HeadMaps& maps) { maps.texts.clear(); }, kSizes);
  refuse([](HeadMaps& maps) { maps.texts.push_back({"one"}); }, kSizes);
  refuse([](HeadMaps& maps) { maps.shares.pop_back(); }, kSizes);
  refuse([](HeadMaps& maps) { maps.shares[3] = '<'; }, kSizes);
  refuse([](HeadMaps& maps) { maps.shares[3] = '='; }, kSizes);
  expect_error([] { head_maps_from_json("{}", "attention.json"); }, "field 'layers' is missing");
  expect_error([] { head_maps_from_json("[", "attention.json"); }, "attention.json");
}

TEST(HeadMaps, LieBesideTheRecordAndGoWithIt) {
  const TemporaryFolder folder;
  auto record = sample::records().front();
  record.measurement.head_maps = two_passes();
  write_record(record, folder.path());
  const auto read = read_record(folder.path()).measurement.head_maps;
  ASSERT_TRUE(read);
  EXPECT_EQ(read->shares, two_passes().shares);
  record.measurement.head_maps.reset();
  write_record(record, folder.path());
  EXPECT_FALSE(read_record(folder.path()).measurement.head_maps);
  EXPECT_FALSE(std::filesystem::exists(folder / "attention.json"));
}

}  // namespace
}  // namespace replicate
