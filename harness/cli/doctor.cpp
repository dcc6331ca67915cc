#include "harness/cli/doctor.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "base/byte_units.h"
#include "base/error.h"
#include "base/provenance.h"
#include "base/sha256.h"
#include "base/yaml.h"
#include "harness/record/settings/validate.h"
#include "models/formats/shard_name.h"

namespace replicate::cli {
namespace fs = std::filesystem;
namespace {

constexpr uintmax_t kQuickHash = 256 * kMebibyte;
constexpr uintmax_t kLeastMemory = 2048 * kMebibyte;  // the cpu profile peaks below this
constexpr uintmax_t kLeastDisk = 1024 * kMebibyte;    // results, and what set-up unpacks on the way
constexpr const char* kDefaultProfile = "cpu.yaml";
constexpr const char* kSetup = "run ./replicate, which fetches it";

/// One line of the report.
struct Finding {
  enum class State { ok, missing, optional };
  State state;
  std::string what, detail, remedy;
};

using State = Finding::State;

std::string mebibytes(uintmax_t bytes) { return std::to_string(bytes / kMebibyte) + " MiB"; }

/// MemAvailable of /proc/meminfo in bytes; 0 when unknown.
uintmax_t available_memory() {
  std::ifstream stream("/proc/meminfo");
  for (std::string line; std::getline(stream, line);) {
    const std::string key = "MemAvailable:";
    if (line.starts_with(key)) return std::strtoull(line.c_str() + key.size(), nullptr, 10) << 10;
  }
  return 0;
}

Finding processor() {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  return {State::ok, "processor", cpu_name() + ", " + std::to_string(cores) + " cores", {}};
}

Finding memory() {
  const uintmax_t free = available_memory();
  const bool enough = free == 0 || free >= kLeastMemory;
  return {enough ? State::ok : State::missing, "memory", mebibytes(free) + " available",
          "free some: " + mebibytes(kLeastMemory) + " are enough for the cpu profile"};
}

/// Space where `path`, or the nearest folder above that exists, lies.
Finding disk(const fs::path& path) {
  fs::path folder = fs::absolute(path);
  while (!fs::exists(folder) && folder.has_relative_path()) folder = folder.parent_path();
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error) return {State::missing, "disk", error.message(), "check " + folder.string()};
  const bool enough = space.available >= kLeastDisk;
  return {enough ? State::ok : State::missing, "disk", mebibytes(space.available) + " free",
          "free some: " + mebibytes(kLeastDisk) + " are enough"};
}

bool in_path(const std::string& program) {
  const char* variable = std::getenv("PATH");
  std::stringstream folders(variable ? variable : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (!folder.empty() && access((fs::path(folder) / program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

Finding program(const std::string& name, const std::string& use, State absent, const std::string& remedy) {
  if (in_path(name)) return {State::ok, name, use, {}};
  return {absent, name, "not found (" + use + ")", remedy};
}

Finding libtorch_finding(const LibTorchFacts& facts) {
  return {State::ok, "LibTorch", facts.version + (facts.cuda ? ", with CUDA" : ", for processors"), {}};
}

Finding no_gpu(bool built_for_cuda) {
  const bool driver = in_path("nvidia-smi");
  if (driver && !built_for_cuda) {
    return {State::optional, "GPU", "this program was built without CUDA",
            "scripts/setup --with cuda, then ./replicate builds for it"};
  }
  if (driver) {
    return {State::optional, "GPU", "the driver shows none to this program",
            "nvidia-smi says which CUDA the driver is for; LibTorch's must not be newer"};
  }
  return {State::optional, "GPU", "none, or no driver (nvidia-smi)", "the processor computes"};
}

/// LibTorch compiles some kernels for a GPU while it runs; processors do without.
Finding nvrtc_finding(const LibTorchFacts& facts) {
  if (!facts.nvrtc_failure) return {State::ok, "NVRTC", "compiles", {}};
  const auto state = facts.gpus.empty() ? State::optional : State::missing;
  return {state, "NVRTC", "does not compile (" + *facts.nvrtc_failure + ")",
          "run scripts/setup --with cuda, or name the folder of libnvrtc-builtins in LD_LIBRARY_PATH"};
}

/// One line per GPU, or why there is none; then what a GPU needs.
std::vector<Finding> gpu_findings(const LibTorchFacts& facts) {
  std::vector<Finding> findings;
  for (const auto& gpu : facts.gpus) findings.push_back({State::ok, "GPU", gpu, {}});
  if (findings.empty()) findings.push_back(no_gpu(facts.cuda));
  if (facts.cuda) findings.push_back(nvrtc_finding(facts));
  return findings;
}

Finding settings_finding(const fs::path& configs) {
  const auto findings = validate_configs(configs);
  if (findings.empty()) return {State::ok, "settings", "all valid", {}};
  return {State::missing, "settings", findings.front(), "replicate validate lists all"};
}

/// `absent`: what it means when the file, or another of a split model, is not there.
Finding model_file(const std::string& name, const fs::path& file, const std::string& sha256, State absent) {
  const std::string what = "model " + name;
  const auto files = model_files(file);
  uintmax_t size = 0;
  for (const fs::path& part : files) {
    std::error_code error;
    size += fs::file_size(part, error);
    if (error) return {absent, what, "no file " + part.string(), kSetup};
  }
  if (sha256.empty() || size > kQuickHash) return {State::ok, what, mebibytes(size), {}};
  if (sha256_files(files) == sha256) return {State::ok, what, mebibytes(size) + ", sha256 good", {}};
  return {absent, what, file.string() + " is not the file that its settings pin",
          "delete it and run ./replicate, which fetches it again"};
}

std::vector<std::string> model_names(const fs::path& configs) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(configs / "models", error)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The model that a run without options uses; the others may be absent.
std::string default_model(const fs::path& configs) {
  try {
    return Yaml::read(configs / "profiles" / kDefaultProfile).at("model").text();
  } catch (const Error&) {
    return {};  // the settings' own line says what is wrong with them
  }
}

/// One line a file: the null model's is that of the model it takes its shapes from.
std::vector<Finding> models(const fs::path& configs, const fs::path& assets) {
  const std::string needed = default_model(configs);
  std::vector<Finding> findings;
  std::set<std::string> seen;
  for (const std::string& name : model_names(configs)) {
    const State absent = name == needed ? State::missing : State::optional;
    try {
      const Yaml yaml = Yaml::read(configs / "models" / (name + ".yaml"));
      if (!yaml.has("file")) continue;  // thresholds for weights that a person brings
      const std::string file = yaml.at("file").text();
      if (!seen.insert(file).second) continue;
      findings.push_back(model_file(name, assets / file, yaml.text_or("sha256", {}), absent));
    } catch (const Error& problem) {
      findings.push_back({absent, "model " + name, problem.what(), {}});
    }
  }
  return findings;
}

Finding prose(const fs::path& assets) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(assets / "prose", error)) {
    if (entry.path().extension() == ".txt") return {State::ok, "prose", "present", {}};
  }
  return {State::missing, "prose", "no text in " + (assets / "prose").string(), kSetup};
}

std::string line(const Finding& finding) {
  const char* states[] = {"ok      ", "missing ", "optional"};
  const size_t column = 14;
  std::string text = std::string(states[static_cast<int>(finding.state)]) + "  " + finding.what;
  text += std::string(finding.what.size() < column ? column - finding.what.size() : 1, ' ');
  text += finding.detail;
  if (finding.state != State::ok && !finding.remedy.empty()) text += ": " + finding.remedy;
  return text + "\n";
}

}  // namespace

std::string doctor_report(const fs::path& configs, const fs::path& assets, const LibTorchFacts& libtorch, bool& ok) {
  std::vector<Finding> findings = {processor(), memory(), disk(assets), libtorch_finding(libtorch)};
  for (Finding& finding : gpu_findings(libtorch)) findings.push_back(std::move(finding));
  findings.push_back(settings_finding(configs));
  for (Finding& finding : models(configs, assets)) findings.push_back(std::move(finding));
  findings.push_back(prose(assets));
  findings.push_back(program("gnuplot", "draws the plots", State::optional,
                             "install the package gnuplot-nox, or run `replicate report DIR` where it is"));
  ok = true;
  std::string report;
  for (const Finding& finding : findings) {
    ok = ok && finding.state != State::missing;
    report += line(finding);
  }
  return report;
}

}  // namespace replicate::cli
