#pragma once

#include <cstdint>

namespace replicate {

/// Layers first..last, both included, counted from 1.
struct LayerRange {
  int64_t first = 1;
  int64_t last = 0;
  bool contains(int64_t layer) const { return first <= layer && layer <= last; }
  bool contains(const LayerRange& other) const { return first <= other.first && other.last <= last; }
  bool operator==(const LayerRange&) const = default;
};

}  // namespace replicate
