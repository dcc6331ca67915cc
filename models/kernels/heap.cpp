#include "models/kernels/heap.h"

#include <algorithm>
#include <cstdio>  // defines __GLIBC__ where that is the library

#ifdef __GLIBC__
#include <malloc.h>
#include <unistd.h>
#endif

namespace replicate {
#ifdef __GLIBC__
namespace {

constexpr size_t kGrowth = size_t{256} << 20;

/// Memory of this process that is not swapped out, in bytes; 0 where the system does not say.
size_t resident() {
  unsigned long all = 0, pages = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu %lu", &all, &pages) != 2) pages = 0;
    std::fclose(file);
  }
  return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace
#endif

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc takes
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

void return_freed_memory() {
#ifdef __GLIBC__
  static size_t least = resident();
  const auto now = resident();
  least = std::min(least, now);
  if (now < least + kGrowth) return;
  malloc_trim(0);
  least = resident();
#endif
}

}  // namespace replicate
