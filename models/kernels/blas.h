#pragma once

// The standard Fortran BLAS symbol that LibTorch's CPU library exports (MKL, OpenBLAS): callable inside a
// parallel region on raw pointers, where tensor operations are not.

#include <cstdint>

extern "C" void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
                       const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                       const float* beta, float* c, const int* ldc);

extern "C" int MKL_Set_Num_Threads_Local(int threads) __attribute__((weak));  // null where BLAS is not MKL

namespace replicate {

/// While it lives, MKL works for this thread on this thread alone. In a parallel region it does so anyway, but cuts
/// products up as for all threads, so that their bits would depend on how many there are (AVX-512).
class OneThreadOfBlas {
 public:
  OneThreadOfBlas() : before_(MKL_Set_Num_Threads_Local ? MKL_Set_Num_Threads_Local(1) : 0) {}
  ~OneThreadOfBlas() {
    if (MKL_Set_Num_Threads_Local) MKL_Set_Num_Threads_Local(before_);
  }
  OneThreadOfBlas(const OneThreadOfBlas&) = delete;
  OneThreadOfBlas& operator=(const OneThreadOfBlas&) = delete;

 private:
  int before_;
};

/// Row-major C [m, n] = A [m, k] B^T with B [n, k]; leading dimensions k, k, n.
inline void multiply_transposed(const float* a, const float* b, float* c, int m, int n, int k) {
  const float one = 1, zero = 0;
  sgemm_("T", "N", &n, &m, &k, &one, b, &k, a, &k, &zero, c, &n);
}

/// Row-major C [m, n] = A [m, k] B with B [k, n]; B's and C's rows lie so far apart.
inline void multiply(const float* a, const float* b, int b_stride, float* c, int c_stride, int m, int n, int k) {
  const float one = 1, zero = 0;
  sgemm_("N", "N", &n, &m, &k, &one, b, &b_stride, a, &k, &zero, c, &c_stride);
}

}  // namespace replicate
