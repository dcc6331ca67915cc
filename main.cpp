// The command line of `replicate`: each command is a handful of calls into the harness and the reports.

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "harness/command_line.h"
#include "harness/doctor.h"
#include "harness/experiment.h"
#include "harness/provenance.h"
#include "harness/runner.h"
#include "harness/training/make_study.h"
#include "models/formats/error.h"
#include "reports/findings.h"
#include "reports/matrix.h"
#include "reports/report.h"
#include "reports/run_diff.h"

#include <torch/version.h>

namespace replicate {
namespace {

constexpr int kUsage = 2, kBroken = 3, kInterrupted = 130;

std::filesystem::path folder_from(const char* variable, const std::filesystem::path& otherwise) {
  const char* value = std::getenv(variable);
  return value && *value ? value : otherwise;
}

std::filesystem::path home() { return folder_from("REPLICATE_HOME", REPLICATE_SOURCE_DIR); }
std::filesystem::path assets() { return folder_from("REPLICATE_ASSETS", home() / ".assets"); }

at::Device device_from(const std::string& name) {
  if (name == "auto") return at::hasCUDA() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  const at::Device device(name);
  if (device.is_cuda() && !at::hasCUDA()) {
    throw Error("this build or machine has no CUDA device", "--device " + name, "use --device cpu");
  }
  return device;
}

SettingsRequest settings_request(const CommandLine& line, at::Device device) {
  SettingsRequest request{.configs = home() / "configs",
                          .assets = assets(),
                          .profile = !line.profile.empty() ? line.profile
                                     : device.is_cuda()    ? "nightly"
                                                           : "cpu",
                          .model = line.model,
                          .only = line.only,
                          .overrides = line.overrides,
                          .seed = line.seed,
                          .accepted_licences = line.accepted_licences,
                          .dtype = line.dtype};
  return line.command == CommandLine::Command::reproduce ? recorded_request(line.before, request) : request;
}

Settings settings_for(const CommandLine& line, at::Device device) { return load_settings(settings_request(line, device)); }

/// A word as a shell takes it.
std::string shell_word(const std::string& word) {
  if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/=,+:") ==
      std::string::npos) {
    return word;
  }
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

/// The command that repeats a claim of this run, but for --only.
std::string command_of(const CommandLine& line, const Settings& settings) {
  std::string command = "./replicate --profile " + settings.profile + " --model " +
                        shell_word(line.model.empty() ? settings.model.name : line.model) + " --seed " +
                        std::to_string(settings.seed);
  if (line.tokens) command += " --tokens " + shell_word(line.tokens->string());
  if (settings.dtype != "float32") command += " --dtype " + settings.dtype;
  for (const auto& change : line.overrides) command += " --set " + shell_word(change);
  return command;
}

/// --tokens, or those that a recorded run was given.
std::optional<std::filesystem::path> tokens_of(const CommandLine& line) {
  if (line.command != CommandLine::Command::reproduce) return line.tokens;
  const auto recorded = line.before / kTokensFile;
  return std::filesystem::exists(recorded) ? std::optional(recorded) : std::nullopt;
}

RunRequest request_for(const CommandLine& line) {
  const auto device = device_from(line.device);
  auto settings = settings_for(line, device);
  auto command = command_of(line, settings);
  const auto out = line.out.value_or(fresh_run_folder(home() / "results", settings.profile, settings.model.name));
  return {.settings = std::move(settings),
          .assets = assets(),
          .tokens = tokens_of(line),
          .device = device,
          .out = out,
          .training = std::filesystem::absolute(out).parent_path() / "training",
          .resume = line.resume,
          .command = std::move(command)};
}

/// The table on the terminal first: it must not be lost with a disk that is full. False when the files
/// could not all be written, save for plots that a missing gnuplot leaves out.
bool report(const std::vector<Record>& records, const std::filesystem::path& folder) {
  std::cout << console_table(records, isatty(STDOUT_FILENO)) << std::endl;
  std::vector<std::string> order;
  for (const auto& record : records) order.push_back(record.claim);
  try {
    write_reports(folder, order);
  } catch (const NoGnuplot& error) {  // a compute node: the reports are there, plots can come later
    std::cerr << "replicate: " << error.what() << "\n";
  } catch (const Error& error) {
    std::cerr << "replicate: " << error.what() << "\n";
    return false;
  }
  std::cout << (folder / "report.html").string() << "\n";
  return true;
}

int run(const CommandLine& line, const RunRequest& request) {
  install_interrupt_handler();
  const auto outcome = run_claims(request, *make_progress());
  if (!outcome.failure.empty()) {
    std::cerr << "replicate: " << outcome.failure << "\n";
    return kBroken;
  }
  const bool reported = outcome.records.empty() || report(outcome.records, request.out);
  if (outcome.interrupted) {
    std::cerr << "replicate: interrupted; --resume --out " << request.out.string()
              << " goes on where it stopped\n";
    return kInterrupted;
  }
  return reported ? exit_code(outcome.records, line.strict) : kBroken;
}

/// The exit code of diff: claims that ended in an error should do so again.
int reproduce(const CommandLine& line) {
  const auto request = request_for(line);
  if (run(line, request) == kInterrupted) return kInterrupted;
  const auto found = diff_runs(line.before, request.out);
  std::cout << "\n" << diff_text(found);
  return found.differences.empty() ? 0 : 1;
}

int train(const CommandLine& line) {
  const auto device = device_from(line.device);
  const auto settings = settings_for(line, device);
  install_interrupt_handler();
  const bool whole = train_one({.settings = settings.training,
                                .seed = settings.seed,
                                .arm = line.arm.empty() ? "baseline" : line.arm,
                                .rate = line.rate,
                                .assets = assets(),
                                .out = *line.out,
                                .device = device,
                                .resume = line.resume},
                               *make_progress());
  if (whole) {
    std::cout << line.out->string() << "\n";
    return 0;
  }
  std::cerr << "replicate: interrupted; --resume goes on where it stopped\n";
  return kInterrupted;
}

int list(const CommandLine& line) {
  for (const auto& claim : settings_for(line, at::kCPU).claims) {
    std::cout << claim.id << std::string(claim.id.size() < 26 ? 26 - claim.id.size() : 1, ' ')
              << claim.title << "\n";
  }
  return 0;
}

int diff(const CommandLine& line) {
  const auto found = diff_runs(line.before, line.after);
  std::cout << (line.format == "text" ? diff_text(found) : line.format == "junit" ? diff_junit(found) : diff_markdown(found));
  return found.differences.empty() ? 0 : 1;
}

int write_reports_of(const CommandLine& line) {
  if (line.report_folders.size() == 1) {
    write_reports(line.report_folders.front());
    return 0;
  }
  write_matrix(line.report_folders, *line.out);
  std::cout << (*line.out / "matrix.html").string() << "\n";
  return 0;
}

int validate() {
  const auto findings = validate_configs(home() / "configs");
  for (const auto& finding : findings) std::cerr << finding << "\n";
  if (findings.empty()) std::cout << "all settings are valid\n";
  return findings.empty() ? 0 : kUsage;
}

int doctor() {
  bool ok = true;
  std::cout << doctor_report(home() / "configs", assets(), TORCH_VERSION, ok);
  return ok ? 0 : kUsage;
}

int dispatch(const CommandLine& line) {
  using Command = CommandLine::Command;
  if (line.threads > 0) at::set_num_threads(line.threads);
  switch (line.command) {
    case Command::run: return run(line, request_for(line));
    case Command::list: return list(line);
    case Command::train: return train(line);
    case Command::dry_run: std::cout << dry_run(request_for(line)); return 0;
    case Command::report: return write_reports_of(line);
    case Command::diff: return diff(line);
    case Command::reproduce: return reproduce(line);
    case Command::doctor: return doctor();
    case Command::validate: return validate();
    case Command::version: std::cout << "replicate " << version() << " (" << commit() << ")\n"; return 0;
    case Command::help: std::cout << line.text; return line.exit_code;
  }
  return kUsage;
}

}  // namespace
}  // namespace replicate

int main(int argc, char** argv) {
  try {
    return replicate::dispatch(replicate::parse_command_line(argc, argv));
  } catch (const replicate::Error& error) {
    std::cerr << "replicate: " << error.what() << "\n";
    return replicate::kUsage;
  } catch (const std::exception& error) {
    std::cerr << "replicate: unexpected: " << error.what() << "\n";
    return replicate::kBroken;
  }
}
