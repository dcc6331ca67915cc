// The command line of `replicate`. What settings and records answer is answered here; the rest is
// `replicate-compute`'s.

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <utility>

#include "base/error.h"
#include "base/provenance.h"
#include "harness/cli/program.h"
#include "harness/record/settings/definition.h"
#include "harness/record/settings/validate.h"
#include "reports/brief.h"
#include "reports/compare/matrix.h"
#include "reports/compare/run_diff.h"
#include "reports/findings.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate::cli {
namespace {

void list_claim(const ClaimSettings& claim) {
  constexpr size_t kId = 30, kFigures = 22;
  const std::string mark = claim.arithmetic.empty() ? "" : " †", figures = report::figures_text(claim.paper);
  std::cout << "  " << report::pad(claim.id + mark, kId) << report::pad(figures, kFigures) << claim.title << "\n";
}

/// By group, with the paper's figures.
int list(const CommandLine& line) {
  const auto claims = settings_of(settings_request(line, false)).claims;
  for (const std::string& group : report::group_titles()) {
    bool first = true;
    for (const ClaimSettings& claim : claims) {
      if (report::group_of(claim.id, claim.judging.kind) != group) continue;
      if (std::exchange(first, false)) std::cout << group << "\n";
      list_claim(claim);
    }
  }
  std::cout << "\n† part of the claim holds by arithmetic, in any weights\n";
  return 0;
}

int diff(const CommandLine& line) {
  const auto found = report::diff_runs(line.folders[0], line.folders[1]);
  std::cout << (line.format == "text"    ? report::diff_text(found)
                : line.format == "junit" ? report::diff_junit(found)
                                         : report::diff_markdown(found));
  return report::anything_changed(found) ? kFailed : 0;
}

int write_report(const CommandLine& line) {
  const auto& run = line.folders.front();
  const auto fail_on = report::read_fail_on(line.fail_on, line.against);
  report::write_reports(run, {}, fail_on);
  std::cout << (run / "report.html").string() << "\n";
  if (line.figures) {
    report::write_figures(report::read_run(run), *line.figures);
    std::cout << line.figures->string() << "\n";
  }
  return fail_on.what == report::FailOn::What::none ? 0 : report::exit_code(report::read_run(run), fail_on);
}

int write_reports_of(const CommandLine& line) {
  if (line.folders.size() == 1) return write_report(line);
  report::write_matrix(line.folders, *line.out);
  std::cout << (*line.out / "matrix.html").string() << "\n";
  return 0;
}

int validate(bool definitions) {
  const auto findings = validate_configs(home() / "configs");
  for (const auto& finding : findings) std::cerr << finding << "\n";
  if (findings.empty()) std::cout << (definitions ? definitions_yaml(home() / "configs") : "all settings are valid\n");
  return findings.empty() ? 0 : kUsage;
}

/// This process becomes the other program, which lies beside this one.
int compute(char** argv) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "replicate-compute";
  execv(program.c_str(), argv);
  throw Error(std::string("cannot be started: ") + std::strerror(errno), program.string(),
              "build all of replicate again");
}

int dispatch(const CommandLine& line, char** argv) {
  using Command = CommandLine::Command;
  switch (line.command) {
    case Command::list: return list(line);
    case Command::report: return write_reports_of(line);
    case Command::diff: return diff(line);
    case Command::validate: return validate(line.definitions);
    case Command::version: std::cout << "replicate " << version() << " (" << commit() << ")\n"; return 0;
    case Command::help: (line.exit_code == 0 ? std::cout : std::cerr) << line.text; return line.exit_code;
    default: return compute(argv);
  }
}

}  // namespace
}  // namespace replicate::cli

int main(int argc, char** argv) {
  using namespace replicate::cli;
  return guarded([&] { return dispatch(parse_command_line(argc, argv), argv); });
}
