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

/// What one large matrix product reaches, floating-point operations a second: the measure of what a run could use.
double matrix_product_flops(at::Device device, bool bfloat16, int64_t threads);

/// "7,400 tokens/s, 44% of the 101 GFLOP/s that a matrix product reaches here (MFU)"; time in steps alone.
std::string throughput(const TrainedRun& run, int64_t length, double peak);

}  // namespace replicate
