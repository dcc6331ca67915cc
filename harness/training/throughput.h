#pragma once

// How fast a run trains, and what of the device it uses.

#include "harness/training/results.h"

namespace replicate {

/// Floating-point operations of one optimiser step on sequences of `length` tokens: forward and backward, three times
/// a causal forward pass. What is computed twice counts once.
double step_flops(const Recipe& recipe, int64_t length);

/// As many threads for the operations of this thread as a run has, until the end of the scope.
class ThreadsOfARun {
 public:
  explicit ThreadsOfARun(int64_t threads) { at::set_num_threads(static_cast<int>(threads)); }
  ~ThreadsOfARun() { at::set_num_threads(before_); }
  ThreadsOfARun(const ThreadsOfARun&) = delete;
  ThreadsOfARun& operator=(const ThreadsOfARun&) = delete;

 private:
  int before_ = at::get_num_threads();
};

/// What a run could use at most, floating-point operations a second.
struct Peak {
  double measured = 0;                 ///< that one large matrix product reaches
  std::optional<double> nominal = {};  ///< of the data sheet

  Peak of_all(int64_t devices) const;
};

Peak peak_of(at::Device device, bool bfloat16, int64_t threads);

/// Dense bfloat16 products of GPUs from A100 on, by the name that CUDA gives them. Source: NVIDIA's data sheets,
/// without sparsity.
std::optional<double> nominal_bfloat16_flops(const std::string& gpu);

/// "7,400 tokens/s, 44% of the 101 GFLOP/s that a matrix product reaches here (MFU)"; time in steps alone.
std::string throughput(const TrainedRun& run, int64_t length, const Peak& peak);

}  // namespace replicate
