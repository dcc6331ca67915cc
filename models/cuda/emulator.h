#pragma once

// A CUDA device for tests, played by the processor: every thread of a block is a fiber (ucontext), blocks run one after
// the other, and a warp runs as far as it can before another one moves, so that a missing barrier shows. What threads
// of a warp do together (shuffles, ldmatrix, mma) follows the fragment layouts of the PTX ISA manual (sections on
// mma.m16n8k16 and ldmatrix), not our use of them. A barrier that not all threads reach is an error here.

#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__ static  // blocks run one after the other
#define __launch_bounds__(threads)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
using cudaStream_t = void*;
enum cudaError_t { cudaSuccess, cudaErrorInvalidValue };

/// The upper half of a float32, rounded to nearest even.
struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }
inline __nv_bfloat16 __float2bfloat16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return {static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

inline float __fdividef(float x, float y) { return x / y; }

inline dim3 threadIdx, blockIdx, blockDim, gridDim;  // of the fiber that runs

namespace replicate::cuda::emulated {

class Device {
 public:
  static Device& get() {
    static Device device;
    return device;
  }

  void run(const std::function<void()>& kernel, dim3 grid, dim3 block, size_t shared) {
    kernel_ = &kernel, gridDim = grid, blockDim = block;
    for (unsigned z = 0; z < grid.z; ++z) {
      for (unsigned y = 0; y < grid.y; ++y) {
        for (unsigned x = 0; x < grid.x; ++x) {
          blockIdx = {x, y, z};
          run_block(shared);
        }
      }
    }
  }

  void synchronise_block() { wait(block_); }
  void synchronise_warp() { wait(warps_[current_ / 32]); }
  unsigned lane() const { return current_ % 32; }
  void* shared() { return shared_.data(); }

  /// A copy may arrive at any time between its start and the wait for it: until then there is NaN.
  void start_copy(void* to, const void* from, bool there) {
    if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % 16 != 0) {
      throw std::runtime_error("a copy that is not aligned");
    }
    std::memset(to, 0xff, 16);
    fibers_[current_].copies.push_back({to, there ? from : nullptr});
  }
  void await_copies() {
    for (const auto& copy : std::exchange(fibers_[current_].copies, {})) {
      if (copy.from)
        std::memcpy(copy.to, copy.from, 16);
      else
        std::memset(copy.to, 0, 16);
    }
  }

  /// Every lane of the warp leaves a value and reads those of all 32.
  template <typename Value, typename Read>
  auto exchange(const Value& value, const Read& read) {
    static_assert(sizeof(Value) <= sizeof(Slot));
    std::memcpy(&slots_[current_], &value, sizeof(Value));
    synchronise_warp();
    const Slot* warp = &slots_[current_ / 32 * 32];
    const auto result = read([&](unsigned lane) {
      Value other;
      std::memcpy(&other, &warp[lane], sizeof(Value));
      return other;
    });
    synchronise_warp();
    return result;
  }

 private:
  struct Slot {
    uint64_t words[4];
  };
  struct Barrier {
    unsigned size = 0, arrived = 0, generation = 0;
  };
  struct Copy {
    void* to;
    const void* from;  // null: zeros
  };
  struct Fiber {
    ucontext_t context;
    std::vector<Copy> copies;  // started, not waited for
    std::vector<char> stack = std::vector<char>(size_t{1} << 16);
    bool done = false;
  };

  void run_block(size_t shared) {
    const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
    if (fibers_.size() < threads) fibers_ = std::vector<Fiber>(threads);
    shared_.assign(shared / sizeof(Slot) + 1, {~0ull, ~0ull, ~0ull, ~0ull});  // NaN, so that reading it unset is seen
    slots_.resize(threads);
    block_ = {threads};
    warps_.assign(threads / 32, {32});
    for (unsigned i = 0; i < threads; ++i) start(fibers_[i]);
    for (unsigned sweep = 0; running() > 0; ++sweep) {
      const auto before = progress_;
      for (unsigned w = 0; w < warps_.size(); ++w)
        run_warp(sweep % 2 == 0 ? w : static_cast<unsigned>(warps_.size()) - 1 - w);
      if (before == progress_) throw std::runtime_error("a barrier that not all threads reach");
    }
  }

  /// As far as the block's next barrier, before any other warp moves: where a barrier is missing, numbers come out
  /// wrong.
  void run_warp(unsigned warp) {
    uint64_t before = 0;
    do {
      before = progress_;
      for (unsigned i = 32 * warp; i < 32 * warp + 32; ++i) step(i);
    } while (before != progress_);
  }

  size_t running() const {
    return std::count_if(fibers_.begin(), fibers_.begin() + block_.size,
                         [](const Fiber& fiber) { return !fiber.done; });
  }

  void start(Fiber& fiber) {
    fiber.done = false;
    fiber.copies.clear();
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = &scheduler_;
    makecontext(
        &fiber.context, [] { get().run_fiber(); }, 0);
  }

  void run_fiber() {
    (*kernel_)();
    fibers_[current_].done = true;
    ++progress_;
  }

  /// Lets thread i run up to its next barrier.
  void step(unsigned i) {
    if (fibers_[i].done) return;
    current_ = i;
    threadIdx = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    swapcontext(&scheduler_, &fibers_[i].context);
  }

  void wait(Barrier& barrier) {
    ++progress_;
    const auto mine = barrier.generation;
    if (++barrier.arrived == barrier.size) {
      barrier.arrived = 0;
      ++barrier.generation;
    }
    while (barrier.generation == mine) swapcontext(&fibers_[current_].context, &scheduler_);
  }

  const std::function<void()>* kernel_ = nullptr;
  std::vector<Fiber> fibers_;
  std::vector<Slot> shared_, slots_;
  std::vector<Barrier> warps_;
  Barrier block_;
  ucontext_t scheduler_;
  unsigned current_ = 0;
  uint64_t progress_ = 0;
};

inline float half_of(uint32_t word, unsigned upper) {
  return __bfloat162float({static_cast<uint16_t>(word >> (16 * upper))});
}

}  // namespace replicate::cuda::emulated

namespace replicate::cuda {

inline void synchronise() { emulated::Device::get().synchronise_block(); }
inline unsigned lane() { return emulated::Device::get().lane(); }

inline float shuffle(float x, unsigned from) {
  return emulated::Device::get().exchange(x, [&](const auto& of) { return of(from); });
}
inline float shuffle_xor(float x, unsigned mask) { return shuffle(x, lane() ^ mask); }

inline void start_copy(void* to, const void* from, bool there) { emulated::Device::get().start_copy(to, from, there); }
inline void await_copies() { emulated::Device::get().await_copies(); }

/// ldmatrix.x4: lane i names row i % 8 of the 8 x 8 matrix i / 8.
inline void load_matrices(uint32_t (&words)[4], const __nv_bfloat16* row) {
  emulated::Device::get().exchange(row, [&](const auto& of) {
    const unsigned first = lane() % 4 * 2;
    for (unsigned m = 0; m < 4; ++m) {
      const auto* mine = of(8 * m + lane() / 4);
      words[m] = mine[first].bits | static_cast<uint32_t>(mine[first + 1].bits) << 16;
    }
    return 0;
  });
}

/// ldmatrix.x4.trans.
inline void load_transposed(uint32_t (&words)[4], const __nv_bfloat16* row) {
  emulated::Device::get().exchange(row, [&](const auto& of) {
    const unsigned first = lane() % 4 * 2, column = lane() / 4;
    for (unsigned m = 0; m < 4; ++m) {
      words[m] = of(8 * m + first)[column].bits | static_cast<uint32_t>(of(8 * m + first + 1)[column].bits) << 16;
    }
    return 0;
  });
}

inline uint32_t rounded_pair(float first, float second) {
  return __float2bfloat16(first).bits | static_cast<uint32_t>(__float2bfloat16(second).bits) << 16;
}

inline void store_wide(float* to, const float* v) { std::memcpy(to, v, 16); }
inline void store_wide(__nv_bfloat16* to, const float* v) {
  for (int i = 0; i < 8; ++i) to[i] = __float2bfloat16(v[i]);
}

/// mma.m16n8k16: c [16, 8] += a [16, 16] b [16, 8].
inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  struct Operands {
    uint32_t a[4], b[2];
  };
  const Operands operands = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  emulated::Device::get().exchange(operands, [&](const auto& of) {
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = lane() / 4 + 8 * (i / 2), column = lane() % 4 * 2 + i % 2;
      for (unsigned k = 0; k < 16; ++k) {
        const float left = emulated::half_of(of(row % 8 * 4 + k % 8 / 2).a[row / 8 + 2 * (k / 8)], k % 2);
        const float right = emulated::half_of(of(column * 4 + k % 8 / 2).b[k / 8], k % 2);
        c[i] += left * right;
      }
    }
    return 0;
  });
}

template <typename Element>
Element* shared_memory() {
  return static_cast<Element*>(emulated::Device::get().shared());
}

template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared, cudaStream_t,
                   Arguments... arguments) {
  emulated::Device::get().run([&] { kernel(arguments...); }, grid, block, shared);
  return cudaSuccess;
}

}  // namespace replicate::cuda
