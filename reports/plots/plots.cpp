#include <csignal>
#include <cstdlib>
#include <filesystem>

// The header assumes that its reader has these.
#include <gnuplot-iostream.h>

#include <boost/shared_ptr.hpp>
#include <cassert>

#include "base/error.h"
#include "base/run_folder.h"
#include "reports/chain.h"
#include "reports/content.h"
#include "reports/plots/chain_script.h"
#include "reports/plots/map_script.h"
#include "reports/plots/plot_script.h"
#include "reports/plots/sheet.h"
#include "reports/report.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

namespace fs = std::filesystem;

/// A gnuplot that dies while being written to must not take this process with it.
class IgnoredBrokenPipe {
 public:
  IgnoredBrokenPipe() : previous_(std::signal(SIGPIPE, SIG_IGN)) {}
  ~IgnoredBrokenPipe() { std::signal(SIGPIPE, previous_); }
  IgnoredBrokenPipe(const IgnoredBrokenPipe&) = delete;
  IgnoredBrokenPipe& operator=(const IgnoredBrokenPipe&) = delete;

 private:
  void (*previous_)(int);
};

/// Files that vanish with their owner, unless they were moved to their place.
struct Scratch {
  fs::path svg, complaints;
  Scratch(const fs::path& folder, const std::string& name)
      : svg(folder / ("." + name + ".svg.part")), complaints(folder / ("." + name + ".log.part")) {}
  ~Scratch() {
    std::error_code ignored;
    for (const fs::path& file : {svg, complaints}) fs::remove(file, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

bool on_path(const std::string& program) {
  const char* value = std::getenv("PATH");
  std::istringstream path(value == nullptr ? "" : value);
  for (std::string folder; std::getline(path, folder, ':');)
    if (access((fs::path(folder) / program).c_str(), X_OK) == 0) return true;
  return false;
}

std::string shell_quote(const fs::path& path) {
  std::string quoted = path.string();
  replace_all(quoted, "'", "'\\''");
  return "'" + quoted + "'";
}

/// The header prints to stderr when gnuplot exits with an error, hence `|| true`: what gnuplot said
/// is in `complaints`, and whether it worked shows in its file.
void run_gnuplot(const std::string& script, const fs::path& complaints) {
  const IgnoredBrokenPipe guard;
  Gnuplot gnuplot("gnuplot 2> " + shell_quote(complaints) + " || true");
  gnuplot << script << "exit\n" << std::flush;
}

bool is_whole_svg(const std::string& svg) {
  const size_t last = svg.find_last_not_of(" \n");
  return last != std::string::npos && last >= 5 && svg.compare(last - 5, 6, "</svg>") == 0;
}

std::string text_or_nothing(const fs::path& path) { return fs::exists(path) ? read_text(path) : std::string(); }

/// gnuplot points at the mistake with a caret below the line; the last line says what it is.
std::string last_line(const std::string& text) {
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);)
    if (line.find_first_not_of(' ') != std::string::npos) last = line;
  return last;
}

[[noreturn]] void fail(const fs::path& svg, const std::string& complaints) {
  throw Error("gnuplot did not draw the plot: " + last_line(complaints), svg.string(),
              "check that there is space left and that `gnuplot --version` says 5.4 or later");
}

/// <folder>/<name>.svg. What was there before stays unless it was drawn.
void draw(const Sheet& sheet, const fs::path& folder, const std::string& name) {
  const fs::path svg = folder / (name + ".svg");
  if (!on_path("gnuplot"))
    throw NoGnuplot("gnuplot is not installed", "drawing " + svg.string(),
                    "install it (Debian: apt-get install gnuplot-nox), then `replicate report DIR`");
  const Scratch scratch(folder, name);
  run_gnuplot(script_of(sheet, scratch.svg.string()), scratch.complaints);
  const std::string drawn = text_or_nothing(scratch.svg);
  if (!is_whole_svg(drawn)) fail(svg, text_or_nothing(scratch.complaints));
  write_atomically(svg, tidy_svg(drawn));
}

}  // namespace

void write_plots(const Record& record, const fs::path& folder) {
  if (!record.panels.empty()) draw(plot_sheet(record), folder, kPlot);
  if (has_maps(record)) draw(map_sheet(record), folder, kMaps);
}

void write_chain(const std::vector<Record>& records, const fs::path& run) {
  if (const auto figure = chain_figure(records)) draw(chain_sheet(*figure), run, kChain);
}

}  // namespace replicate::report
