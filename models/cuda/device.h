#pragma once

// What the kernels of this folder share; for .cu files only. Everything is float32 but what lies in memory. Sums over
// threads have a fixed order, so that results depend on shapes alone.

#include <cmath>

#include "models/cuda/runtime.h"

namespace replicate::cuda {

#ifndef REPLICATE_CUDA_EMULATED

constexpr unsigned kAllLanes = 0xffffffff;

__device__ inline void synchronise() { __syncthreads(); }
__device__ inline unsigned lane() { return threadIdx.x % 32; }
__device__ inline float shuffle(float x, unsigned from) { return __shfl_sync(kAllLanes, x, from); }
__device__ inline float shuffle_xor(float x, unsigned mask) { return __shfl_xor_sync(kAllLanes, x, mask); }

__device__ inline uint32_t shared_address(const void* data) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(data));
}

/// Starts to copy 16 bytes into shared memory, or zeros where there are none. This thread sees them after
/// await_copies, other threads after a barrier that follows it.
__device__ inline void start_copy(void* to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(there ? 16 : 0)
               : "memory");
}
__device__ inline void await_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

/// Four 8 x 8 matrices of shared memory: lane i names row i % 8 of matrix i / 8. Word m holds elements (g, 2 t) and
/// (g, 2 t + 1) of matrix m, with g = lane / 4, t = lane % 4 (PTX ISA, ldmatrix).
__device__ inline void load_matrices(uint32_t (&words)[4], const Bfloat16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(shared_address(row))
               : "memory");
}

/// The same of the matrices transposed: elements (2 t, g) and (2 t + 1, g).
__device__ inline void load_transposed(uint32_t (&words)[4], const Bfloat16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(shared_address(row))
               : "memory");
}

/// Two numbers as bfloat16, the first in the lower half.
__device__ inline uint32_t rounded_pair(float first, float second) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
  return word;
}

/// 16 bytes by one instruction: nvcc often cuts such a store into words, or into single elements.
__device__ inline void store_wide(float* to, const float* v) {
  asm volatile("st.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(to), "f"(v[0]), "f"(v[1]), "f"(v[2]), "f"(v[3]) : "memory");
}
__device__ inline void store_wide(Bfloat16* to, const float* v) {
  asm volatile("st.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(rounded_pair(v[0], v[1])),
               "r"(rounded_pair(v[2], v[3])), "r"(rounded_pair(v[4], v[5])), "r"(rounded_pair(v[6], v[7]))
               : "memory");
}

/// c [16, 8] += a [16, 16] b [16, 8] on tensor cores, by one warp (PTX ISA, mma.m16n8k16).
__device__ inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

template <typename Element>
__device__ Element* shared_memory() {
  extern __shared__ uint4 dynamic_shared_memory[];  // 16-byte aligned
  return reinterpret_cast<Element*>(dynamic_shared_memory);
}

/// Starts a kernel; what is wrong with the start itself is returned, what goes wrong later shows at the next call.
template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                   Arguments... arguments) {
  constexpr size_t kWithoutAsking = 40 * 1024;  // of 48 KiB; a kernel has some of its own beside
  if (shared > kWithoutAsking) {
    const auto error =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (error != cudaSuccess) {
      cudaGetLastError();  // it is told here: the next start must not tell it again
      return error;
    }
  }
  kernel<<<grid, block, shared, stream>>>(arguments...);
  return cudaGetLastError();
}

#endif

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(Bfloat16 x) { return __bfloat162float(x); }
__device__ inline void from_float(float& to, float x) { to = x; }
__device__ inline void from_float(Bfloat16& to, float x) { to = __float2bfloat16(x); }

/// Neighbouring elements that one thread takes at once, as float32.
template <int kCount>
struct Values {
  float v[kCount];
};

/// How many elements are one access of 16 bytes.
template <typename Element>
constexpr int kWide = 16 / sizeof(Element);

template <typename Element, int kCount>
struct alignas(kCount * sizeof(Element) < 16 ? kCount * sizeof(Element) : 16) Packed {
  Element v[kCount];
};

template <int kCount, typename Element>
__device__ Values<kCount> load(const Element* from) {
  const auto packed = *reinterpret_cast<const Packed<Element, kCount>*>(from);
  Values<kCount> values;
#pragma unroll
  for (int i = 0; i < kCount; ++i) values.v[i] = to_float(packed.v[i]);
  return values;
}

template <int kCount, typename Element>
__device__ void store(Element* to, const Values<kCount>& values) {
  if constexpr (kCount % kWide<Element> == 0) {
#pragma unroll
    for (int i = 0; i < kCount; i += kWide<Element>) store_wide(to + i, values.v + i);
  } else {
    Packed<Element, kCount> packed;
#pragma unroll
    for (int i = 0; i < kCount; ++i) from_float(packed.v[i], values.v[i]);
    *reinterpret_cast<Packed<Element, kCount>*>(to) = packed;
  }
}

/// Whether rows that begin at such an address and lie `stride` elements apart can be read 16 bytes at a time.
template <typename Element>
bool is_aligned(const Element* data, int64_t stride = 0) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && stride % kWide<Element> == 0;
}

/// Over kLanes neighbours; the whole warp has come here.
template <int kLanes = 32>
__device__ float warp_sum(float x) {
  for (unsigned mask = kLanes / 2; mask > 0; mask /= 2) x += shuffle_xor(x, mask);
  return x;
}

__device__ inline float warp_max(float x) {
  for (unsigned mask = 16; mask > 0; mask /= 2) x = fmaxf(x, shuffle_xor(x, mask));
  return x;
}

/// One value a warp, known to all threads of a block of kThreads (x only).
template <int kThreads, typename Combine>
__device__ float combine_warps(float x, const Combine& combine) {
  if constexpr (kThreads > 32) {
    __shared__ float parts[kThreads / 32];
    synchronise();  // the parts of the last call have been read
    if (lane() == 0) parts[threadIdx.x / 32] = x;
    synchronise();
    x = parts[0];
    for (int i = 1; i < kThreads / 32; ++i) x = combine(x, parts[i]);
  }
  return x;
}

/// Over kThreads threads: part of a warp that has come here as a whole, or a block of one row of threads.
template <int kThreads>
__device__ float group_sum(float x) {
  return combine_warps<kThreads>(warp_sum<(kThreads < 32 ? kThreads : 32)>(x), [](float a, float b) { return a + b; });
}

template <int kThreads>
__device__ float group_max(float x) {
  return combine_warps<kThreads>(warp_max(x), [](float a, float b) { return fmaxf(a, b); });
}

/// Calls start with the number of elements that a thread takes at once as a constant: `kWidest` where everything allows
/// it.
template <int kWidest, typename Start>
cudaError_t with_count(bool wide, const Start& start) {
  return wide ? start.template operator()<kWidest>() : start.template operator()<1>();
}

inline unsigned ceil_divide(int64_t a, int64_t b) { return static_cast<unsigned>((a + b - 1) / b); }

}  // namespace replicate::cuda
