#pragma once

// What a stream that a person may be looking at can show.

namespace replicate {

/// Columns of the terminal on the file descriptor, 80 where it does not say; 0 when there is none or it cannot move its
/// cursor (TERM=dumb).
int terminal_columns(int descriptor);

/// A terminal that is not dumb, of a person who did not set NO_COLOR (no-color.org).
bool takes_colour(int descriptor);

}  // namespace replicate
