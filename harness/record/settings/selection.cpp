#include "harness/record/settings/selection.h"

#include <regex>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/draft.h"

namespace replicate {
namespace {

constexpr size_t kLongestPattern = 500;

std::regex pattern(const std::string& only) {
  try {
    if (only.size() > kLongestPattern) throw std::regex_error(std::regex_constants::error_space);
    return std::regex(only);
  } catch (const std::regex_error& error) {
    throw Error("not a regular expression: " + in_quotes(only), "--only",
                "name a claim, a part of its id, or mechanism, intervention or training");
  }
}

}  // namespace

void select(std::vector<ClaimDraft>& claims, const std::string& only) {
  if (only.empty()) return;
  const std::vector<std::string> known = ids(claims);
  const bool exact = contains(known, only);
  const std::regex wanted = pattern(only);
  const auto matches = [&](const ClaimSettings& claim) {
    return std::regex_search(claim.id, wanted) || std::regex_match(to_string(claim.judging.kind), wanted);
  };
  std::erase_if(claims,
                [&](const ClaimDraft& claim) { return exact ? claim.settings.id != only : !matches(claim.settings); });
  if (claims.empty()) {
    throw Error("no claim matches " + in_quotes(only), "--only", did_you_mean(only, known));
  }
}

}  // namespace replicate
