#pragma once

#include <functional>

#include "harness/record/settings/settings.h"

namespace replicate {

/// What --dry-run says of sampling: for each criterion of which a recorded run of the same model (or profile) tells the
/// effect size, the planned units of sampling, the power that they give at 95%, and how many give 0.8. Empty where
/// nothing is recorded. `units`: sequences of a claim's judged inputs, or seeds.
std::string power_table(const std::vector<ClaimSettings>& claims,
                        const std::function<int64_t(const ClaimSettings&)>& units);

}  // namespace replicate
