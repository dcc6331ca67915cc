#include "models/formats/quantization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/gguf_writer.h"

namespace replicate {
namespace {

class Quantization : public testing::TestWithParam<TensorType> {};

INSTANTIATE_TEST_SUITE_P(Types, Quantization, testing::ValuesIn(tensor_types()),
                         [](const auto& type) { return std::string(type_name(type.param)); });

size_t bytes_of(TensorType type, size_t numbers) {
  return numbers / static_cast<size_t>(block_elements(type)) * static_cast<size_t>(block_bytes(type));
}

/// Numbers of a type in its golden file: eight blocks.
size_t golden_numbers(TensorType type) { return std::max<size_t>(256, 8 * static_cast<size_t>(block_elements(type))); }

std::vector<float> decoded(TensorType type, std::span<const std::byte> bytes, size_t numbers) {
  std::vector<float> result(numbers);
  dequantize(type, bytes, result);
  return result;
}

std::vector<std::byte> golden(TensorType type) {
  const std::string path =
      std::string(REPLICATE_SOURCE_DIR) + "/tests/golden/quantization/" + std::string(type_name(type)) + ".bin";
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = std::as_bytes(std::span(content));
  return {bytes.begin(), bytes.end()};
}

/// Bit for bit what the PyPI package gguf decodes (tests/reference/make_quantization.py).
TEST_P(Quantization, EqualsTheReferenceDecoder) {
  const size_t count = golden_numbers(GetParam());
  const auto fixture = golden(GetParam());
  const size_t stored_size = bytes_of(GetParam(), count);
  ASSERT_EQ(fixture.size(), stored_size + count * sizeof(float));
  const auto numbers = decoded(GetParam(), std::span(fixture).first(stored_size), count);
  for (size_t i = 0; i < count; ++i) {
    float expected;
    std::memcpy(&expected, fixture.data() + stored_size + i * sizeof(float), sizeof(float));
    EXPECT_EQ(std::bit_cast<uint32_t>(numbers[i]), std::bit_cast<uint32_t>(expected))
        << i << ": " << numbers[i] << " instead of " << expected;
  }
}

/// Numbers of one group, which has one scale, differ by whole steps, and some two of them by one step.
TEST_P(Quantization, AStepIsTheLeastDifferenceWithinAGroup) {
  const size_t count = golden_numbers(GetParam()), size = bytes_of(GetParam(), count), group = 16;
  const auto fixture = golden(GetParam());
  const auto numbers = decoded(GetParam(), std::span(fixture).first(size), count);
  std::vector<float> steps(count, -1);
  quantization_steps(GetParam(), std::span(fixture).first(size), steps);
  if (block_elements(GetParam()) == 1) {
    EXPECT_TRUE(std::ranges::all_of(steps, [](float step) { return step == 0; }));
    return;
  }
  int by_one_step = 0;
  for (size_t first = 0; first < count; first += group) {
    for (size_t i = first + 1; i < first + group; ++i) {
      ASSERT_EQ(steps[i], steps[first]) << i;
      if (steps[i] == 0) continue;  // a group that is all one number
      const double whole = (numbers[i] - numbers[first]) / static_cast<double>(steps[i]);
      const double larger = std::max(std::abs(numbers[i]), std::abs(numbers[first]));
      const double rounding = 1e-3 + larger * 0x1p-22 / steps[i];  // a minimum may be far larger than a step
      EXPECT_NEAR(whole, std::round(whole), rounding) << i;
      EXPECT_LT(std::abs(whole), 256) << i;
      by_one_step += std::abs(std::abs(whole) - 1) < rounding;
    }
  }
  EXPECT_GT(by_one_step, 0);
}

TEST_P(Quantization, ASliceOfBlocksIsASliceOfNumbers) {
  const size_t count = golden_numbers(GetParam()), first = count / 4 * 3;
  const size_t size = bytes_of(GetParam(), count), start = bytes_of(GetParam(), first);
  const auto fixture = golden(GetParam());
  const auto all = decoded(GetParam(), std::span(fixture).first(size), count);
  const auto numbers = decoded(GetParam(), std::span(fixture).subspan(start, size - start), count - first);
  EXPECT_EQ(std::memcmp(numbers.data(), all.data() + first, (count - first) * sizeof(float)), 0);
}

TEST_P(Quantization, TheAddressNeedsNoAlignment) {
  const size_t count = golden_numbers(GetParam());
  const auto fixture = golden(GetParam());
  const size_t size = bytes_of(GetParam(), count);
  const auto expected = decoded(GetParam(), std::span(fixture).first(size), count);
  std::vector<std::byte> shifted(size + 1);
  std::memcpy(shifted.data() + 1, fixture.data(), size);
  const auto numbers = decoded(GetParam(), std::span(shifted).subspan(1), count);
  EXPECT_EQ(std::memcmp(numbers.data(), expected.data(), count * sizeof(float)), 0);
}

TEST_P(Quantization, RefusesOtherThanWholeBlocks) {
  const size_t count = golden_numbers(GetParam());
  const auto bytes = std::vector<std::byte>(bytes_of(GetParam(), count));
  expect_error([&] { decoded(GetParam(), bytes, count / 2); }, "do not hold " + std::to_string(count / 2) + " numbers");
  expect_error([&] { decoded(GetParam(), std::span(bytes).first(bytes.size() - 1), count); },
               "do not hold " + std::to_string(count) + " numbers");
  if (block_elements(GetParam()) > 1) {
    expect_error([&] { decoded(GetParam(), bytes, count + 1); }, "decode whole blocks");
  }
  EXPECT_TRUE(decoded(GetParam(), {}, 0).empty());
}

/// What the tests' own writer stores comes back within half a step of numbers from -1 to 1, and what
/// float16 takes off the scale.
TEST_P(Quantization, TheTestWriterRoundTrips) {
  std::vector<float> numbers(512);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(static_cast<float>(i));
  const int bits = block_elements(GetParam()) > 1 ? quant_bits(GetParam()) : 8;
  const int steps = has_minimum(GetParam()) ? (1 << bits) - 1 : (1 << bits) - 2;
  const auto back = decoded(GetParam(), stored(GetParam(), numbers), numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_NEAR(back[i], numbers[i], 1.0 / steps + 0.002) << i;
}

/// Every float16, by its definition: sign, exponent with bias 15, ten bits of mantissa.
TEST(Float16, EveryValueIsExact) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  const auto numbers = decoded(TensorType::f16, std::as_bytes(std::span(halves)), halves.size());
  for (uint32_t bits = 0; bits < halves.size(); ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const auto mantissa = static_cast<double>(bits & 1023);
    double expected = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    if (exponent == 31) expected = mantissa == 0 ? INFINITY : NAN;
    if (bits & 0x8000) expected = -expected;
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(numbers[bits])) << bits;
    } else {
      EXPECT_EQ(numbers[bits], expected) << bits;
      EXPECT_EQ(std::signbit(numbers[bits]), (bits & 0x8000) != 0) << bits;
    }
  }
}

TEST(QuantizedBlock, NibblesOfAByteLieSixteenApart) {
  ByteWriter block;
  block.number(half(0.5f));
  for (int i = 0; i < 16; ++i) block.number(static_cast<uint8_t>(i | (15 - i) << 4));
  const auto numbers = decoded(TensorType::q4_0, block.bytes(), 32);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(numbers[static_cast<size_t>(i)], 0.5f * static_cast<float>(i - 8));
    EXPECT_EQ(numbers[static_cast<size_t>(i) + 16], 0.5f * static_cast<float>(7 - i));
  }
}

}  // namespace
}  // namespace replicate
