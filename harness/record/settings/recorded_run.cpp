#include "harness/record/settings/recorded_run.h"

#include <regex>

#include "base/error.h"
#include "base/yaml.h"
#include "harness/record/settings/draft.h"
#include "harness/record/settings/prior_knowledge.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "config.yaml";

}  // namespace

SettingsRequest recorded_request(const fs::path& run, SettingsRequest request) {
  const auto config = run / kConfigFile;
  if (!fs::exists(config)) throw Error("there is no config.yaml", run.string(), "name the folder of a run");
  const Yaml yaml = Yaml::read(config);
  const Yaml model = yaml.at("model");
  request.recorded = config;
  request.profile = yaml.at("profile").text();
  request.model = model.has("path") ? model.at("path").text() : model.at("name").text();
  request.bos = model.at("bos").text();
  const std::regex sign("[^A-Za-z0-9_]");
  std::string claims;
  for (const auto& entry : fs::directory_iterator(run)) {
    if (!fs::exists(entry.path() / "record.json")) continue;
    claims += (claims.empty() ? "" : "|") + std::regex_replace(entry.path().filename().string(), sign, "\\$&");
  }
  if (claims.empty()) throw Error("there are no records", run.string(), "name the folder of a run that ended");
  request.only = "^(" + claims + ")$";
  return request;
}

void apply_recorded(Draft& draft, const Yaml& config) {
  draft.settings.sweep_texts.clear();  // older runs have neither other texts nor noise
  for (const std::string& key : kRunKeys) {
    const bool is_newer = key == "sweep_texts" || key == "weight_noise";
    if (!is_newer || config.has(key)) set_run_key(draft.settings, key, config.at(key));
  }
  draft.settings.dtype = config.text_or("dtype", draft.settings.dtype);
  draft.survey.merge(config.at("survey"));
  const auto of_the_profile = draft.training;
  if (const auto training = config.find("training"); training && training->is_mapping())
    draft.training.merge(*training);
  forget_lowest_loss(draft.training, of_the_profile);
  if (!train_the_same(draft.training, of_the_profile)) forget_training(draft);
  for (const auto& [id, claim] : config.at("claims").entries()) {
    auto* known = find_claim(draft, id);
    const auto parameters = claim.find("parameters");
    if (known && parameters && parameters->is_mapping()) known->parameters.merge(*parameters);
  }
}

}  // namespace replicate
