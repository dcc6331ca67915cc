#include "models/formats/quantization.h"

#include <bit>
#include <cstring>
#include <string>

#include "models/formats/error.h"

namespace replicate {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF data are read in place");

constexpr int64_t kBlock = 32;

// Blocks as they lie in the file. Packed, because a tensor may start at any address.
#pragma pack(push, 1)
using Half = uint16_t;
struct BlockQ4_0 {
  Half scale;
  uint8_t quants[kBlock / 2];
};
struct BlockQ4_1 {
  Half scale, minimum;
  uint8_t quants[kBlock / 2];
};
struct BlockQ8_0 {
  Half scale;
  int8_t quants[kBlock];
};
#pragma pack(pop)
static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ8_0) == 34);

/// IEEE binary16 to binary32. Both cases are computed and a bit mask picks one: written with a
/// choice, the loop over it does not vectorise.
float widen(Half half) {
  const uint32_t magnitude = half & 0x7fffu;
  const uint32_t rebias = 112u << 23 << (magnitude >= 0x7c00);  // infinities and NaN stay so
  const uint32_t normal = (magnitude << 13) + rebias;
  const float subnormal = static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f;
  const uint32_t pick = 0u - (magnitude < 0x400);
  const uint32_t result = (std::bit_cast<uint32_t>(subnormal) & pick) | (normal & ~pick);
  return std::bit_cast<float>(result | (half & 0x8000u) << 16);
}

void decode_f32(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
}

Half half_at(const std::byte* in, int64_t i) {
  Half half;
  std::memcpy(&half, in + i * 2, sizeof(half));
  return half;
}

void decode_f16(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = widen(half_at(in, i));
}

void decode_bf16(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(half_at(in, i)) << 16);
  }
}

// Byte i of a 4-bit block holds number i in its low half and number i + 16 in its high half.

void decode_q4_0(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ4_0*>(in);
  for (; count > 0; count -= kBlock, out += kBlock, ++block) {
    const float scale = widen(block->scale);
    for (int i = 0; i < kBlock / 2; ++i) {
      out[i] = scale * static_cast<float>((block->quants[i] & 15) - 8);
      out[i + kBlock / 2] = scale * static_cast<float>((block->quants[i] >> 4) - 8);
    }
  }
}

// A product of 11 and 4 significant bits is exact, so a fused multiply-add gives the same number.
void decode_q4_1(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ4_1*>(in);
  for (; count > 0; count -= kBlock, out += kBlock, ++block) {
    const float scale = widen(block->scale);
    const float minimum = widen(block->minimum);
    for (int i = 0; i < kBlock / 2; ++i) {
      out[i] = scale * static_cast<float>(block->quants[i] & 15) + minimum;
      out[i + kBlock / 2] = scale * static_cast<float>(block->quants[i] >> 4) + minimum;
    }
  }
}

void decode_q8_0(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ8_0*>(in);
  for (; count > 0; count -= kBlock, out += kBlock, ++block) {
    const float scale = widen(block->scale);
    for (int i = 0; i < kBlock; ++i) out[i] = scale * static_cast<float>(block->quants[i]);
  }
}

/// Everything that depends on the type, in the order of TensorType.
struct Format {
  std::string_view name;
  int64_t elements;
  int64_t bytes;
  void (*decode)(const std::byte* in, float* out, int64_t count);
};

constexpr Format kFormats[] = {
    {"F32", 1, 4, decode_f32},
    {"F16", 1, 2, decode_f16},
    {"BF16", 1, 2, decode_bf16},
    {"Q4_0", kBlock, sizeof(BlockQ4_0), decode_q4_0},
    {"Q4_1", kBlock, sizeof(BlockQ4_1), decode_q4_1},
    {"Q8_0", kBlock, sizeof(BlockQ8_0), decode_q8_0},
};

const Format& format(TensorType type) { return kFormats[static_cast<size_t>(type)]; }

}  // namespace

std::string_view type_name(TensorType type) { return format(type).name; }
int64_t block_elements(TensorType type) { return format(type).elements; }
int64_t block_bytes(TensorType type) { return format(type).bytes; }

void dequantize(TensorType type, std::span<const std::byte> bytes, std::span<float> numbers) {
  const Format& stored = format(type);
  const auto blocks = numbers.size() / static_cast<size_t>(stored.elements);
  if (numbers.size() % static_cast<size_t>(stored.elements) != 0 ||
      bytes.size() != blocks * static_cast<size_t>(stored.bytes)) {
    throw Error(std::to_string(bytes.size()) + " bytes do not hold " +
                    std::to_string(numbers.size()) + " numbers",
                std::string(stored.name), "decode whole blocks");
  }
  if (!numbers.empty()) {
    stored.decode(bytes.data(), numbers.data(), static_cast<int64_t>(numbers.size()));
  }
}

}  // namespace replicate
