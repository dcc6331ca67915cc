#pragma once

#include "models/core/executor.h"

namespace replicate {

/// Error when a lane's tokens, patches or model do not fit together, when two recordings have one name, and when a
/// patch reads a recording that is not there or does not fit.
void check_plan(const Plan& plan);

}  // namespace replicate
