// `replicate-compute`: the commands that compute, each a handful of calls into the harness and the reports. `replicate`
// starts it.

#include <torch/version.h>
#include <unistd.h>

#include <iostream>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/provenance.h"
#include "base/terminal.h"
#include "harness/cli/doctor.h"
#include "harness/cli/program.h"
#include "harness/study/runner/runner.h"
#include "harness/training/make_study.h"
#include "models/core/devices.h"
#include "models/core/nvrtc.h"
#include "models/kernels/heap.h"
#include "reports/compare/run_diff.h"
#include "reports/findings.h"
#include "reports/report.h"

namespace replicate::cli {
namespace {

/// What --device asks for: a GPU without a number where it names none.
at::Device device_from(const std::string& name) {
  if (name == "auto") return at::hasCUDA() ? at::kCUDA : at::kCPU;
  const at::Device device(name);
  if (device.is_cuda() && !at::hasCUDA()) {
    throw Error("this build or machine has no CUDA device", "--device " + name,
                "use --device cpu; `replicate doctor` says what a GPU lacks");
  }
  return device;
}

Settings settings_for(const CommandLine& line, at::Device device) {
  return settings_of(settings_request(line, device.is_cuda()));
}

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
  if (line.text_file) command += " --text " + shell_word(line.text_file->string());
  if (line.text_literal) command += " --text-literal " + shell_word(*line.text_literal);
  if (!line.bos.empty()) command += " --bos " + line.bos;
  if (settings.dtype != "float32") command += " --dtype " + settings.dtype;
  for (const auto& change : line.overrides) command += " --set " + shell_word(change);
  return command;
}

/// What the person gives to measure on, or what a recorded run was given.
std::optional<GivenSource> given_of(const CommandLine& line) {
  using Kind = GivenSource::Kind;
  if (line.command == CommandLine::Command::reproduce) {
    const auto recorded = line.folders.front() / kTokensFile;
    if (std::filesystem::exists(recorded)) return GivenSource{Kind::tokens, recorded.string()};
  }
  if (line.tokens) return GivenSource{Kind::tokens, line.tokens->string()};
  if (line.text_file) return GivenSource{Kind::text, line.text_file->string()};
  if (line.text_literal) return GivenSource{Kind::literal, *line.text_literal};
  return std::nullopt;
}

RunRequest request_for(const CommandLine& line) {
  const auto device = Ranks().device(device_from(line.device));
  auto settings = settings_for(line, device);
  auto command = command_of(line, settings);
  const auto out = line.out.value_or(fresh_run_folder(home() / "results", settings.profile, settings.model.name));
  return {.settings = std::move(settings),
          .assets = assets(),
          .given = given_of(line),
          .device = device,
          .out = out,
          .training = std::filesystem::absolute(out).parent_path() / "training",
          .resume = line.resume,
          .save_inputs = line.save_inputs,
          .command = std::move(command)};
}

void print_results(const std::vector<Record>& records, bool verbose) {
  constexpr size_t kWithoutTerminal = 100;
  const bool colour = takes_colour(STDOUT_FILENO);
  const auto columns = static_cast<size_t>(terminal_columns(STDOUT_FILENO));
  const size_t width = columns > 0 ? columns : kWithoutTerminal;
  std::cout << (verbose ? report::console_table(records, colour, width)
                        : report::console_summary(records, colour, width))
            << std::endl;
}

/// The table on the terminal first: it must not be lost with a disk that is full. False when the files
/// could not all be written, save for plots that a missing gnuplot leaves out.
bool show_results(const std::vector<Record>& records, const RunRequest& request, const report::FailOn& fail_on,
                  bool verbose) {
  const auto& folder = request.out;
  print_results(records, verbose);
  if (!request.settings.not_run.empty()) std::cout << request.settings.not_run << "\n";
  std::vector<std::string> order;
  for (const auto& record : records) order.push_back(record.claim);
  try {
    report::write_reports(folder, order, fail_on);
  } catch (const report::NoGnuplot& error) {  // a compute node: the reports are there, plots can come later
    std::cerr << "replicate: " << error.what() << "\n";
  } catch (const Error& error) {
    std::cerr << "replicate: " << error.what() << "\n";
    return false;
  }
  std::cout << (folder / "report.html").string() << "\n";
  return true;
}

int run(const CommandLine& line, const RunRequest& request) {
  if (Ranks::size_in_environment() > 1) {
    throw Error("claims are measured by one process", "WORLD_SIZE or SLURM_STEP_NUM_TASKS",
                "start one; what several can do together is `replicate train`");
  }
  const auto fail_on =
      report::read_fail_on(line.fail_on, line.against);  // before hours are spent on a run that it cannot judge
  install_interrupt_handler();
  const auto outcome = run_claims(request, *make_progress());
  if (!outcome.failure.empty()) {
    std::cerr << "replicate: " << outcome.failure << "\n";
    return kBroken;
  }
  const bool reported = outcome.records.empty() || show_results(outcome.records, request, fail_on, line.verbose);
  if (outcome.interrupted) {
    std::cerr << "replicate: interrupted; --resume --out " << request.out.string() << " goes on where it stopped\n";
    return kInterrupted;
  }
  return reported ? report::exit_code(outcome.records, fail_on) : kBroken;
}

/// Claims that ended in an error should do so again: that is no disagreement.
int reproduce(const CommandLine& line) {
  const auto request = request_for(line);
  if (run(line, request) == kInterrupted) return kInterrupted;
  const auto found = report::diff_runs(line.folders.front(), request.out);
  std::cout << "\n" << report::diff_text(found);
  return report::numbers_disagree(found) ? kFailed : 0;
}

/// Ranks after the first show nothing but their errors.
std::unique_ptr<Progress> progress_of(const Ranks& ranks) {
  static std::ostream nowhere(nullptr);
  return ranks.first() ? make_progress() : make_progress(nowhere, 0);
}

int train(const CommandLine& line) {
  const auto ranks = Ranks::from_environment();
  const auto device = ranks.device(device_from(line.device));
  const auto settings = settings_for(line, device);
  install_interrupt_handler();
  const auto outcome = train_one({.settings = settings.training,
                                  .seed = settings.seed,
                                  .arm = line.arm.empty() ? kBaseline : line.arm,
                                  .rate = line.rate,
                                  .assets = assets(),
                                  .out = *line.out,
                                  .device = device,
                                  .resume = line.resume,
                                  .ranks = ranks},
                                 *progress_of(ranks));
  if (outcome == TrainOutcome::interrupted) {
    if (ranks.first()) std::cerr << "replicate: interrupted; --resume goes on where it stopped\n";
    return kInterrupted;
  }
  if (ranks.first()) std::cout << line.out->string() << "\n";
  return outcome == TrainOutcome::diverged ? kBroken : 0;
}

int doctor() {
  bool ok = true;
#ifdef REPLICATE_CUDA
  constexpr bool kCuda = true;
#else
  constexpr bool kCuda = false;
#endif
  const LibTorchFacts facts{TORCH_VERSION, kCuda, gpus(), kCuda ? nvrtc_failure() : std::nullopt};
  std::cout << doctor_report(home() / "configs", assets(), facts, ok);
  return ok ? 0 : kUsage;
}

int dispatch(const CommandLine& line) {
  using Command = CommandLine::Command;
  if (line.threads > 0) at::set_num_threads(line.threads);
  switch (line.command) {
    case Command::run: return run(line, request_for(line));
    case Command::train: return train(line);
    case Command::dry_run: std::cout << dry_run(request_for(line)); return 0;
    case Command::reproduce: return reproduce(line);
    case Command::doctor: return doctor();
    default: break;
  }
  std::cerr << "replicate-compute is a part of replicate: start replicate\n";
  return kUsage;
}

}  // namespace
}  // namespace replicate::cli

int main(int argc, char** argv) {
  replicate::keep_freed_memory();
  replicate::load_nvrtc_builtins();
  using namespace replicate::cli;
  return guarded([&] { return dispatch(parse_command_line(argc, argv)); });
}
