#pragma once

#include "harness/record/record.h"

namespace replicate::report {

/// A primary criterion of the run, with its p value among all of them.
struct FamilyMember {
  const Record* record;
  const Finding* criterion;
  double adjusted;  ///< by Holm, over all criteria of the run that have a p value
};

/// In the order of the records. Those with an adjusted p below kFamilyAlpha hold together: the chance that any one of
/// them is there by chance is below it.
std::vector<FamilyMember> family_of(const std::vector<Record>& records);
inline constexpr double kFamilyAlpha = 0.025;  // one side of 95%

}  // namespace replicate::report
