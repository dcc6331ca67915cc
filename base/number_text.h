#pragma once

#include <string>

namespace replicate {

/// Numbers as C prints them: a point, no group separators, "nan" and "inf". Reports write numbers for people:
/// reports/text.h.

/// At most `digits` significant digits without trailing zeros (printf's %g); 17 of them read back as the same number.
std::string significant_text(double value, int digits);

/// `decimals` digits after the point (printf's %f).
std::string fixed_text(double value, int decimals);

/// "1 claim", "2 claims".
std::string plural(size_t count, const std::string& noun);

/// The shortest text that reads back as the same number.
std::string shortest_text(double value);

}  // namespace replicate
