#pragma once

#include <cstdlib>

#include "base/error.h"

namespace replicate {

/// An Error is an allowed end. The promise of one line of printable characters holds for hostile
/// names, too.
template <typename Action>
void allow_error(Action action) {
  try {
    action();
  } catch (const Error& error) {
    for (const char* c = error.what(); *c != 0; ++c) {
      if (*c < ' ' || *c > '~') std::abort();
    }
  }
}

}  // namespace replicate
