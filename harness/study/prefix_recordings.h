#pragma once

#include "models/core/executor.h"

namespace replicate {

/// Puts `prefix` before the name of every recording of the plan and before every name by which its patches read one, so
/// plans of several experiments can be run as one.
void prefix_recordings(Plan& plan, const std::string& prefix);

}  // namespace replicate
