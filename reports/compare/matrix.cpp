#include "reports/compare/matrix.h"

#include <algorithm>
#include <exception>
#include <map>
#include <optional>

#include "base/run_folder.h"
#include "reports/chain.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/paper.h"
#include "reports/plots/plot_script.h"
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

/// "layer 12: pass", of the stages after the one that decides; all of them together are left out.
std::string later_stages(const Record& record) {
  std::vector<std::string> stages;
  for (const StageFinding& stage : record.stages) {
    if (stage.spike == 0 || &stage == &record.stages.front()) continue;
    stages.push_back("layer " + std::to_string(stage.spike) + ": " + to_string(stage.verdict));
  }
  return join(stages, ", ");
}

/// The number that made the verdict what it is, else the first that was judged.
Line deciding_number(const Record& record) {
  if (is_unjudged(record.verdict)) return {};
  const auto shown = headlines(record);
  const auto by = decider(record);
  return by ? headline_line(*by) : shown.empty() ? Line{} : headline_line(shown.front());
}

Line cell(const Record* record) {
  if (!record) return {span::muted("not run")};
  Line line = {span::verdict(to_string(record->verdict))};
  const auto add = [&](const Line& more) {
    if (more.empty()) return;
    line.push_back(span::line_break());
    append(line, more);
  };
  const auto add_muted = [&](const std::string& text) { add(text.empty() ? Line{} : Line{span::muted(text)}); };
  if (const auto known = known_note(*record); !known.empty()) append(line, {span::text(" "), span::muted(known)});
  if (!is_unjudged(record->verdict)) add_muted(bearing_note(*record));
  add(deciding_number(*record));
  add_muted(later_stages(*record));
  add_muted(variation_note(*record));
  return line;
}

/// "2 of 3 pass", of the runs in which it was judged; "1 contradicts".
Line together(const std::vector<NamedRun>& runs, const std::string& claim) {
  size_t passed = 0, judged = 0;
  std::map<Bearing, size_t> bearings;
  for (const auto& run : runs) {
    const auto* record = find(run, claim);
    if (!record || is_unjudged(record->verdict)) continue;
    ++judged;
    passed += record->verdict == Verdict::pass;
    if (record->bearing) ++bearings[*record->bearing];
  }
  Line line = {span::text(std::to_string(passed) + " of " + std::to_string(judged) + " pass")};
  for (const auto bearing : {Bearing::supports, Bearing::contradicts}) {
    if (bearings[bearing] == 0) continue;
    append(line, {span::line_break(), span::text(std::to_string(bearings[bearing]) + " " + to_string(bearing))});
  }
  return line;
}

Table verdict_table(const std::vector<NamedRun>& runs) {
  Table table{"Claims by model", {{"Claim"}}, {}};
  for (const auto& run : runs) table.columns.push_back({run.name});
  table.columns.push_back({"Together"});
  for (const auto* claim : claims_of(runs)) {
    std::vector<Line> row = {{span::code(claim->claim), span::text(dagger_after_title(*claim)), span::line_break(),
                              span::text(title_of(*claim))}};
    for (const auto& run : runs) row.push_back(cell(find(run, claim->claim)));
    row.push_back(together(runs, claim->claim));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table run_table(const std::vector<NamedRun>& runs) {
  Table table{"Runs", {{"Model"}, {"Parameters"}, {"Profile"}, {"Verdicts"}, {"Evidence"}, {"Thresholds"}}, {}};
  for (const auto& run : runs) {
    const auto& first = run.records.front();
    const auto calibrations = distinct(run.records, [](const Record& record) { return record.calibration; });
    table.rows.push_back({{span::text(run.name)},
                          {span::text(format_count(first.model.parameters))},
                          {span::text(first.profile)},
                          {span::text(describe(count_verdicts(run.records)))},
                          {span::text(evidence_note(run.records))},
                          {span::text(join(calibrations, "; "))}});
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

std::optional<Record> chain_of(const std::vector<NamedRun>& runs) {
  std::vector<ChainRun> chains;
  for (const NamedRun& run : runs) chains.emplace_back(run.name, &run.records);
  auto chain = compared_chain(chains);
  return chain && !drawn_panels(*chain).empty() ? std::move(chain) : std::nullopt;
}

Blocks chain_blocks(const std::optional<Record>& chain) {
  if (!chain) return {};
  const Line caption = {span::text(
      "Position 0 on its way through the layers, link by link. Bands, where there are some: 95% intervals.")};
  const Figure figure = panel_figure(*chain, kChain, caption);
  return {{Section{kChain, {span::text("The chain in each model")}, {{figure}}}}};
}

Document content(const std::vector<NamedRun>& runs, const std::optional<Record>& chain) {
  Document document{"What replicates where", {}};
  document.blocks.push_back(paragraph({span::text("The claims of “" + paper().title + "” (arXiv " + paper().arxiv +
                                                  ") over " + plural(runs.size(), "run") + ".")},
                                      Paragraph::Role::lead));
  document.blocks.push_back({Section{"matrix", {span::text("Claims by model")}, {{verdict_table(runs)}}}});
  append(document.blocks, chain_blocks(chain));
  document.blocks.push_back({Section{"runs", {span::text("The runs")}, {{run_table(runs)}}}});
  return document;
}

}  // namespace

Document matrix_content(const std::vector<NamedRun>& runs) { return content(runs, chain_of(runs)); }

void write_matrix(const std::vector<fs::path>& folders, const fs::path& out) {
  const auto runs = read_runs(folders);
  std::error_code error;
  fs::create_directories(out, error);
  if (error) throw Error("cannot make the folder: " + error.message(), out.string(), "name another one with --out");
  const auto chain = chain_of(runs);
  std::exception_ptr failed;
  try {
    if (chain) write_compared_chain(*chain, out);
  } catch (const Error&) {  // the tables are worth having without it
    failed = std::current_exception();
  }
  const auto document = content(runs, chain);
  write_atomically(out / "matrix.md", markdown_page(document));
  write_atomically(out / "matrix.html", html_page(document, out));
  if (failed) std::rethrow_exception(failed);
}

}  // namespace replicate::report
