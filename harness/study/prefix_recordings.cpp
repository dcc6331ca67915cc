#include "harness/study/prefix_recordings.h"

#include "base/overloaded.h"

namespace replicate {

void prefix_recordings(Plan& plan, const std::string& prefix) {
  const Overloaded rename{
      [&](Transplant& patch) { patch.source = prefix + patch.source; },
      [&](MatchedSpread& patch) {
        patch.source = prefix + patch.source;
        patch.reference = prefix + patch.reference;
      },
      [](OneOf<RowMask, IdentityAttention, AffinePatch, WriteEdit> auto&) {},
  };
  for (auto& lane : plan) {
    for (auto& recording : lane.recordings) recording.name = prefix + recording.name;
    for (auto& patch : lane.patches) std::visit(rename, patch);
  }
}

}  // namespace replicate
