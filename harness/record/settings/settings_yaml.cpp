#include "harness/record/settings/settings_yaml.h"

#include <algorithm>

#include "base/yaml.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

std::string indented(const std::string& text, const std::string& indent) {
  std::string result;
  for (size_t first = 0; first < text.size();) {
    const size_t last = std::min(text.find('\n', first), text.size() - 1) + 1;
    result += indent + text.substr(first, last - first);
    first = last;
  }
  return result;
}

std::string yaml_list(const std::vector<std::string>& texts) {
  std::string list;
  for (const auto& text : texts) list += (list.empty() ? "" : ", ") + yaml_quoted(text);
  return "[" + list + "]";
}

std::string model_yaml(const ModelSettings& model) {
  std::string text = "model:\n  name: " + yaml_quoted(model.name) + "\n";
  text += "  file: " + yaml_quoted(model.file.filename().string()) + "\n";
  if (model.from_path) text += "  path: " + yaml_quoted(fs::absolute(model.file).lexically_normal().string()) + "\n";
  if (model.sha256) text += "  sha256: " + *model.sha256 + "\n";
  if (!model.judged_as.empty()) text += "  judged_as: " + yaml_quoted(model.judged_as) + "\n";
  text += std::string("  bos: ") + (!model.bos ? "auto" : *model.bos ? "on" : "off") + "\n";
  return text + "  reinitialised: " + (model.reinitialised ? "true" : "false") + "\n";
}

std::string sweep_yaml(const ClaimSettings& claim) {
  std::string text = claim.sweep.empty() ? "" : "    sweep:\n";
  for (const SweepSettings& point : claim.sweep) {
    text += "      " + point.suffix + ": " + yaml_quoted(point.changes) + "\n";
  }
  return text;
}

std::string claim_yaml(const ClaimSettings& claim) {
  return "  " + claim.id + ":\n    parameters:\n" + indented(claim.parameters.yaml(), "      ") + sweep_yaml(claim);
}

}  // namespace

std::string settings_yaml(const Settings& settings) {
  std::string text = "profile: " + yaml_quoted(settings.profile) + "\nseed: " + std::to_string(settings.seed) +
                     "\nbootstrap_resamples: " + std::to_string(settings.bootstrap_resamples) +
                     "\nbatch_tokens: " + std::to_string(settings.batch_tokens) + "\ndtype: " + settings.dtype +
                     "\nsweep_sequences: " + std::to_string(settings.sweep_sequences) +
                     "\nsweep_texts: " + yaml_list(settings.sweep_texts) +
                     "\nweight_noise: " + std::to_string(settings.weight_noise) + "\nsurvey:\n" +
                     indented(settings.survey.yaml(), "  ") + "training:\n" + indented(settings.training.yaml(), "  ") +
                     model_yaml(settings.model) + "claims:\n";
  for (const ClaimSettings& claim : settings.claims) text += claim_yaml(claim);
  return text;
}

}  // namespace replicate
