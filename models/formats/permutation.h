#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

namespace replicate {

/// A bijection of 64-bit numbers in which every input bit reaches every output bit: the finaliser
/// of SplitMix64. Source: Steele, Lea and Flood 2014, Stafford's variant 13.
constexpr uint64_t mixed(uint64_t number) {
  number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
  number = (number ^ number >> 27) * 0x94d049bb133111eb;
  return number ^ number >> 31;
}

/// Where `index` goes in a permutation of 0 .. size - 1 that `key` picks; index < size. A pure
/// function: who knows seed and epoch knows sample i of that epoch, with no state to save and
/// nothing to shuffle. Give keys that are mixed already, such as mixed(seed + epoch).
///
/// A balanced Feistel network on the next even number of bits permutes up to four times as many
/// numbers; one that lands outside goes through it again until it is inside (cycle walking).
/// Source: Black and Rogaway 2002, "Ciphers with arbitrary finite domains", method 2.
constexpr uint64_t permuted(uint64_t index, uint64_t size, uint64_t key) {
  constexpr int kRounds = 8;  // four are enough for wide halves; few numbers need more
  constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
  const int half = std::max((static_cast<int>(std::bit_width(size - 1)) + 1) / 2, 1);
  const uint64_t mask = (uint64_t{1} << half) - 1;
  do {
    uint64_t left = index >> half;
    uint64_t right = index & mask;
    for (uint64_t round = 1; round <= kRounds; ++round) {
      left ^= mixed(right ^ mixed(key + round * kStep)) & mask;
      std::swap(left, right);
    }
    index = left << half | right;
  } while (index >= size);
  return index;
}

}  // namespace replicate
