#include "models/formats/tensor_store.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/formats/gguf.h"
#include "tests/support/expect_error.h"
#include "tests/support/small_file.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

constexpr const char* kTensor = "token_embd.weight";  // [256, 32]
constexpr int64_t kRows = kSmallVocabulary, kNumbers = kRows * kSmallWidth;

class NoisyStoreTest : public testing::Test {
 protected:
  std::shared_ptr<const TensorStore> stored(TensorType type = TensorType::q4_0) const {
    small_file(type).write(folder_ / "small.gguf");
    return gguf_store(std::make_shared<const GgufFile>(GgufFile::open(folder_ / "small.gguf")));
  }

  TemporaryFolder folder_;
};

std::vector<float> decoded(const TensorStore& store, const std::string& tensor = kTensor, int64_t first = 0,
                           int64_t rows = kRows) {
  std::vector<float> numbers(rows * kSmallWidth);
  EXPECT_TRUE(store.decode(tensor, first, rows, numbers.data()));
  return numbers;
}

/// (noisy - stored) / step, of each number whose step is not 0.
std::vector<double> in_steps(const TensorStore& store, const std::vector<float>& noisy) {
  const auto plain = decoded(store);
  std::vector<float> steps(kNumbers);
  store.steps(kTensor, 0, kRows, steps.data());
  std::vector<double> moved;
  for (int64_t i = 0; i < kNumbers; ++i) {
    if (steps[i] > 0) moved.push_back((static_cast<double>(noisy[i]) - plain[i]) / steps[i]);
  }
  return moved;
}

TEST_F(NoisyStoreTest, DrawsAreUniformWithinHalfAStep) {
  const auto store = stored();
  const auto moved = in_steps(*store, decoded(*noisy_store(store, 1)));
  ASSERT_GT(moved.size(), static_cast<size_t>(kNumbers / 2));
  double sum = 0, squares = 0;
  for (const auto one : moved) {
    EXPECT_LE(std::abs(one), 0.5001);
    sum += one;
    squares += one * one;
  }
  const auto n = static_cast<double>(moved.size());
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(12 * n));
  EXPECT_NEAR(squares / n, 1.0 / 12, 5 * std::sqrt(1.0 / 180 / n));
}

TEST_F(NoisyStoreTest, ATensorsDrawsFollowFromSeedAndName) {
  const auto store = stored();
  const auto noisy = noisy_store(store, 1);
  const auto whole = decoded(*noisy);
  const auto rows = decoded(*noisy, kTensor, 100, 7);
  EXPECT_TRUE(std::equal(rows.begin(), rows.end(), whole.begin() + 100 * kSmallWidth));
  EXPECT_EQ(decoded(*noisy_store(store, 1)), whole);
  EXPECT_NE(decoded(*noisy_store(store, 2)), whole);
  const auto first = decoded(*noisy, "blk.0.attn_q.weight", 0, kSmallWidth);
  EXPECT_NE(first, decoded(*noisy, "blk.1.attn_q.weight", 0, kSmallWidth));  // stored alike
}

TEST_F(NoisyStoreTest, WhatIsNotQuantisedStaysAsItIs) {
  const auto store = stored();
  const auto noisy = noisy_store(store, 1);
  std::vector<float> gain(kSmallWidth);
  ASSERT_TRUE(noisy->decode("output_norm.weight", 0, 1, gain.data()));
  EXPECT_EQ(gain, std::vector<float>(kSmallWidth, 1));
  expect_error([&] { noisy_store(stored(TensorType::f32), 1); }, "no tensor is quantised");
}

}  // namespace
}  // namespace replicate
