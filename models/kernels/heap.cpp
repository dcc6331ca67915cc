#include "models/kernels/heap.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace replicate {

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc takes
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

}  // namespace replicate
