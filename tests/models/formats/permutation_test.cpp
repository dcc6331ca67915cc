#include "models/formats/permutation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace replicate {
namespace {

void expect_bijection(uint64_t size, uint64_t key) {
  std::vector<bool> seen(size, false);
  for (uint64_t i = 0; i < size; ++i) {
    const uint64_t image = permuted(i, size, key);
    ASSERT_LT(image, size);
    ASSERT_FALSE(seen[image]) << image << " twice, size " << size;
    seen[image] = true;
  }
}

TEST(Permutation, IsABijection) {
  for (uint64_t size = 1; size <= 300; ++size) {
    for (const uint64_t key : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) expect_bijection(size, key);
  }
  for (const uint64_t size : {4095u, 4096u, 4097u, 65537u, 1000003u}) expect_bijection(size, 7);
}

TEST(Permutation, HandlesTheLargestSizes) {
  for (const uint64_t size : {uint64_t{1} << 40, (uint64_t{1} << 63) + 1, ~uint64_t{0}}) {
    std::set<uint64_t> images;
    for (uint64_t i = 0; i < 1000; ++i) images.insert(permuted(size - 1 - i, size, 3));
    EXPECT_EQ(images.size(), 1000u);
    EXPECT_LT(*images.rbegin(), size);
  }
}

TEST(Permutation, StaysAsItIs) {  // a change here would change every training run
  const std::vector<uint64_t> expected = {998, 721, 62, 193, 563, 996, 685, 278};
  for (uint64_t i = 0; i < 8; ++i) EXPECT_EQ(permuted(i, 1000, 42), expected[i]);
}

TEST(Permutation, DependsOnTheKey) {
  for (const uint64_t key : {uint64_t{0}, uint64_t{1} << 63}) {
    int same = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
      same += permuted(i, 1000, key) == permuted(i, 1000, key + 1);
    }
    EXPECT_LT(same, 10);  // 1 is expected of two permutations drawn at random
  }
}

/// Chi-square of where one index goes under 100 x size keys; its mean is size - 1, its variance
/// twice that.
double chi_square(uint64_t index, uint64_t size) {
  std::vector<double> counts(size, 0);
  for (uint64_t key = 0; key < 100 * size; ++key) ++counts[permuted(index, size, mixed(key + 1))];
  double sum = 0;
  for (const double count : counts) sum += (count - 100) * (count - 100) / 100;
  return sum;
}

TEST(Permutation, SendsAnIndexAnywhere) {
  for (const uint64_t size : {2u, 3u, 5u, 17u, 100u, 257u, 1000u}) {
    const auto freedom = static_cast<double>(size - 1);
    for (const uint64_t index : {uint64_t{0}, size / 2, size - 1}) {
      EXPECT_LT(chi_square(index, size), freedom + 5 * std::sqrt(2 * freedom) + 5) << size;
    }
  }
}

TEST(Permutation, TearsNeighboursApart) {
  uint64_t close = 0;
  for (uint64_t i = 0; i + 1 < 10000; ++i) {
    const auto a = permuted(i, 10000, 5), b = permuted(i + 1, 10000, 5);
    close += (a > b ? a - b : b - a) < 100;
  }
  EXPECT_NEAR(static_cast<double>(close) / 10000, 0.02, 0.005);
}

}  // namespace
}  // namespace replicate
