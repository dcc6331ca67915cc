#pragma once

// One run's settings while they are being merged: parameters are still tables.

#include <optional>
#include <string>
#include <vector>

#include "base/yaml.h"
#include "harness/record/settings/parameter_table.h"
#include "harness/record/settings/settings.h"

namespace replicate {

inline constexpr int64_t kMostResamples = 1000000;
inline constexpr const char* kSurveyDefaults = "{sequences: 16, length: 128, random_length: 32}";

struct ClaimDraft {
  ClaimSettings settings;
  ParameterTable parameters;
  ParameterTable own;  ///< as its YAML gives them, with what a model's file says of the model
  std::optional<Yaml> arms, sweep;
  std::string file;
};

struct Draft {
  Settings settings;
  ParameterTable survey{Yaml::parse(kSurveyDefaults, "the survey's defaults")};
  ParameterTable training;
  std::string model;  ///< named by the profile
  std::string only;   ///< the claims that the profile runs, as --only has them; empty: all
  std::vector<ClaimDraft> claims;
  std::optional<std::vector<std::string>> known_models;  ///< when definitions were registered; nothing: none are
};

/// Numbers of this model, which has a file in configs/models, were known.
bool is_known_model(const Draft& draft, const Yaml& file, const std::string& name);

bool trains(const ClaimDraft& claim);  ///< of kind training

std::vector<std::string> ids(const std::vector<ClaimDraft>& claims);

ClaimDraft* find_claim(Draft& draft, const std::string& id);  ///< null when there is none

/// Error with "did you mean '...'?" when there is no such claim; `yaml` is where the id stands.
ClaimDraft& known_claim(Draft& draft, const std::string& id, const Yaml& yaml);

/// The settings that belong to a run and not to a claim.
extern const std::vector<std::string> kRunKeys;

/// Error when `value` is out of range. A key that is not one of kRunKeys changes nothing.
void set_run_key(Settings& settings, const std::string& key, const Yaml& value);

}  // namespace replicate
