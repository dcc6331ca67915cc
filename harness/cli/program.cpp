#include "harness/cli/program.h"

#include <cstdlib>
#include <iostream>

#include "base/error.h"
#include "harness/record/settings/recorded_run.h"

namespace replicate::cli {
namespace {

std::filesystem::path folder_from(const char* variable, const std::filesystem::path& otherwise) {
  const char* value = std::getenv(variable);
  return value && *value ? value : otherwise;
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
                          .bos = line.bos};
  return line.command == CommandLine::Command::reproduce ? recorded_request(line.folders.front(), request) : request;
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
