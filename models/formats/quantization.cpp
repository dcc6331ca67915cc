#include "models/formats/quantization.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace replicate {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF data are read in place");

constexpr int64_t kBlock = 32;
constexpr int64_t kBlockK = 256;

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
struct BlockQ5_0 {
  Half scale;
  uint32_t fifth_bits;
  uint8_t quants[kBlock / 2];
};
struct BlockQ5_1 {
  Half scale, minimum;
  uint32_t fifth_bits;
  uint8_t quants[kBlock / 2];
};
struct BlockQ8_0 {
  Half scale;
  int8_t quants[kBlock];
};
struct BlockQ2_K {
  uint8_t factors[kBlockK / 16];  // the scale's in the low half of a byte, the minimum's in the high
  uint8_t quants[kBlockK / 4];
  Half scale, minimum;
};
struct BlockQ3_K {
  uint8_t third_bits[kBlockK / 8];
  uint8_t quants[kBlockK / 4];
  uint8_t factors[12];
  Half scale;
};
struct BlockQ4_K {
  Half scale, minimum;
  uint8_t factors[12];
  uint8_t quants[kBlockK / 2];
};
struct BlockQ5_K {
  Half scale, minimum;
  uint8_t factors[12];
  uint8_t fifth_bits[kBlockK / 8];
  uint8_t quants[kBlockK / 2];
};
struct BlockQ6_K {
  uint8_t quants[kBlockK / 2];
  uint8_t high_bits[kBlockK / 4];
  int8_t factors[kBlockK / 16];
  Half scale;
};
#pragma pack(pop)
static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ8_0) == 34);
static_assert(sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ2_K) == 84 && sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144);
static_assert(sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);

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

/// The lower four bits of 32 numbers: byte i holds those of number i in its low half and of number
/// i + 16 in its high half. In a loop of its own, so that the loop over all 32 vectorises better.
void unpack_halves(const uint8_t (&quants)[kBlock / 2], int (&numbers)[kBlock]) {
  for (int i = 0; i < kBlock / 2; ++i) {
    numbers[i] = quants[i] & 15;
    numbers[i + kBlock / 2] = quants[i] >> 4;
  }
}

void decode_q4_0(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ4_0*>(in);
  for (; count > 0; count -= kBlock, out += kBlock, ++block) {
    const float scale = widen(block->scale);
    int quants[kBlock];
    unpack_halves(block->quants, quants);
    for (int i = 0; i < kBlock; ++i) out[i] = scale * static_cast<float>(quants[i] - 8);
  }
}

// A product of 11 and 5 significant bits is exact, so a fused multiply-add gives the same number.
void decode_q4_1(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ4_1*>(in);
  for (; count > 0; count -= kBlock, out += kBlock, ++block) {
    const float scale = widen(block->scale);
    const float minimum = widen(block->minimum);
    int quants[kBlock];
    unpack_halves(block->quants, quants);
    for (int i = 0; i < kBlock; ++i) out[i] = scale * static_cast<float>(quants[i]) + minimum;
  }
}

void decode_q8_0(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ8_0*>(in);
  for (; count > 0; count -= kBlock, out += kBlock, ++block) {
    const float scale = widen(block->scale);
    for (int i = 0; i < kBlock; ++i) out[i] = scale * static_cast<float>(block->quants[i]);
  }
}

/// Bit i of the fifth bits belongs to number i. Masks, since a shift by a distance that differs from
/// number to number is no vector instruction without AVX2.
constexpr auto kBit = [] {
  std::array<uint32_t, kBlock> masks{};
  for (int i = 0; i < kBlock; ++i) masks[i] = 1u << i;
  return masks;
}();

void decode_q5_0(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ5_0*>(in);
  for (; count > 0; count -= kBlock, out += kBlock, ++block) {
    const float scale = widen(block->scale);
    const uint32_t fifth_bits = block->fifth_bits;
    int quants[kBlock];
    unpack_halves(block->quants, quants);
    for (int i = 0; i < kBlock; ++i) {
      out[i] = scale * static_cast<float>(quants[i] - ((fifth_bits & kBit[i]) != 0 ? 0 : 16));
    }
  }
}

void decode_q5_1(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ5_1*>(in);
  for (; count > 0; count -= kBlock, out += kBlock, ++block) {
    const float scale = widen(block->scale);
    const float minimum = widen(block->minimum);
    const uint32_t fifth_bits = block->fifth_bits;
    int quants[kBlock];
    unpack_halves(block->quants, quants);
    for (int i = 0; i < kBlock; ++i) {
      out[i] = scale * static_cast<float>(quants[i] + ((fifth_bits & kBit[i]) != 0 ? 16 : 0)) + minimum;
    }
  }
}

// The K types. d has 11 significant bits, s at most 7 and q at most 6, so d s, m n and d s q fit the 24
// of float32 and are exact; only the difference is rounded, once. As above, a loop over bytes puts the
// bits of a quant together before a loop over float32 uses it.

/// The eight factors of q4_K and q5_K, six bits each: bytes 0 to 3 hold scales 0 to 3 and the upper
/// two bits of scales 4 to 7, bytes 4 to 7 the same of minima, bytes 8 to 11 the lower four of both.
struct Factors {
  explicit Factors(const uint8_t (&packed)[12]) {
    for (int i = 0; i < 4; ++i) {
      scale[i] = packed[i] & 63;
      scale[i + 4] = (packed[i + 8] & 15) | (packed[i] >> 6) << 4;
      minimum[i] = packed[i + 4] & 63;
      minimum[i + 4] = (packed[i + 8] >> 4) | (packed[i + 4] >> 6) << 4;
    }
  }
  int scale[8], minimum[8];
};

/// d s q - m n of one block in eight groups of 32.
void scale_groups(Half scale, Half minimum, const Factors& factors, const uint8_t (&quants)[kBlockK],
                  float* __restrict out) {
  for (int group = 0; group < 8; ++group) {
    const float s = widen(scale) * static_cast<float>(factors.scale[group]);
    const float m = widen(minimum) * static_cast<float>(factors.minimum[group]);
    for (int i = 0; i < 32; ++i) {
      out[group * 32 + i] = s * static_cast<float>(quants[group * 32 + i]) - m;
    }
  }
}

/// Every 32 bytes hold two groups: one in the low halves, the next in the high ones.
void unpack_groups(const uint8_t (&packed)[kBlockK / 2], uint8_t (&quants)[kBlockK]) {
  for (int pair = 0; pair < 4; ++pair) {
    for (int i = 0; i < 32; ++i) {
      quants[pair * 64 + i] = packed[pair * 32 + i] & 15;
      quants[pair * 64 + 32 + i] = packed[pair * 32 + i] >> 4;
    }
  }
}

void decode_q4_k(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ4_K*>(in);
  for (; count > 0; count -= kBlockK, out += kBlockK, ++block) {
    uint8_t quants[kBlockK];
    unpack_groups(block->quants, quants);
    scale_groups(block->scale, block->minimum, Factors(block->factors), quants, out);
  }
}

/// Bit g of byte i of the fifth bits belongs to number i of group g.
void decode_q5_k(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ5_K*>(in);
  for (; count > 0; count -= kBlockK, out += kBlockK, ++block) {
    uint8_t quants[kBlockK];
    unpack_groups(block->quants, quants);
    for (int group = 0; group < 8; ++group) {
      for (int i = 0; i < 32; ++i) quants[group * 32 + i] |= (block->fifth_bits[i] >> group & 1) << 4;
    }
    scale_groups(block->scale, block->minimum, Factors(block->factors), quants, out);
  }
}

/// d s and m n of sixteen groups; m n stays zero where a type has no minimum: x - 0 is x, -0 too.
struct GroupScales {
  float scale[16];
  float minimum[16] = {};
};

/// d s (q - offset) - m n of one block in sixteen groups of 16. Two groups at a time are made float32: loops
/// over 16 bytes do not vectorise.
void scale_groups(const GroupScales& groups, const uint8_t (&quants)[kBlockK], int offset, float* __restrict out) {
  for (int pair = 0; pair < 8; ++pair, out += 32) {
    float numbers[32];
    for (int i = 0; i < 32; ++i) numbers[i] = static_cast<float>(quants[pair * 32 + i] - offset);
    for (const int half : {0, 1}) {
      const float scale = groups.scale[pair * 2 + half];
      const float minimum = groups.minimum[pair * 2 + half];
      for (int i = half * 16; i < half * 16 + 16; ++i) out[i] = scale * numbers[i] - minimum;
    }
  }
}

/// Two bits of 256 numbers: every 32 bytes hold 128 of them, 0 to 31 in bits 0 and 1, and so on.
void unpack_quarters(const uint8_t (&packed)[kBlockK / 4], uint8_t (&quants)[kBlockK]) {
  for (int part = 0; part < 8; ++part) {
    for (int i = 0; i < 32; ++i) {
      quants[part * 32 + i] = packed[part / 4 * 32 + i] >> part % 4 * 2 & 3;
    }
  }
}

void decode_q2_k(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ2_K*>(in);
  for (; count > 0; count -= kBlockK, out += kBlockK, ++block) {
    uint8_t quants[kBlockK];
    unpack_quarters(block->quants, quants);
    GroupScales groups;
    for (int group = 0; group < 16; ++group) {
      groups.scale[group] = widen(block->scale) * static_cast<float>(block->factors[group] & 15);
      groups.minimum[group] = widen(block->minimum) * static_cast<float>(block->factors[group] >> 4);
    }
    scale_groups(groups, quants, 0, out);
  }
}

/// Factor g of q3_K, minus 32: its lower four bits are a half of byte g % 8, its upper two stand in
/// byte 8 + g % 4.
int factor_q3_k(const uint8_t (&packed)[12], int group) {
  const int low = packed[group % 8] >> group / 8 * 4 & 15;
  const int high = packed[8 + group % 4] >> group / 4 * 2 & 3;
  return (low | high << 4) - 32;
}

/// Bit b of byte i of the third bits belongs to number i of the b-th 32 numbers.
void decode_q3_k(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ3_K*>(in);
  for (; count > 0; count -= kBlockK, out += kBlockK, ++block) {
    uint8_t quants[kBlockK];
    unpack_quarters(block->quants, quants);
    for (int part = 0; part < 8; ++part) {
      for (int i = 0; i < 32; ++i) quants[part * 32 + i] |= (block->third_bits[i] >> part & 1) << 2;
    }
    GroupScales groups;
    for (int group = 0; group < 16; ++group) {
      groups.scale[group] = widen(block->scale) * static_cast<float>(factor_q3_k(block->factors, group));
    }
    scale_groups(groups, quants, 4, out);
  }
}

/// Every 64 bytes of quants hold the lower four bits of 128 numbers: 0 to 63 in the low halves. The
/// upper two bits lie as in q2_K.
void decode_q6_k(const std::byte* __restrict in, float* __restrict out, int64_t count) {
  const auto* block = reinterpret_cast<const BlockQ6_K*>(in);
  for (; count > 0; count -= kBlockK, out += kBlockK, ++block) {
    uint8_t quants[kBlockK];
    unpack_quarters(block->high_bits, quants);
    for (int part = 0; part < 4; ++part) {
      const uint8_t* packed = block->quants + part / 2 * 64;
      for (int i = 0; i < 64; ++i) {
        const int low = packed[i] >> part % 2 * 4 & 15;
        quants[part * 64 + i] = static_cast<uint8_t>(quants[part * 64 + i] << 4 | low);
      }
    }
    GroupScales groups;
    for (int group = 0; group < 16; ++group) {
      groups.scale[group] = widen(block->scale) * static_cast<float>(block->factors[group]);
    }
    scale_groups(groups, quants, 32, out);
  }
}

constexpr TensorType kTypes[] = {TensorType::f32,  TensorType::f16,  TensorType::bf16, TensorType::q4_0,
                                 TensorType::q4_1, TensorType::q5_0, TensorType::q5_1, TensorType::q8_0,
                                 TensorType::q2_k, TensorType::q3_k, TensorType::q4_k, TensorType::q5_k,
                                 TensorType::q6_k};

/// Numbers of whose bits those of the exponent are all set are NaN or infinite.
template <typename Word, Word kExponent>
bool finite_numbers(const std::byte* in, int64_t count) {
  Word found = 0;  // a loop that may end early is no vector code
  for (int64_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, in + i * static_cast<int64_t>(sizeof(word)), sizeof(word));
    found |= (word & kExponent) == kExponent ? 1 : 0;
  }
  return found == 0;
}

bool is_finite(Half half) { return (half & 0x7c00u) != 0x7c00u; }

/// A finite float16 times small integers is finite in float32.
template <typename Block>
bool finite_blocks(const std::byte* in, int64_t blocks) {
  const auto* block = reinterpret_cast<const Block*>(in);
  bool finite = true;
  for (int64_t i = 0; i < blocks; ++i, ++block) {
    finite &= is_finite(block->scale);
    if constexpr (requires { block->minimum; }) finite &= is_finite(block->minimum);
  }
  return finite;
}

/// The bytes of a block that hold the quants' lower bits, what they are where each quant's lower bits are 1, and where
/// the block's minimum lies, if it has one. Nothing of a type that is not quantised.
struct LowerBits {
  size_t first = 0, bytes = 0;
  int ones = 0;
  std::optional<size_t> minimum = {};
};

template <typename Block>
constexpr LowerBits lower_bits(int ones) {
  LowerBits bits{offsetof(Block, quants), sizeof(Block::quants), ones};
  if constexpr (requires(Block block) { block.minimum; }) bits.minimum = offsetof(Block, minimum);
  return bits;
}

constexpr int kEachByte = 0x01, kEachHalf = 0x11, kEachQuarter = 0x55;

/// Everything that depends on the type, in the order of TensorType.
struct Format {
  std::string_view name;
  int64_t elements;
  int64_t bytes;
  void (*decode)(const std::byte* in, float* out, int64_t count);
  bool (*finite)(const std::byte* in, int64_t blocks);
  LowerBits lower_bits = {};
};

constexpr Format kFormats[] = {
    {"F32", 1, 4, decode_f32, finite_numbers<uint32_t, 0x7f800000>},
    {"F16", 1, 2, decode_f16, finite_numbers<uint16_t, 0x7c00>},
    {"BF16", 1, 2, decode_bf16, finite_numbers<uint16_t, 0x7f80>},
    {"Q4_0", kBlock, sizeof(BlockQ4_0), decode_q4_0, finite_blocks<BlockQ4_0>, lower_bits<BlockQ4_0>(kEachHalf)},
    {"Q4_1", kBlock, sizeof(BlockQ4_1), decode_q4_1, finite_blocks<BlockQ4_1>, lower_bits<BlockQ4_1>(kEachHalf)},
    {"Q5_0", kBlock, sizeof(BlockQ5_0), decode_q5_0, finite_blocks<BlockQ5_0>, lower_bits<BlockQ5_0>(kEachHalf)},
    {"Q5_1", kBlock, sizeof(BlockQ5_1), decode_q5_1, finite_blocks<BlockQ5_1>, lower_bits<BlockQ5_1>(kEachHalf)},
    {"Q8_0", kBlock, sizeof(BlockQ8_0), decode_q8_0, finite_blocks<BlockQ8_0>, lower_bits<BlockQ8_0>(kEachByte)},
    {"Q2_K", kBlockK, sizeof(BlockQ2_K), decode_q2_k, finite_blocks<BlockQ2_K>, lower_bits<BlockQ2_K>(kEachQuarter)},
    {"Q3_K", kBlockK, sizeof(BlockQ3_K), decode_q3_k, finite_blocks<BlockQ3_K>, lower_bits<BlockQ3_K>(kEachQuarter)},
    {"Q4_K", kBlockK, sizeof(BlockQ4_K), decode_q4_k, finite_blocks<BlockQ4_K>, lower_bits<BlockQ4_K>(kEachHalf)},
    {"Q5_K", kBlockK, sizeof(BlockQ5_K), decode_q5_k, finite_blocks<BlockQ5_K>, lower_bits<BlockQ5_K>(kEachHalf)},
    {"Q6_K", kBlockK, sizeof(BlockQ6_K), decode_q6_k, finite_blocks<BlockQ6_K>, lower_bits<BlockQ6_K>(kEachHalf)},
};
static_assert(std::size(kFormats) == std::size(kTypes));

const Format& format(TensorType type) { return kFormats[static_cast<size_t>(type)]; }

}  // namespace

std::span<const TensorType> tensor_types() { return kTypes; }
std::string_view type_name(TensorType type) { return format(type).name; }
int64_t block_elements(TensorType type) { return format(type).elements; }
int64_t block_bytes(TensorType type) { return format(type).bytes; }

void dequantize(TensorType type, std::span<const std::byte> bytes, std::span<float> numbers) {
  const Format& stored = format(type);
  const auto blocks = numbers.size() / static_cast<size_t>(stored.elements);
  if (numbers.size() % static_cast<size_t>(stored.elements) != 0 ||
      bytes.size() != blocks * static_cast<size_t>(stored.bytes)) {
    throw Error(std::to_string(bytes.size()) + " bytes do not hold " + std::to_string(numbers.size()) + " numbers",
                std::string(stored.name), "decode whole blocks");
  }
  if (!numbers.empty()) {
    stored.decode(bytes.data(), numbers.data(), static_cast<int64_t>(numbers.size()));
  }
}

void quantization_steps(TensorType type, std::span<const std::byte> bytes, std::span<float> steps) {
  const auto& bits = format(type).lower_bits;
  std::fill(steps.begin(), steps.end(), 0.0f);
  if (bits.bytes == 0) return;
  std::vector<std::byte> changed(bytes.begin(), bytes.end());
  const auto decode_with = [&](int value, std::span<float> numbers) {
    for (size_t block = 0; block < bytes.size(); block += static_cast<size_t>(block_bytes(type))) {
      std::memset(changed.data() + block + bits.first, value, bits.bytes);
      if (bits.minimum) std::memset(changed.data() + block + *bits.minimum, 0, sizeof(Half));
    }
    dequantize(type, changed, numbers);
  };
  std::vector<float> without(steps.size());
  decode_with(0, without);
  decode_with(bits.ones, steps);
  for (size_t i = 0; i < steps.size(); ++i) steps[i] = std::abs(steps[i] - without[i]);
}

bool all_finite(TensorType type, std::span<const std::byte> bytes) {
  const Format& stored = format(type);
  return stored.finite(bytes.data(), static_cast<int64_t>(bytes.size()) / stored.bytes);
}

}  // namespace replicate
