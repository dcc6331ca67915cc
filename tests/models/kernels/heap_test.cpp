#include "models/kernels/heap.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "base/byte_units.h"

namespace replicate {
namespace {

size_t resident_mebibytes() {
  size_t all = 0, pages = 0;
  std::ifstream("/proc/self/statm") >> all >> pages;
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / kMebibyte;
}

/// Small blocks that stay between large ones that go, as results lie between tensors.
TEST(Heap, MemoryBetweenWhatStaysGoesBackToTheSystem) {
#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "another heap than glibc's";
#endif
  keep_freed_memory();
  return_freed_memory();
  std::vector<std::unique_ptr<char[]>> large, small;
  for (int i = 0; i < 400; ++i) {
    large.push_back(std::make_unique_for_overwrite<char[]>(kMebibyte / 16 * 15));
    std::memset(large.back().get(), 1, kMebibyte / 16 * 15);
    small.push_back(std::make_unique<char[]>(100));
  }
  large.clear();
  const auto held = resident_mebibytes();
  return_freed_memory();
  EXPECT_LT(resident_mebibytes() + 300, held);
}

}  // namespace
}  // namespace replicate
