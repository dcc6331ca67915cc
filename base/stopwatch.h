#pragma once

#include <chrono>

namespace replicate {

/// Measures wall-clock time from when it was made or restarted.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  void restart() { start_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;  // unlike the system's time, it never goes back
  Clock::time_point start_ = Clock::now();
};

}  // namespace replicate
