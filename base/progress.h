#pragma once

// Progress of long work: a bar with an estimate on a terminal, plain lines otherwise.

#include <iosfwd>
#include <memory>
#include <string>

namespace replicate {

/// "42 s", "3 min 05 s", "2 h 05 min", "16 days", "53 years".
std::string duration_text(double seconds);

/// "40 to 70 s", "14 to 22 min", in the largest unit of which `high` has two; "about 3 h" where both round to one
/// number.
std::string duration_range_text(double low, double high);

class Progress {
 public:
  virtual ~Progress() = default;
  /// A new stage of `total` units of work (floating-point operations, as the planner counts them).
  virtual void begin(const std::string& stage, double total) = 0;
  virtual void advance(double done) = 0;  ///< `done` units since the last call
  virtual void end() = 0;
  virtual void line(const std::string& text) = 0;  ///< a finished claim, a warning: stays on screen
};

/// On stderr, as a bar when that is a terminal. Plain lines come at most every few seconds.
std::unique_ptr<Progress> make_progress();

/// The same on any stream; `columns` is the width of the terminal, 0 for plain lines.
std::unique_ptr<Progress> make_progress(std::ostream& out, int columns);

}  // namespace replicate
