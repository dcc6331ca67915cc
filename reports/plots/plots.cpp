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
  fs::path drawing, complaints;
  explicit Scratch(const fs::path& file)
      : drawing(file.parent_path() / ("." + file.stem().string() + ".part" + file.extension().string())),
        complaints(file.parent_path() / ("." + file.stem().string() + ".log.part")) {}
  ~Scratch() {
    std::error_code ignored;
    for (const fs::path& one : {drawing, complaints}) fs::remove(one, ignored);
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

/// Without the user's start-up file. The header prints to stderr when gnuplot exits with an error, hence `|| true`:
/// what gnuplot said is in `complaints`, and whether it worked shows in its file.
void run_gnuplot(const std::string& script, const fs::path& complaints) {
  const IgnoredBrokenPipe guard;
  Gnuplot gnuplot("gnuplot --default-settings 2> " + shell_quote(complaints) + " || true");
  gnuplot << script << "exit\n" << std::flush;
}

/// Its last word is there.
bool is_whole(const std::string& drawing, const fs::path& file) {
  const std::string end = file.extension() == ".pdf" ? "%%EOF" : "</svg>";
  const size_t last = drawing.find_last_not_of(" \n");
  return last != std::string::npos && drawing.substr(0, last + 1).ends_with(end);
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

[[noreturn]] void fail(const fs::path& file, const std::string& complaints) {
  throw Error("gnuplot did not draw the plot: " + last_line(complaints), file.string(),
              "check that there is space left and that `gnuplot --version` says 5.4 or later");
}

/// What was there before stays unless it was drawn.
void draw(const Sheet& sheet, const fs::path& file) {
  if (!on_path("gnuplot"))
    throw NoGnuplot("gnuplot is not installed", "drawing " + file.string(),
                    "install it (Debian: apt-get install gnuplot-nox), then `replicate report DIR`");
  const Scratch scratch(file);
  run_gnuplot(script_of(sheet, scratch.drawing.string()), scratch.complaints);
  const std::string drawn = text_or_nothing(scratch.drawing);
  if (!is_whole(drawn, file)) fail(file, text_or_nothing(scratch.complaints));
  write_atomically(file, file.extension() == ".svg" ? tidy_svg(drawn) : drawn);
}

void draw_both(const Sheet& sheet, const fs::path& folder, const std::string& name) {
  for (const char* ending : {".svg", ".pdf"}) draw(sheet, folder / (name + ending));
}

}  // namespace

void write_plots(const Record& record, const fs::path& folder) {
  if (!drawn_panels(record).empty()) draw(plot_sheet(record), folder / (std::string(kPlot) + ".svg"));
  if (has_maps(record)) draw(map_sheet(record), folder / (std::string(kMaps) + ".svg"));
}

void write_chain(const std::vector<Record>& records, const fs::path& run) {
  if (const auto figure = chain_figure(records)) draw(chain_sheet(*figure), run / (std::string(kChain) + ".svg"));
}

void write_compared_chain(const Record& chain, const fs::path& folder) {
  draw(plot_sheet(chain), folder / (std::string(kChain) + ".svg"));
}

void write_figures(const std::vector<Record>& records, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw Error("cannot make the folder: " + error.message(), folder.string(), "name another one with --figures");
  std::string index =
      "# Figures\n\nEach is an SVG and a PDF as wide as a paper's column, with 8-point type; `chain` is as wide as a "
      "page.\n\n";
  if (const auto figure = chain_figure(records)) {
    draw_both(chain_sheet(*figure), folder, kChain);
    index += "- `chain`: the chain, link by link\n";
  }
  for (const Record& record : records) {
    size_t number = 0;
    for (const Panel* panel : drawn_panels(record)) {
      const std::string name = anchor_of(record.claim) + "-" + std::to_string(++number);
      draw_both(column_sheet(record, *panel), folder, name);
      index += "- " + markdown_code(name) + ": " + escape_markdown(panel->title) + "\n";
    }
  }
  write_atomically(folder / "README.md", index);
}

}  // namespace replicate::report
