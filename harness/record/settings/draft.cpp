#include "harness/record/settings/draft.h"

#include <algorithm>

#include "base/did_you_mean.h"
#include "base/error.h"

namespace replicate {

bool trains(const ClaimDraft& claim) { return claim.settings.judging.kind == ClaimKind::training; }

bool is_known_model(const Draft& draft, const Yaml& file, const std::string& name) {
  const auto& known = draft.known_models;
  return file.has("shape") && (!known || std::find(known->begin(), known->end(), name) != known->end());
}

std::vector<std::string> ids(const std::vector<ClaimDraft>& claims) {
  std::vector<std::string> ids;
  for (const ClaimDraft& claim : claims) ids.push_back(claim.settings.id);
  return ids;
}

ClaimDraft* find_claim(Draft& draft, const std::string& id) {
  for (ClaimDraft& claim : draft.claims) {
    if (claim.settings.id == id) return &claim;
  }
  return nullptr;
}

ClaimDraft& known_claim(Draft& draft, const std::string& id, const Yaml& yaml) {
  if (ClaimDraft* claim = find_claim(draft, id)) return *claim;
  throw Error("unknown claim " + in_quotes(id), yaml.where(), did_you_mean(id, ids(draft.claims)));
}

const std::vector<std::string> kRunKeys = {"seed",        "bootstrap_resamples", "batch_tokens", "sweep_sequences",
                                           "sweep_texts", "weight_noise"};

namespace {

/// They are folders below the assets, and suffixes of metrics.
std::vector<std::string> names_of_texts(const Yaml& value) {
  auto names = value.texts();
  for (const auto& name : names) {
    const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    if (name.empty() || !plain) {
      value.fail("names the text " + in_quotes(name), "name folders of assets/text in lower-case letters, or chat");
    }
  }
  return names;
}

}  // namespace

void set_run_key(Settings& settings, const std::string& key, const Yaml& value) {
  if (key == "seed") settings.seed = value.natural();
  if (key == "bootstrap_resamples") settings.bootstrap_resamples = value.integer(10, kMostResamples);
  if (key == "batch_tokens") settings.batch_tokens = value.integer(0, INT32_MAX);
  if (key == "sweep_sequences") settings.sweep_sequences = value.integer(0, INT32_MAX);
  if (key == "weight_noise") settings.weight_noise = value.natural();
  if (key == "sweep_texts") settings.sweep_texts = names_of_texts(value);
}

}  // namespace replicate
