#pragma once

// From records to what people and machines read. Everything here sees a run folder's records and
// nothing else.
//
// Conventions that reporters rely on:
// - a claim's headline numbers are the metrics of its criteria, in their order (findings.h);
// - `arithmetic` says what of a claim holds in any weights, and marks its title with †;
// - JUnit marks as failures the claims that make the run end with exit code 1 (fail_on.h), and no others.

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "harness/record/record.h"
#include "reports/compare/fail_on.h"
#include "reports/document.h"

namespace replicate::report {

/// What ends a run on the terminal: one line per claim, in groups, then counts. What `width` columns have no room for
/// is left out: first the standing, then how many variations agree, and what the number has to be.
std::string console_summary(const std::vector<Record>& records, bool colour, size_t width = 100);

/// The same at length: claim, paper, measured, verdict, and why wherever the verdict is not `pass`. `width` is taken
/// between 72 and 160.
std::string console_table(const std::vector<Record>& records, bool colour, size_t width = 100);

/// A document as one HTML file without a network, with drawings from `folder`; and as Markdown. Its one script is this
/// program's own, and the page is whole without it. `place`: the folder below `folder` in which the page will lie,
/// "sink_onset/", for its links.
std::string html_page(const Document& document, const std::filesystem::path& folder, const std::string& place = {});
std::string markdown_page(const Document& document);

/// Plots are linked as chain.svg, <claim>/plot.svg and <claim>/maps.svg.
std::string markdown_report(const std::vector<Record>& records);

/// One file that needs no network; `folder` holds chain.svg, <claim>/plot.svg
/// and <claim>/maps.svg to inline, a missing one leaves a note.
std::string html_report(const std::vector<Record>& records, const std::filesystem::path& folder);

/// Claims that fail and do not make the run end with 1 are passed cases; each case has its verdict as a property.
std::string junit_report(const std::vector<Record>& records, const FailOn& fail_on = {});

/// Counts, and per claim verdict, reason, headline numbers and paths relative to the run folder.
std::string summary_json(const std::vector<Record>& records);

/// gnuplot is not installed. A run is whole without plots: `replicate report` draws them wherever it is.
class NoGnuplot : public Error {
  using Error::Error;
};

/// <folder>/plot.svg of one claim's panels and maps.svg of its maps, by gnuplot; nothing for a record without either.
/// Curves that were not measured are left out, and panels of such curves alone. NoGnuplot when it is missing, Error
/// when it fails; earlier plots then stay as they were.
void write_plots(const Record& record, const std::filesystem::path& folder);

/// <run>/chain.svg; nothing when too little of the chain was measured.
void write_chain(const std::vector<Record>& records, const std::filesystem::path& run);

/// <folder>/chain.svg of several runs (compared_chain).
void write_compared_chain(const Record& chain, const std::filesystem::path& folder);

/// Every panel as a figure for a paper, <claim>-<n>.svg and .pdf, with chain.svg and .pdf, and a README.md that says
/// what each shows. Throws as write_plots does.
void write_figures(const std::vector<Record>& records, const std::filesystem::path& folder);

/// Every record under a run folder, in the order of `summary.json` if there is one, else by id.
/// Folders without record.json are passed over. Error when there is no record at all.
std::vector<Record> read_run(const std::filesystem::path& run);

/// Writes plots, report.md, report.html, a page for each claim, junit.xml and summary.json from the records under
/// `run`. A plot that cannot be drawn does not cost the reports: they are written first, then its Error is thrown.
/// Claims come in `order`, by id, where it is given, else as read_run has them.
void write_reports(const std::filesystem::path& run, const std::vector<std::string>& order = {},
                   const FailOn& fail_on = {});

}  // namespace replicate::report
