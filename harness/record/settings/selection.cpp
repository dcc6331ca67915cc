#include "harness/record/settings/selection.h"

#include <regex>
#include <set>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "base/number_text.h"
#include "harness/record/settings/config_files.h"
#include "harness/record/settings/draft.h"

namespace replicate {
namespace {

constexpr size_t kLongestPattern = 500;

/// At the commas between patterns; those within brackets are the pattern's own.
std::vector<std::string> parts_of(const std::string& only) {
  std::vector<std::string> parts(1);
  int open = 0;
  for (const char c : only) {
    if (c == '(' || c == '[' || c == '{') ++open;
    if (c == ')' || c == ']' || c == '}') --open;
    if (c == ',' && open == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

/// As a regular expression "sink_*" fits "sink", and so more claims than its author means.
void refuse_file_pattern(const std::string& only) {
  static const std::regex kFilePattern("[a-z0-9_]*[*?][a-z0-9_*?]*");
  if (!std::regex_match(only, kFilePattern)) return;
  throw Error("this is a file pattern: " + in_quotes(only), "--only",
              "give a part of the claims' ids, or a regular expression such as sink_.*");
}

std::regex pattern(const std::string& only) {
  refuse_file_pattern(only);
  try {
    if (only.size() > kLongestPattern) throw std::regex_error(std::regex_constants::error_space);
    return std::regex(only);
  } catch (const std::regex_error& error) {
    throw Error("not a regular expression: " + in_quotes(only), "--only",
                "name a claim, a part of its id, or mechanism, intervention or training");
  }
}

/// The claim of this id, else those in whose id the pattern is found, or of the kind that it is.
std::vector<std::string> matching(const std::vector<ClaimDraft>& claims, const std::string& part) {
  if (contains(ids(claims), part)) return {part};
  const std::regex wanted = pattern(part);
  std::vector<std::string> found;
  for (const auto& claim : claims)
    if (std::regex_search(claim.settings.id, wanted) ||
        std::regex_match(to_string(claim.settings.judging.kind), wanted))
      found.push_back(claim.settings.id);
  return found;
}

}  // namespace

void select(std::vector<ClaimDraft>& claims, const std::string& only) {
  if (only.empty()) return;
  const std::vector<std::string> known = ids(claims);
  std::set<std::string> wanted;
  for (const auto& part : parts_of(only)) {
    if (part.empty()) throw Error("an empty name in " + in_quotes(only), "--only", "remove the comma");
    const auto found = matching(claims, part);
    if (found.empty()) throw Error("no claim matches " + in_quotes(part), "--only", did_you_mean(part, known));
    wanted.insert(found.begin(), found.end());
  }
  std::erase_if(claims, [&](const ClaimDraft& claim) { return !wanted.contains(claim.settings.id); });
}

std::string select_by_default(std::vector<ClaimDraft>& claims, const std::string& profile,
                              const std::string& of_profile, bool own_model) {
  const auto known = claims.size();
  select(claims, of_profile);
  const auto left_out = known - claims.size();
  const auto training = own_model ? std::erase_if(claims, trains) : 0;
  std::string note;
  if (left_out > 0) {
    note = "Not run: " + plural(left_out, "claim") + " that the profile " + profile +
           " leaves out; --profile cpu runs all.";
  }
  if (training > 0) {
    note += (note.empty() ? "" : " ") + ("Not run: " + plural(training, "claim")) +
            " about training, which train models of their own; --only training runs them.";
  }
  return note;
}

}  // namespace replicate
