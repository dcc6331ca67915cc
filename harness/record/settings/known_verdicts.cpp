#include "harness/record/settings/known_verdicts.h"

#include "base/did_you_mean.h"
#include "harness/record/settings/config_files.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

/// A group of the file, which is also a folder of configs.
struct Group {
  std::string name;
  bool of_training;  ///< of claims that train their own models
};

const std::vector<Group> kKnownGroups = {{"models", false}, {"profiles", true}};

ExpectedVerdict read_expected(const Yaml& yaml) {
  yaml.allow({"verdict", "why", "since"});
  return {word_of<Verdict>(yaml.at("verdict")), filled_text(yaml.at("why")), filled_text(yaml.at("since"))};
}

RecordedVerdict read_recorded(const Yaml& yaml) {
  yaml.allow({"run", "profile", "verdict", "thresholds_sha256"});
  return {.run = filled_text(yaml.at("run")),
          .profile = filled_text(yaml.at("profile")),
          .thresholds_sha256 = filled_text(yaml.at("thresholds_sha256")),
          .verdict = word_of<Verdict>(yaml.at("verdict"))};
}

KnownVerdict read_entry(const Yaml& yaml) {
  yaml.allow({"expected", "recorded"});
  KnownVerdict known;
  if (const auto expected = yaml.find("expected")) known.expected = read_expected(*expected);
  if (const auto recorded = yaml.find("recorded")) known.recorded = read_recorded(*recorded);
  return known;
}

/// The entries of one model or profile.
void apply_entries(Draft& draft, const Yaml& entries, const Group& group) {
  for (const auto& [id, entry] : entries.entries()) {
    ClaimDraft& claim = known_claim(draft, id, entry);
    if (trains(claim) != group.of_training) {
      entry.fail(trains(claim) ? "is about a claim that trains its own models" : "is about a claim about one model",
                 group.of_training ? "list it under models" : "list it under profiles");
    }
    claim.settings.known = read_entry(entry);
  }
}

}  // namespace

std::optional<Yaml> read_known(const fs::path& configs) {
  return read_optional(configs / "known.yaml", {"models", "profiles"});
}

void apply_known(Draft& draft, const std::optional<Yaml>& known) {
  if (!known) return;
  const auto& model = draft.settings.model;
  const std::string name_of_model = model.from_path ? model.judged_as : model.name;
  for (const Group& group : kKnownGroups) {
    const auto names = known->find(group.name);
    const auto entries = names ? names->find(group.of_training ? draft.settings.profile : name_of_model) : std::nullopt;
    if (entries) apply_entries(draft, *entries, group);
  }
}

void check_known(const fs::path& configs, const std::vector<ClaimDraft>& claims) {
  const auto known = read_known(configs);
  if (!known) return;
  Draft draft;
  draft.claims = claims;
  for (const Group& group : kKnownGroups) {
    const auto names = known->find(group.name);
    if (!names) continue;
    const auto files = names_in(configs / group.name);
    for (const auto& [name, entries] : names->entries()) {
      if (!contains(files, name)) entries.fail("has no file in configs/" + group.name, did_you_mean(name, files));
      apply_entries(draft, entries, group);
    }
  }
}

}  // namespace replicate
