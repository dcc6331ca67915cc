#include "harness/study/measures/substitutes.h"

#include "harness/study/target.h"

namespace replicate {

std::vector<Patch> own_value_of(const ScaledTarget& scaled) { return {only_itself(scaled.target, scaled.before)}; }

std::optional<std::vector<Patch>> other_value_of(const Claim& claim, const ScaledTarget& scaled) {
  if (scaled.target < 2) return std::nullopt;
  Random random(derive_seed(claim.seed, "variance_substitutes/other"));
  MaskedRow row{scaled.target, {}};
  for (int64_t b = 0; b < scaled.on.tokens->sequences(); ++b) {
    row.keys.push_back({1 + static_cast<int64_t>(random.below(scaled.target - 1))});
  }
  return std::vector<Patch>{RowMask{scaled.before, row}};
}

std::vector<Patch> noise_like_first(Claim& claim, const ScaledTarget& scaled) {
  const auto seed = derive_seed(claim.seed, "variance_substitutes/noise");
  const auto change = [&](const CalibratedLayer& at) -> std::vector<Patch> {
    const auto at_target = [&](const std::string& source, float scale, Combine combine) {
      return Transplant{.layers = {at.layer, at.layer},
                        .positions = {scaled.target},
                        .dimensions = {},
                        .scale = scale,
                        .source = source,
                        .combine = combine,
                        .seed = seed};
    };
    return {at_target(at.target, 0, Combine::sequence_mean), at_target(at.first, 1, Combine::noise)};
  };
  return calibrate(claim, scaled, scaled.before, change).patches;
}

}  // namespace replicate
