#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace replicate::cli {

/// What the person typed, checked for form (names are checked where they are looked up).
struct CommandLine {
  enum class Command { run, list, dry_run, train, report, diff, reproduce, doctor, validate, help, version };
  Command command = Command::help;
  std::string only;     ///< regex over claim ids; empty with --all
  std::string profile;  ///< empty: nightly on a GPU, cpu elsewhere
  std::string model;    ///< empty: the profile's
  std::optional<std::filesystem::path> tokens, text_file, out;
  std::optional<std::string> text_literal;
  std::optional<std::filesystem::path> figures;  ///< of report: where single panels go
  std::string device = "auto";                   ///< auto | cpu | cuda[:N]
  std::optional<uint64_t> seed;
  int threads = 0;  ///< 0: as many as there are cores
  std::vector<std::string> overrides;
  std::vector<std::string> accepted_licences;
  std::string dtype, bos;  ///< empty: as the settings say
  bool resume = false;
  bool verbose = false;                          ///< of a run: the long table at its end
  bool save_inputs = false;                      ///< of a run: write the token ids beside the records
  std::string fail_on = "none";                  ///< none | any | new: what makes a run end with 1
  std::optional<std::filesystem::path> against;  ///< of --fail-on new: the run to compare with; empty: what is known
  std::string arm;                               ///< of train; empty: the baseline
  std::optional<double> rate;                    ///< of train: the learning rate
  std::vector<std::filesystem::path> folders;    ///< runs: one or more for report, two for diff, one for reproduce
  std::string format = "text";                   ///< of diff: text | markdown | junit
  bool definitions = false;                      ///< of validate: print the claims' definitions
  std::string text;                              ///< help text for Command::help
  int exit_code = 0;                             ///< of Command::help: 2 when nothing was asked for
};

/// Error (exit 2) on an unknown option ("did you mean"), a missing value or a contradiction. --yes and --offline belong
/// to the launcher and are accepted without effect.
CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace replicate::cli
