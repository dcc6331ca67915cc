#include "harness/cli/program.h"

#include <cstdlib>
#include <iostream>

#include "base/error.h"
#include "harness/record/settings/recorded_run.h"
#include "models/formats/description.h"

namespace replicate::cli {
namespace {

std::filesystem::path folder_from(const char* variable, const std::filesystem::path& otherwise) {
  const char* value = std::getenv(variable);
  return value && *value ? value : otherwise;
}

/// Nothing when the model cannot be read.
std::optional<ModelIdentity> identify(const std::filesystem::path& model) {
  try {
    const ModelConfig config = describe_model(model).config;
    return ModelIdentity{.architecture = config.architecture,
                         .layers = config.layers,
                         .width = config.width,
                         .heads = config.heads,
                         .kv_heads = config.kv_heads,
                         .hidden = config.hidden,
                         .vocabulary = config.vocabulary,
                         .context = config.context};
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

std::filesystem::path home() { return folder_from("REPLICATE_HOME", REPLICATE_SOURCE_DIR); }
std::filesystem::path assets() { return folder_from("REPLICATE_ASSETS", home() / ".assets"); }

SettingsRequest settings_request(const CommandLine& line, bool gpu) {
  SettingsRequest request{.configs = home() / "configs",
                          .assets = assets(),
                          .profile = !line.profile.empty() ? line.profile
                                     : gpu                 ? "nightly"
                                                           : "cpu",
                          .model = line.model,
                          .only = line.only,
                          .overrides = line.overrides,
                          .seed = line.seed,
                          .accepted_licences = line.accepted_licences,
                          .dtype = line.dtype,
                          .by_default = line.command != CommandLine::Command::list,
                          .bos = line.bos};
  return line.command == CommandLine::Command::reproduce ? recorded_request(line.folders.front(), request) : request;
}

Settings settings_of(const SettingsRequest& request) {
  const LoadedSettings loaded = load_settings(request);
  return resolve(loaded, loaded.unidentified ? identify(*loaded.unidentified) : std::nullopt);
}

int guarded(const std::function<int()>& work) {
  try {
    return work();
  } catch (const Error& error) {
    std::cerr << "replicate: " << error.what() << "\n";
    return kUsage;
  } catch (const std::exception& error) {
    std::cerr << "replicate: unexpected: " << error.what() << "\n";
    return kBroken;
  }
}

}  // namespace replicate::cli
