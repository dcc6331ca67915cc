#include "models/formats/quantization.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/expect_error.h"
#include "tests/gguf_writer.h"

namespace replicate {
namespace {

constexpr TensorType kTypes[] = {TensorType::f32,  TensorType::f16,  TensorType::bf16,
                                 TensorType::q4_0, TensorType::q4_1, TensorType::q8_0};

class Quantization : public testing::TestWithParam<TensorType> {};

INSTANTIATE_TEST_SUITE_P(Types, Quantization, testing::ValuesIn(kTypes),
                         [](const auto& type) { return std::string(type_name(type.param)); });

size_t bytes_of(TensorType type, size_t numbers) {
  return numbers / static_cast<size_t>(block_elements(type)) *
         static_cast<size_t>(block_bytes(type));
}

std::vector<float> decoded(TensorType type, std::span<const std::byte> bytes, size_t numbers) {
  std::vector<float> result(numbers);
  dequantize(type, bytes, result);
  return result;
}

std::vector<std::byte> golden(TensorType type) {
  const std::string path = std::string(REPLICATE_SOURCE_DIR) + "/tests/golden/quantization/" +
                           std::string(type_name(type)) + ".bin";
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = std::as_bytes(std::span(content));
  return {bytes.begin(), bytes.end()};
}

/// Bit for bit what the PyPI package gguf decodes (tests/reference/make_quantization.py).
TEST_P(Quantization, EqualsTheReferenceDecoder) {
  constexpr size_t kNumbers = 256;
  const auto fixture = golden(GetParam());
  const size_t stored_size = bytes_of(GetParam(), kNumbers);
  ASSERT_EQ(fixture.size(), stored_size + kNumbers * sizeof(float));
  const auto numbers = decoded(GetParam(), std::span(fixture).first(stored_size), kNumbers);
  for (size_t i = 0; i < kNumbers; ++i) {
    float expected;
    std::memcpy(&expected, fixture.data() + stored_size + i * sizeof(float), sizeof(float));
    EXPECT_EQ(std::bit_cast<uint32_t>(numbers[i]), std::bit_cast<uint32_t>(expected))
        << i << ": " << numbers[i] << " instead of " << expected;
  }
}

TEST_P(Quantization, ASliceOfBlocksIsASliceOfNumbers) {
  const auto fixture = golden(GetParam());
  const auto all = decoded(GetParam(), std::span(fixture).first(bytes_of(GetParam(), 256)), 256);
  const auto tail = std::span(fixture).subspan(bytes_of(GetParam(), 192), bytes_of(GetParam(), 64));
  const auto numbers = decoded(GetParam(), tail, 64);
  EXPECT_EQ(std::memcmp(numbers.data(), all.data() + 192, 64 * sizeof(float)), 0);
}

TEST_P(Quantization, TheAddressNeedsNoAlignment) {
  const auto fixture = golden(GetParam());
  const size_t size = bytes_of(GetParam(), 256);
  const auto expected = decoded(GetParam(), std::span(fixture).first(size), 256);
  std::vector<std::byte> shifted(size + 1);
  std::memcpy(shifted.data() + 1, fixture.data(), size);
  const auto numbers = decoded(GetParam(), std::span(shifted).subspan(1), 256);
  EXPECT_EQ(std::memcmp(numbers.data(), expected.data(), 256 * sizeof(float)), 0);
}

TEST_P(Quantization, RefusesOtherThanWholeBlocks) {
  const auto bytes = std::vector<std::byte>(bytes_of(GetParam(), 64));
  expect_error([&] { decoded(GetParam(), bytes, 32); }, "do not hold 32 numbers");
  expect_error([&] { decoded(GetParam(), std::span(bytes).first(bytes.size() - 1), 64); },
               "do not hold 64 numbers");
  if (block_elements(GetParam()) > 1) {
    expect_error([&] { decoded(GetParam(), bytes, 65); }, "decode whole blocks");
  }
  EXPECT_TRUE(decoded(GetParam(), {}, 0).empty());
}

/// What the tests' own writer stores comes back within half a step.
TEST_P(Quantization, TheTestWriterRoundTrips) {
  std::vector<float> numbers(64);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = std::sin(static_cast<float>(i));
  const auto back = decoded(GetParam(), stored(GetParam(), numbers), numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_NEAR(back[i], numbers[i], 0.08) << i;
}

/// Every float16, by its definition: sign, exponent with bias 15, ten bits of mantissa.
TEST(Float16, EveryValueIsExact) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  const auto numbers = decoded(TensorType::f16, std::as_bytes(std::span(halves)), halves.size());
  for (uint32_t bits = 0; bits < halves.size(); ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const auto mantissa = static_cast<double>(bits & 1023);
    double expected =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
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
