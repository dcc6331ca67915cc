#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace replicate {

/// The merges of byte-pair encoding. A merge's rank is the order in which it was added; of a pair
/// that is added twice, the later rank counts.
class MergeTable {
 public:
  void add(int32_t left, int32_t right, int32_t result);

  /// Merges neighbours in `ids` until no pair is in the table: always the pair of the lowest rank,
  /// and of those the leftmost. O(n log n) in the number of ids.
  void apply(std::vector<int32_t>& ids) const;

 private:
  friend class MergeRun;

  struct Merge {
    int32_t rank;
    int32_t result;
  };

  const Merge* find(int32_t left, int32_t right) const;

  std::unordered_map<uint64_t, Merge> merges_;  ///< by both ids
  int32_t next_rank_ = 0;
};

}  // namespace replicate
