#include "harness/record/power_table.h"

#include <cstdio>

#include "base/number_text.h"
#include "harness/record/evidence.h"

namespace replicate {
namespace {

std::string row(const std::string& claim, const std::string& criterion, const std::string& effect,
                const std::string& units, const std::string& power, const std::string& needed) {
  char line[200];
  std::snprintf(line, sizeof line, "%-28s %-38s %9s %6s %6s %9s\n", claim.c_str(), criterion.c_str(), effect.c_str(),
                units.c_str(), power.c_str(), needed.c_str());
  return line;
}

std::string criterion_row(const std::string& claim, const std::string& metric, double effect_size, int64_t units) {
  const auto needed = units_needed(effect_size);
  return row(claim, metric, significant_text(effect_size, 2), std::to_string(units),
             significant_text(power(effect_size, units), 2), needed ? std::to_string(*needed) : "-");
}

/// Effects that were recorded under another definition say nothing of today's criteria.
bool is_recorded_as_defined(const ClaimSettings& claim) {
  return claim.known.recorded && claim.known.recorded->thresholds_sha256 == thresholds_sha256(claim.judging);
}

}  // namespace

std::string power_table(const std::vector<ClaimSettings>& claims,
                        const std::function<int64_t(const ClaimSettings&)>& units) {
  std::string rows;
  for (const auto& claim : claims) {
    if (!is_recorded_as_defined(claim)) continue;
    for (const auto& [metric, effect_size] : claim.known.effect_sizes) {
      rows += criterion_row(claim.id, metric, effect_size, units(claim));
    }
  }
  if (rows.empty()) return {};
  return row("claim", "criterion", "effect", "units", "power", "needed") + rows +
         "Effect: distance from the threshold in standard deviations of one unit of sampling (a sequence, or a seed), "
         "as last\n"
         "recorded; needed: units for a power of 0.8; -: it lay on the wrong side.\n";
}

}  // namespace replicate
