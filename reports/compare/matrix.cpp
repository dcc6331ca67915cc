#include "reports/compare/matrix.h"

#include <algorithm>

#include "base/run_folder.h"
#include "reports/findings.h"
#include "reports/paper.h"
#include "reports/report.h"
#include "reports/sections/cells.h"
#include "reports/text.h"

namespace replicate::report {
namespace {

namespace fs = std::filesystem;

const Record* find(const NamedRun& run, const std::string& claim) {
  const auto found =
      std::find_if(run.records.begin(), run.records.end(), [&](const Record& record) { return record.claim == claim; });
  return found == run.records.end() ? nullptr : &*found;
}

/// One record of every claim, in the order of the runs.
std::vector<const Record*> claims_of(const std::vector<NamedRun>& runs) {
  std::vector<const Record*> claims;
  for (const auto& run : runs) {
    for (const auto& record : run.records) {
      const bool known =
          std::any_of(claims.begin(), claims.end(), [&](const Record* other) { return other->claim == record.claim; });
      if (!known) claims.push_back(&record);
    }
  }
  return claims;
}

Line cell(const Record* record) {
  if (!record) return {span::muted("not run")};
  Line line = {span::verdict(to_string(record->verdict))};
  if (const auto known = known_note(*record); !known.empty()) append(line, {span::text(" "), span::muted(known)});
  if (const auto variations = variation_note(*record); !variations.empty())
    append(line, {span::line_break(), span::muted(variations)});
  for (const auto& headline : headlines(*record)) {
    line.push_back(span::line_break());
    append(line, headline_line(headline));
  }
  return line;
}

/// "2 of 3": of the runs that could say something.
Line passes(const std::vector<NamedRun>& runs, const std::string& claim) {
  size_t passed = 0, said = 0;
  for (const auto& run : runs) {
    const auto* record = find(run, claim);
    if (!record || is_unjudged(record->verdict)) continue;
    ++said;
    passed += record->verdict == Verdict::pass;
  }
  return {span::text(std::to_string(passed) + " of " + std::to_string(said))};
}

Table verdict_table(const std::vector<NamedRun>& runs) {
  Table table{"Claims by model", {{"Claim"}}, {}};
  for (const auto& run : runs) table.columns.push_back({run.name});
  table.columns.push_back({"Passes in"});
  for (const auto* claim : claims_of(runs)) {
    std::vector<Line> row = {{span::code(claim->claim), span::text(dagger_after_title(*claim)), span::line_break(),
                              span::text(title_of(*claim))}};
    for (const auto& run : runs) row.push_back(cell(find(run, claim->claim)));
    row.push_back(passes(runs, claim->claim));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table run_table(const std::vector<NamedRun>& runs) {
  Table table{"Runs", {{"Model"}, {"Parameters"}, {"Profile"}, {"Thresholds"}, {"Verdicts"}}, {}};
  for (const auto& run : runs) {
    const auto& first = run.records.front();
    const auto calibrations = distinct(run.records, [](const Record& record) { return record.calibration; });
    table.rows.push_back({{span::text(run.name)},
                          {span::text(format_count(first.model.parameters))},
                          {span::text(first.profile)},
                          {span::text(join(calibrations, "; "))},
                          {span::text(describe(count_verdicts(run.records)))}});
  }
  return table;
}

/// The model, and where two runs are of one model its folder, too.
std::vector<NamedRun> read_runs(const std::vector<fs::path>& folders) {
  std::vector<NamedRun> runs;
  for (const auto& folder : folders) {
    auto records = read_run(folder);
    // Training claims are about models of their own.
    const auto about = std::find_if(records.begin(), records.end(),
                                    [](const Record& record) { return record.kind != ClaimKind::training; });
    runs.push_back({(about == records.end() ? records.front() : *about).model.name, std::move(records)});
  }
  const auto plain = runs;
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto same =
        std::count_if(plain.begin(), plain.end(), [&](const NamedRun& run) { return run.name == plain[i].name; });
    if (same > 1) runs[i].name += " (" + fs::absolute(folders[i]).lexically_normal().filename().string() + ")";
  }
  return runs;
}

}  // namespace

Document matrix_content(const std::vector<NamedRun>& runs) {
  Document document{"What replicates where", {}};
  document.blocks.push_back(paragraph({span::text("The claims of “" + paper().title + "” (arXiv " + paper().arxiv +
                                                  ") over " + plural(runs.size(), "run") + ".")},
                                      Paragraph::Role::lead));
  document.blocks.push_back({Section{"matrix", {span::text("Claims by model")}, {{verdict_table(runs)}}}});
  document.blocks.push_back({Section{"runs", {span::text("The runs")}, {{run_table(runs)}}}});
  return document;
}

void write_matrix(const std::vector<fs::path>& folders, const fs::path& out) {
  const auto document = matrix_content(read_runs(folders));
  std::error_code error;
  fs::create_directories(out, error);
  if (error) throw Error("cannot make the folder: " + error.message(), out.string(), "name another one with --out");
  write_atomically(out / "matrix.md", markdown_page(document));
  write_atomically(out / "matrix.html", html_page(document, out));
}

}  // namespace replicate::report
