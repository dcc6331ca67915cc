#include "reports/report.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "base/run_folder.h"
#include "reports/chain.h"
#include "reports/compare/matrix.h"
#include "reports/content.h"
#include "reports/findings.h"
#include "reports/paper.h"
#include "reports/plots/axes.h"
#include "reports/plots/chain_script.h"
#include "reports/plots/map_script.h"
#include "reports/plots/plot_script.h"
#include "reports/sections/sections.h"
#include "reports/text.h"
#include "tests/support/expect_error.h"
#include "tests/support/sample_records.h"
#include "tests/support/special_numbers.h"
#include "tests/support/temporary_folder.h"

namespace replicate::report {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHostile = "<script>alert('1')</script> | `rm` $x _a_ \"q\" [l](u)\n# & \xff \x01";

/// Stands in for gnuplot's drawing, whose bytes differ between gnuplot's versions.
constexpr const char* kDrawing =
    "<?xml version=\"1.0\"?>\n<svg viewBox=\"0 0 1040 300\">"
    "<g id='gpPt1'><path fill=\"black\" d='M0,0'/></g><use xlink:href='#gpPt1'/></svg>\n";

// ---- golden files -----------------------------------------------------------------------------------

fs::path golden_folder() { return fs::path(REPLICATE_SOURCE_DIR) / "tests/golden/report"; }

bool accepting() { return std::getenv("REPLICATE_ACCEPT_GOLDEN") != nullptr; }

/// Style and script are no content: a changed colour should not touch the golden page.
std::string without_style(const std::string& html) {
  const auto without = [](const std::string& text, const std::string& open, const std::string& close) {
    const size_t start = text.find(open) + open.size();
    return text.substr(0, start) + text.substr(text.find(close, start));
  };
  return without(without(without(html, "<style>", "</style>"), "'sha256-", "'"), "<script>", "</script>");
}

void expect_golden(const std::string& name, const std::string& text) {
  const fs::path path = golden_folder() / name;
  if (accepting()) return write_atomically(path, text);
  ASSERT_TRUE(fs::exists(path)) << path;
  EXPECT_EQ(read_text(path), text) << "If the change is wanted: REPLICATE_ACCEPT_GOLDEN=1 ./check "
                                      "-R report, then read the diff.";
}

/// A run folder with every drawing that its report shows.
void draw_stand_ins(const TemporaryFolder& folder, const std::vector<Record>& records) {
  if (chain_figure(records)) folder.write("chain.svg", kDrawing);
  for (const Record& record : records) {
    if (!drawn_panels(record).empty()) folder.write(record.claim + "/plot.svg", kDrawing);
    if (has_maps(record)) folder.write(record.claim + "/maps.svg", kDrawing);
  }
}

TEST(ReportGolden, Console) { expect_golden("console.txt", console_table(sample::records(), false)); }

TEST(ReportGolden, NarrowConsoleInColour) {
  expect_golden("console_colour_80.txt", console_table(sample::records(), true, 80));
}

TEST(ReportGolden, ConsoleInBrief) { expect_golden("console_brief.txt", console_summary(sample::records(), false)); }

TEST(ReportGolden, NarrowConsoleInBriefInColour) {
  expect_golden("console_brief_colour_60.txt", console_summary(sample::records(), true, 60));
}

TEST(ReportGolden, Markdown) { expect_golden("report.md", markdown_report(sample::records())); }

TEST(ReportGolden, Html) {
  const TemporaryFolder folder;
  draw_stand_ins(folder, sample::records());
  expect_golden("report.html", without_style(html_report(sample::records(), folder.path())));
}

TEST(ReportGolden, Junit) { expect_golden("junit.xml", junit_report(sample::records())); }

TEST(ReportGolden, Summary) { expect_golden("summary.json", summary_json(sample::records())); }

TEST(ReportGolden, PlotScript) { expect_golden("plot.gp", plot_script(sample::mask_induced_sink(), "plot.svg")); }

TEST(ReportGolden, ChainScript) {
  const auto figure = chain_figure(sample::records());
  ASSERT_TRUE(figure.has_value());
  expect_golden("chain.gp", script_of(chain_sheet(*figure), "chain.svg"));
}

TEST(ReportGolden, MapScript) {
  expect_golden("maps.gp", script_of(map_sheet(sample::mask_induced_sink()), "maps.svg"));
}

// ---- numbers and escapes ----------------------------------------------------------------------------

TEST(ReportText, NumbersHaveSensibleDigits) {
  EXPECT_EQ(format_number(0.52312), "0.5231");
  EXPECT_EQ(format_number(0.2), "0.2");
  EXPECT_EQ(format_number(5), "5");
  EXPECT_EQ(format_number(262.88), "262.9");
  EXPECT_EQ(format_number(12345.6), "12,346");
  EXPECT_EQ(format_number(1234567), "1,234,567");
  EXPECT_EQ(format_number(-0.5), "−0.5");
  EXPECT_EQ(format_number(-0.0), "0");
  EXPECT_EQ(format_number(1.234e-7), "1.23 × 10⁻⁷");
  EXPECT_EQ(format_number(-9.999e12), "−1 × 10¹³");
  EXPECT_EQ(format_number(kNaN), "n/a");
  EXPECT_EQ(format_number(-kInfinity), "−∞");
}

void expect_metric(double value, double low, double high, const std::string& expected) {
  const MetricText shown = format_metric({"m", value, low, high, 4, "natural", {}});
  EXPECT_EQ(shown.value + " " + shown.interval, expected);
}

TEST(ReportText, IntervalsSetTheDecimals) {
  expect_metric(0.52312, 0.50119, 0.54471, "0.523 [0.501, 0.545]");
  expect_metric(0.842, 0.836, 0.8479, "0.842 [0.836, 0.848]");
  expect_metric(27.14, 24.4, 30.2, "27.1 [24.4, 30.2]");
  expect_metric(1234.5, 1100, 1400, "1234 [1100, 1400]");
  expect_metric(-0.00001, -0.0008, 0.0007, "0.0000 [−0.0008, 0.0007]");
  expect_metric(1, 1, 1, "1 [1, 1]");
  expect_metric(0.5, 0.4999999999, 0.5000000001, "0.50000 [0.50000, 0.50000]");
  expect_metric(2e-9, 1e-9, 3e-9, "2 × 10⁻⁹ [1 × 10⁻⁹, 3 × 10⁻⁹]");
  expect_metric(kNaN, kNaN, kNaN, "n/a [n/a, n/a]");
}

TEST(ReportText, Units) {
  EXPECT_EQ(format_seconds(3.21), "3.2 s");
  EXPECT_EQ(format_seconds(41.7), "42 s");
  EXPECT_EQ(format_seconds(192), "3 min 12 s");
  EXPECT_EQ(format_seconds(7500), "2 h 5 min");
  EXPECT_EQ(format_megabytes(812.3), "812 MB");
  EXPECT_EQ(format_megabytes(1210), "1.21 GB");
  EXPECT_EQ(format_count(134'515'008), "134.5 million");
  EXPECT_EQ(enumerate({"3", "18", "19"}), "3, 18 and 19");
}

TEST(ReportText, EscapesLeaveNothingActive) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&\x01\xff"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp; \xEF\xBF\xBD");
  EXPECT_EQ(escape_markdown("a_b|*c*<d>\n"), "a\\_b\\|\\*c\\*\\<d\\> ");
  EXPECT_EQ(markdown_code("a`b|c"), "`` a`b\\|c ``");
  EXPECT_EQ(gnuplot_quote("it's `x`\n"), "'it''s `x` '");
  EXPECT_EQ(escape_url("a b/c#d(e)"), "a%20b/c#d%28e%29");
  EXPECT_EQ(clean("\xC0\xAF|\xED\xA0\x80|ok ü 漢"), "��|���|ok ü 漢");
  EXPECT_EQ(clean("a\u202Eb"), "a b");
}

/// Of what takes minutes where the work grows with the square of the text.
template <typename Action>
void expect_at_once(Action action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(ReportText, LongTextsTakeNoLongTime) {
  constexpr size_t kLong = 10'000'000;
  expect_at_once([] { EXPECT_EQ(markdown_code(std::string(kLong, '`')).size(), 3 * kLong + 4); });
  expect_at_once([] { EXPECT_EQ(wrap(std::string(kLong, 'a'), 100).size(), kLong / 100); });
  expect_at_once([] {
    std::string text(kLong, '_');
    replace_all(text, "_", "_<wbr>");
    EXPECT_EQ(text.size(), 6 * kLong);
  });
}

TEST(ReportText, ReplacesAllAndNotWhatItPutThere) {
  std::string text = "aaa b a";
  replace_all(text, "a", "aa");
  EXPECT_EQ(text, "aaaaaa b aa");
  replace_all(text, "aa", "");
  EXPECT_EQ(text, " b ");
  replace_all(text, "nothing", "x");
  EXPECT_EQ(text, " b ");
}

TEST(ReportText, WrapKeepsToTheWidth) {
  EXPECT_EQ(wrap("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("attention_to_first_after", 14), (std::vector<std::string>{"attention_to_", "first_after"}));
  EXPECT_EQ(wrap("漢字漢字", 4), (std::vector<std::string>{"漢字", "漢字"}));
  EXPECT_EQ(wrap("", 5), (std::vector<std::string>{""}));
  EXPECT_EQ(pad("ü", 3), "ü  ");
}

// ---- what the reports say ---------------------------------------------------------------------------

TEST(Report, KnownVerdictsAndDepartures) {
  EXPECT_TRUE(is_known(sample::dimension_disparity()));
  EXPECT_FALSE(departs(sample::dimension_disparity()));
  EXPECT_TRUE(departs(sample::mask_induced_sink()));
  Record record = sample::mask_induced_sink();
  record.verdict = Verdict::inconclusive;
  EXPECT_FALSE(departs(record));
}

// ---- exit codes -------------------------------------------------------------------------------------

using enum Verdict;
using What = FailOn::What;

/// `known`: the verdict last recorded with this profile and these thresholds.
Record ended(Verdict verdict, std::optional<Verdict> known = {}) {
  Record record;
  record.claim = "a";
  record.verdict = verdict;
  record.profile = "cpu";
  record.thresholds_sha256 = "t";
  if (known) record.recorded = {.run = "run", .profile = "cpu", .thresholds_sha256 = "t", .verdict = *known};
  return record;
}

TEST(FailOn, AFailedClaimIsAResult) {
  for (const auto verdict : kVerdicts) EXPECT_EQ(exit_code({ended(verdict)}, {}), verdict == error ? 3 : 0);
  EXPECT_EQ(exit_code({}, {}), 0);
}

TEST(FailOn, AnyCountsFailuresAndNothingElse) {
  for (const auto verdict : kVerdicts) {
    EXPECT_EQ(exit_code({ended(verdict)}, {What::failed}), verdict == error ? 3 : verdict == fail ? 1 : 0);
  }
  EXPECT_EQ(exit_code({ended(fail, fail)}, {What::failed}), 1) << "known or not";
}

TEST(FailOn, NewComparesWithWhatIsKnown) {
  EXPECT_EQ(exit_code({ended(fail)}, {What::changed}), 0) << "of which nothing is known";
  for (const auto known : {pass, fail, inconclusive, not_applicable}) {
    for (const auto now : {pass, fail, inconclusive, not_applicable}) {
      EXPECT_EQ(exit_code({ended(now, known)}, {What::changed}), now == known ? 0 : 1)
          << to_string(known) << to_string(now);
    }
  }
  for (const auto now : {not_applicable, not_run, descriptive}) {
    EXPECT_EQ(exit_code({ended(now, skipped)}, {What::changed}), 0) << "the word of an older record";
  }
  EXPECT_EQ(exit_code({ended(pass, skipped)}, {What::changed}), 1);
  EXPECT_EQ(exit_code({ended(error, error)}, {What::changed}), 3);
}

TEST(FailOn, WhatWasRecordedIsKnownForItsProfileAndThresholds) {
  auto record = ended(pass, fail);
  EXPECT_EQ(known_outcome(record), fail);
  record.profile = "smoke";
  EXPECT_EQ(known_outcome(record), std::nullopt);
  record.profile = "cpu";
  record.thresholds_sha256 = "u";
  EXPECT_EQ(known_outcome(record), std::nullopt);
  record.known_verdict = fail;  // expected of a model, for no profile in particular
  EXPECT_EQ(known_outcome(record), std::nullopt);
}

TEST(FailOn, AnotherRunTakesThePlaceOfWhatIsKnown) {
  const TemporaryFolder folder;
  auto before = ended(pass);
  write_record(before, folder / "run/a");
  const auto fail_on = read_fail_on("new", folder / "run");
  EXPECT_EQ(exit_code({ended(pass, fail)}, fail_on), 0);
  EXPECT_EQ(exit_code({ended(fail, fail)}, fail_on), 1);
  auto other = ended(fail);
  other.claim = "b";
  EXPECT_EQ(exit_code({other}, fail_on), 0) << "a claim that the other run lacks";
  EXPECT_THROW(read_fail_on("new", folder / "nothing"), Error);
}

/// One table for all policies: a case is a failure for JUnit exactly where it makes the run end with 1.
TEST(FailOn, JunitMarksWhatMakesTheRunEndWithOne) {
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  for (const auto what : {What::none, What::failed, What::changed}) {
    for (const auto known : {pass, fail}) {
      for (const auto now : kVerdicts) {
        const FailOn fail_on{what};
        const auto junit = junit_report({ended(now, known)}, fail_on);
        const int code = exit_code({ended(now, known)}, fail_on);
        EXPECT_EQ(has(junit, "<failure"), code == 1) << junit;
        EXPECT_EQ(has(junit, "failures=\"1\""), code == 1) << junit;
        EXPECT_EQ(has(junit, "<error"), code == 3) << junit;
        EXPECT_TRUE(has(junit, "<property name=\"verdict\" value=\"" + to_string(now) + "\"/>")) << junit;
      }
    }
  }
}

/// All tables among the blocks, those in folds and sections included.
std::vector<Table> tables_in(const Blocks& blocks) {
  std::vector<Table> tables;
  const auto add = [&](const Blocks& inner) {
    for (const Table& table : tables_in(inner)) tables.push_back(table);
  };
  for (const Block& block : blocks) {
    if (const auto* table = std::get_if<Table>(&block.content)) tables.push_back(*table);
    if (const auto* fold = std::get_if<Fold>(&block.content)) add(fold->blocks);
    if (const auto* section = std::get_if<Section>(&block.content)) add(section->blocks);
  }
  return tables;
}

std::string words(const Line& line) {
  std::string text;
  for (const Span& span : line) text += span.kind == Span::Kind::line_break ? " " : span.text;
  return text;
}

// ---- sweeps, places, the paper's numbers ------------------------------------------------------------

TEST(ReportSweep, JudgedRowFirstThenARowAPoint) {
  const Table table = tables_in(sweep_blocks(sample::mask_induced_sink())).at(0);
  ASSERT_EQ(table.rows.size(), 4u);
  EXPECT_EQ(table.columns[2].title, "target_to_first_ratio");
  EXPECT_EQ(words(table.rows[0][2]), "0.94 [0.89, 0.99]");
  EXPECT_EQ(words(table.rows[1][0]), "target: 5");
  EXPECT_EQ(words(table.rows[1][2]), "0.91 [0.85, 0.97]");
  EXPECT_EQ(words(table.rows[1][1]), "agrees");
  EXPECT_EQ(words(table.rows[2][1]), "does not agree");
  EXPECT_EQ(words(table.rows[3][1]), "out of memory");
  EXPECT_EQ(words(table.rows[3][3]), "–");
}

TEST(ReportSweep, OfARecordOfSchema1WasJudged) {
  Record record = sample::mask_induced_sink();
  record.schema = record.edition = 1;
  record.variations.clear();
  record.sweep = {{"k5", "target: 5", Verdict::pass, "both criteria are met"},
                  {"bos", "bos: on", Verdict::fail, "target_to_first_ratio is 0.31, not at least 0.5"},
                  {"seed2", "seed: 2", Verdict::error, "out of memory"}};
  const Table table = tables_in(sweep_blocks(record)).at(0);
  EXPECT_EQ(words(table.rows[2][1]), "fail");
  EXPECT_EQ(words(table.rows[3][1]), "error out of memory");
  EXPECT_EQ(variation_note(record), "holds at 1 of 3 variations");
}

TEST(ReportSweep, NoteCountsWhatAgrees) {
  Record one = sample::mask_induced_sink();
  EXPECT_EQ(variation_note(one), "1 of 2 variations agree");
  one.variations.resize(1);
  EXPECT_EQ(variation_note(one), "1 of 1 variation agrees");
  one.variations[0].agrees = {};
  EXPECT_EQ(variation_note(one), "");
  EXPECT_EQ(variation_note(sample::sink_onset()), "");
  EXPECT_TRUE(sweep_blocks(sample::sink_onset()).empty());
}

TEST(ReportSweep, ItsMetricsStandApart) {
  for (const Table& table : tables_in(metric_blocks(sample::mask_induced_sink())))
    for (const auto& row : table.rows)
      for (const char* suffix : {"_k5", "_bos"})
        EXPECT_EQ(words(row[0]).find(suffix), std::string::npos) << words(row[0]);
}

TEST(ReportMetrics, PlacesAreRowsAndMetricsColumns) {
  const Record record = sample::dimension_disparity();
  const Table table = tables_in(metric_blocks(record)).at(0);
  ASSERT_EQ(table.rows.size(), 12u);
  ASSERT_EQ(table.columns.size(), 4u);
  EXPECT_EQ(table.columns[0].title + table.columns[1].title, "layerneuron");
  EXPECT_EQ(table.columns[3].title, "super_neuron_activation_rest");
  EXPECT_EQ(words(table.rows[1][1]), "1");
  EXPECT_EQ(words(table.rows[1][2]), "39.0 [38.0, 40.0]");
  EXPECT_NE(markdown_report({record}).find("… and 1 more row in record.json"), std::string::npos);
}

TEST(ReportMetrics, OtherPlacesAnotherTable) {
  Record record = sample::sink_onset();
  record.measurement.metrics = sample::by_neuron("few", 2);
  sample::append(record.measurement.metrics, sample::by_neuron("more", 3));
  sample::append(record.measurement.metrics, sample::by_neuron("single", 1));
  const auto tables = tables_in(metric_blocks(record));
  ASSERT_EQ(tables.size(), 3u);
  EXPECT_EQ(tables[0].rows.size(), 2u);
  EXPECT_EQ(tables[1].rows.size(), 3u);
  EXPECT_EQ(words(tables[2].rows[0][1]), "layer 8, neuron 0");
}

TEST(ReportMetrics, ManyColumnsBecomeSeveralTables) {
  Record record = sample::sink_onset();
  record.measurement.metrics.clear();
  for (const char* name : {"a", "b", "c", "d", "e", "f"})
    sample::append(record.measurement.metrics, sample::by_neuron(name, 2));
  const auto tables = tables_in(metric_blocks(record));
  ASSERT_EQ(tables.size(), 2u);
  EXPECT_EQ(tables[0].columns.size(), 5u);
  EXPECT_EQ(tables[1].columns.back().title, "f");
}

TEST(ReportMetrics, DistanceToThePaperIsSpelledOut) {
  Record record = sample::dimension_disparity();
  const auto bullets = [&] { return std::get<Bullets>(paper_distance_blocks(record).at(1).content); };
  EXPECT_EQ(words(bullets().items[0]),
            "top4_energy, natural: 0.842 here, 0.8 in the paper; difference 0.042 [0.036, 0.048], so "
            "above the paper's.");
  record.measurement.metrics.back().low = -0.01;
  EXPECT_NE(words(bullets().items[0]).find("does not tell apart"), std::string::npos);
  EXPECT_TRUE(paper_distance_blocks(sample::sink_onset()).empty());
}

TEST(Report, WhatDecidedAVerdictIsAmongItsFindings) {
  Record record;
  for (const auto* name : {"a", "b", "c", "d", "control"})
    record.measurement.metrics.push_back({name, 1, {}, {}, {}, {}, {}});
  for (const auto* name : {"a", "b", "c", "d"})
    record.criteria.push_back({name, Operator::at_least, 0.5, "", Outcome::pass});
  record.controls = {{"control", "a", 0.25, "", ControlOutcome::negative}};
  const auto last = [&] { return headlines(record).back(); };
  record.verdict = Verdict::pass;
  EXPECT_EQ(last().metric->name, "c");
  record.verdict = Verdict::inconclusive;  // by a rule of the claim
  EXPECT_EQ(last().metric->name, "c");
  record.controls[0].outcome = ControlOutcome::inconclusive;
  EXPECT_EQ(asked_of(last()), "control, within ± 0.25 × a");
  EXPECT_NE(summary_json({record}).find(R"("of": "a")"), std::string::npos);
  record.controls[0].metric = "c";  // which is a criterion's, too
  EXPECT_EQ(asked_of(last()), "control, within ± 0.25 × a");
  record.controls[0].metric = "control";
  record.verdict = Verdict::fail;
  record.criteria[3].outcome = Outcome::fail;
  EXPECT_EQ(last().metric->name + " " + asked_of(last()), "d ≥ 0.5");
  record.criteria[1].outcome = Outcome::fail;
  EXPECT_EQ(decider(record)->metric->name, "b");
  EXPECT_EQ(headlines(record).size(), 3u);
}

TEST(Report, ADaggerComesFromWhatHoldsByArithmetic) {
  Record record = sample::variance_discrepancy();
  EXPECT_EQ(dagger_after_title(record), " †");
  record.arithmetic.clear();
  EXPECT_EQ(dagger_after_title(record), "");
}

TEST(Report, VariationsStandBesideTheVerdictEverywhere) {
  Record record = sample::mask_induced_sink();
  ASSERT_FALSE(record.variations.empty());
  const auto note = variation_note(record);
  const auto arrows = tables_in(chain_section(sample::records())).at(1).rows;
  EXPECT_TRUE(std::ranges::any_of(arrows, [&](const auto& row) { return words(row[4]).ends_with(note); }));
  EXPECT_TRUE(words(tables_in({verdict_section({record})}).at(0).rows.at(0).at(3)).ends_with(note));
  EXPECT_NE(markdown_page(matrix_content({{"a run", {record}}})).find(note), std::string::npos);
  const auto console = console_table({record}, false, 120);
  EXPECT_NE(console.find("variations agree"), std::string::npos) << console;
}

TEST(Report, BearingsStandBesideTheVerdictAndAreCounted) {
  const Record record = sample::mask_induced_sink();
  EXPECT_EQ(bearing_note(record), "calibrated, supports");
  EXPECT_EQ(bearing_note(sample::sink_onset()), "") << "a record of edition 1";
  const std::string counted = "supports 1, contradicts 0, silent 0; confirmatory 0";
  EXPECT_EQ(evidence_note(sample::records()), counted);
  EXPECT_EQ(evidence_note({sample::sink_onset()}), "");
  for (const auto& page : {markdown_report(sample::records()), console_table(sample::records(), false, 120),
                           console_summary(sample::records(), false, 120)}) {
    EXPECT_NE(page.find(counted), std::string::npos) << page;
  }
  EXPECT_NE(markdown_report({record}).find("calibrated, supports"), std::string::npos);
}

TEST(Report, StagesStandInATableOfTheirOwn) {
  Record record = sample::mask_induced_sink();
  const auto page = markdown_report({record});
  EXPECT_NE(page.find("spike in layer 4 (decides)"), std::string::npos);
  EXPECT_NE(page.find("| all stages | 5–6 and 10 |"), std::string::npos) << page;
  record.stages.resize(1);
  EXPECT_EQ(markdown_report({record}).find("(decides)"), std::string::npos) << "one stage needs no table";
}

TEST(Report, AMetricIsTheOneOfTheJudgedStage) {
  Record record = sample::mask_induced_sink();
  record.measurement.metrics = {{"m", 1, {}, {}, 8, "natural", {}},
                                {"m", 2, {}, {}, 8, "natural", {{"spike", 9}}},
                                {"m", 3, {}, {}, 8, "natural", {{"spike", 4}}}};
  EXPECT_EQ(find_metric(record, "m")->value, 3);
  record.stages.clear();
  EXPECT_EQ(find_metric(record, "m")->value, 1);
}

TEST(Report, AProfilesCautionStandsInEveryForm) {
  Record record = sample::sink_onset();
  EXPECT_EQ(markdown_report({record}).find("Not to be quoted"), std::string::npos);
  record.profile = "smoke";
  record.caution = "too few tokens";
  EXPECT_NE(markdown_report({record}).find("Not to be quoted:** too few tokens."), std::string::npos)
      << markdown_report({record});
  EXPECT_NE(markdown_report({record}).find("profile smoke"), std::string::npos);
  EXPECT_NE(console_summary({record}, false, 100).find("Not to be quoted: too few tokens."), std::string::npos);
  EXPECT_NE(console_table({record}, false, 100).find("Not to be quoted: too few tokens."), std::string::npos);
  EXPECT_NE(summary_json({record}).find("too few tokens"), std::string::npos);
}

TEST(Report, AClaimsSectionAndTheEvidenceSayTheSameOfItsThresholds) {
  Record known = sample::dimension_disparity(), other = sample::mask_induced_sink();
  const auto said = [&] { return markdown_report({known, other}); };
  other.standing = Standing::unregistered;
  EXPECT_NE(said().find("**Confirmatory:** none"), std::string::npos) << said();
  EXPECT_NE(said().find("**Calibrated:** dimension\\_disparity"), std::string::npos) << "of edition 1";
  EXPECT_NE(said().find("**Unregistered:** mask\\_induced\\_sink"), std::string::npos);
  other.standing = Standing::confirmatory;
  EXPECT_NE(said().find("**Confirmatory:** mask\\_induced\\_sink"), std::string::npos) << said();
  other.standing = Standing::arithmetic;
  EXPECT_NE(said().find("**Arithmetic:** mask\\_induced\\_sink"), std::string::npos);
}

TEST(Report, PValuesAreThoseOfTestsOfUnits) {
  const auto rows = [](const std::vector<Record>& records) {
    std::string text;
    for (const Table& table : tables_in(evidence_section(records))) {
      if (table.label != "p values") continue;
      for (const auto& row : table.rows) text += words(row[0]) + ": " + words(row[1]) + ", p " + words(row[2]) + "\n";
    }
    return text;
  };
  Record record = sample::mask_induced_sink();
  EXPECT_EQ(rows({sample::sink_onset(), record}),
            "mask_induced_sink: target_to_first_ratio ≥ 0.5, p < 10⁻⁶\n"
            "mask_induced_sink: target_after_to_before_ratio ≥ 5, p 0.002\n")
      << "a record of edition 1 has p values of another kind";
  record.measurement.metrics[0].low = record.measurement.metrics[0].high = {};
  EXPECT_EQ(rows({record}).find("target_to_first_ratio"), std::string::npos) << "a number without sampling";
  record.criteria.clear();
  EXPECT_TRUE(evidence_section({record}).empty()) << "nothing is judged";
}

TEST(Report, ARegisteredClaimSaysSo) {
  Record record = sample::sink_onset();
  EXPECT_EQ(markdown_report({record}).find("Registered"), std::string::npos);
  record.registration = {2, "2026-12-31", std::string(64, 'a'), true};
  auto text = markdown_report({record});
  EXPECT_NE(text.find("Registered on 2026-12-31 as version 2."), std::string::npos) << text;
  record.registration->as_registered = false;
  EXPECT_NE(markdown_report({record}).find("as version 2; this run has other sizes"), std::string::npos);
}

// ---- the chain --------------------------------------------------------------------------------------

TEST(ReportChain, NeedsThreePanels) {
  EXPECT_FALSE(chain_figure({sample::sink_onset()}).has_value());
  EXPECT_TRUE(chain_section({sample::sink_onset(), sample::rank_collapse()}).empty());
}

TEST(ReportChain, PanelsKeepTheirLinksNumbers) {
  const auto figure = chain_figure(sample::records());
  ASSERT_TRUE(figure.has_value());
  std::string numbers;
  for (const Panel& panel : figure->series.panels) numbers += panel.title[0];
  EXPECT_EQ(numbers, "4568");
  EXPECT_EQ(figure->layers, sample::kLayers);
}

/// Random inputs report their spikes under the same name.
TEST(ReportChain, MarksAreThoseOfTheJudgedInputs) {
  Record onset = sample::sink_onset();
  onset.measurement.metrics.push_back({"spike_layers", 5, std::nullopt, std::nullopt, 24, "random", {{"layer", 5}}});
  const auto figure = chain_figure({onset, sample::dimension_disparity()});
  ASSERT_TRUE(figure.has_value());
  EXPECT_EQ(figure->spikes, std::vector<double>{8});
  ASSERT_FALSE(figure->sink_layers.empty());
  EXPECT_EQ(figure->sink_layers.front(), sample::kOnset);
}

TEST(ReportChain, TablesNameEveryLinkRunOrNot) {
  const auto tables = tables_in(chain_section(sample::records()));
  ASSERT_EQ(tables.size(), 2u);
  ASSERT_EQ(tables[0].rows.size(), paper().links.size());
  EXPECT_EQ(words(tables[0].rows[1][3]), "not run");
  EXPECT_EQ(words(tables[0].rows[4][3]), "dominance_over_rest 18.4 [16.9, 19.7] (> 5)");
  EXPECT_EQ(words(tables[0].rows[4][4]), "fail at top4_energy");
  EXPECT_EQ(words(tables[1].rows[5][3]), sample::falsification().reason);
}

TEST(Report, SummaryIsJsonWithCounts) {
  const auto json = nlohmann::json::parse(summary_json(sample::records()));
  EXPECT_EQ(json["counts"]["pass"], 2);
  EXPECT_EQ(json["counts"]["known_failures"], 1);
  EXPECT_EQ(json["counts"]["departures"], 1);
  EXPECT_EQ(json["claims"].size(), 6u);
  EXPECT_EQ(json["claims"][0]["headline"][1]["value"], 0.5231);
  EXPECT_EQ(json["claims"][0]["plot"], "sink_onset/plot.svg");
}

TEST(Report, NoRecordsIsSaidPlainly) {
  EXPECT_NE(markdown_report({}).find("no records"), std::string::npos);
  EXPECT_NE(console_table({}, false).find("0 claims: no verdict"), std::string::npos);
  EXPECT_EQ(console_summary({}, false), "0 claims: no verdict\n");
  EXPECT_EQ(nlohmann::json::parse(summary_json({}))["claims"].size(), 0u);
}

TEST(Report, TokensThatNoNumberCountsAreStillTold) {
  Record record = sample::sink_onset();
  record.inputs = {{"a", "tokens", int64_t{1} << 40, int64_t{1} << 40, "", false}};
  const auto section = std::get<Section>(cost_section({record}).content);
  EXPECT_EQ(words(tables_in({{section}}).at(0).rows.at(0).at(1)), "1.21 × 10²⁴");
}

TEST(Report, NullModelIsAnnounced) {
  Record record = sample::sink_onset();
  record.model.reinitialised = true;
  EXPECT_NE(markdown_report({record}).find("This is a null model"), std::string::npos);
}

TEST(Report, ConsoleStaysInItsWidth) {
  for (const size_t width : {80, 100, 120}) {
    std::istringstream lines(console_table(sample::records(), false, width));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), width) << line;
  }
  for (const size_t width : {40, 60, 80, 100, 200}) {
    std::istringstream lines(console_summary(sample::records(), false, width));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), width) << line;
  }
}

/// Every string a record holds, replaced by one that tries to break out.
Record hostile_record() {
  Record record = sample::sink_onset();
  for (std::string* text :
       {&record.title, &record.model.name, &record.model.sha256, &record.reason, &record.paper.statement,
        &record.paper.expected, &record.command, &record.parameters, &record.calibration, &record.environment.cpu,
        &record.known_why, &record.profile, &record.thresholds_sha256})
    *text = kHostile;
  record.known_verdict = Verdict::pass;
  record.paper.figures = {kHostile};
  record.measurement.notes = {kHostile};
  record.measurement.metrics[1].name = record.criteria[0].metric = kHostile;
  record.criteria[0].source = record.controls[0].source = kHostile;
  record.inputs[0].label = record.inputs[0].kind = record.inputs[0].sha256 = kHostile;
  record.panels[0].title = record.panels[0].x = record.panels[0].y = kHostile;
  record.panels[0].curves[0].label = record.panels[0].thresholds[0].first = kHostile;
  record.sweep = {{kHostile, kHostile, Verdict::error, kHostile}};
  record.variations = {{kHostile, kHostile, {}, kHostile}};
  record.stages = {{4, {5}, Verdict::pass, kHostile, {}, {}, {}}, {9, {10}, Verdict::fail, kHostile, {}, {}, {}}};
  record.fact = kHostile;
  record.measurement.maps = {{kHostile, kHostile, kHostile, {{kHostile, 1}}, {{0.5}}}};
  for (const int64_t place : {1, 2})
    record.measurement.metrics.push_back({kHostile, 1, 0, 2, 3, kHostile, {{kHostile, place}}});
  return record;
}

/// Tags that are opened and not closed, or closed and not open; empty when all is well.
std::string first_unbalanced_tag(const std::string& markup) {
  static const std::regex kTag("<(/?)([a-zA-Z0-9]+)(?:[^<>]*?)(/?)>");
  const std::set<std::string> kVoid = {"meta", "br", "wbr", "input"};
  std::vector<std::string> open;
  for (std::sregex_iterator tag(markup.begin(), markup.end(), kTag), end; tag != end; ++tag) {
    const std::string name = (*tag)[2];
    if ((*tag)[3].length() > 0 || kVoid.count(name) > 0) continue;
    if ((*tag)[1].length() == 0) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + ">";
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + ">";
}

TEST(Report, HostileStringsStayText) {
  const TemporaryFolder folder;
  draw_stand_ins(folder, {hostile_record()});
  const std::string html = html_report({hostile_record()}, folder.path());
  EXPECT_EQ(html.find("<script", html.find("<script") + 1), std::string::npos) << "a script beside our own";
  EXPECT_EQ(first_unbalanced_tag(without_style(html)), "");
  EXPECT_EQ(first_unbalanced_tag(junit_report({hostile_record()})), "");
  EXPECT_EQ(console_table({hostile_record()}, false).find('\x01'), std::string::npos);
  EXPECT_EQ(console_summary({hostile_record()}, false).find('\x01'), std::string::npos);
  EXPECT_FALSE(nlohmann::json::parse(summary_json({hostile_record()})).empty());
}

/// Outside fenced code no line of a string becomes a line of its own, and no HTML gets through.
TEST(Report, HostileStringsStayTextInMarkdown) {
  Record record = hostile_record();
  record.command.clear();
  record.parameters.clear();
  const std::string markdown = markdown_report({record});
  EXPECT_EQ(markdown.find("\n# &"), std::string::npos);
  static const std::regex kBare("[^\\\\]<script");
  const std::string text = std::regex_replace(markdown, std::regex("`[^\n]*`"), "");
  EXPECT_FALSE(std::regex_search(text, kBare));
}

TEST(Report, HtmlNeedsNothingFromElsewhere) {
  const TemporaryFolder folder;
  draw_stand_ins(folder, sample::records());
  const std::string html = html_report(sample::records(), folder.path());
  EXPECT_EQ(first_unbalanced_tag(without_style(html)), "");
  for (const char* loader : {"src=", "@import", "url(http", "<link"})
    EXPECT_EQ(html.find(loader), std::string::npos) << loader;
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(html.find("script-src 'unsafe"), std::string::npos);
}

TEST(Report, HtmlIdsAreUniqueAndLinksFindThem) {
  const TemporaryFolder folder;
  draw_stand_ins(folder, sample::records());
  const std::string html = html_report(sample::records(), folder.path());
  static const std::regex kId(" id=['\"]([^'\"]+)['\"]"), kLink("href=['\"]#([^'\"]+)['\"]");
  std::set<std::string> ids;
  for (std::sregex_iterator id(html.begin(), html.end(), kId), end; id != end; ++id)
    EXPECT_TRUE(ids.insert((*id)[1]).second) << (*id)[1];
  for (std::sregex_iterator link(html.begin(), html.end(), kLink), end; link != end; ++link)
    EXPECT_EQ(ids.count((*link)[1]), 1u) << (*link)[1];
}

TEST(Report, AClaimsOwnPageHasLinksFromItsFolder) {
  const TemporaryFolder folder;
  draw_stand_ins(folder, {sample::sink_onset()});
  const std::string html = html_page(claim_content(sample::sink_onset()), folder.path(), "sink_onset/");
  EXPECT_NE(html.find("href=\"record.json\""), std::string::npos);
  EXPECT_NE(html.find("href=\"../report.html\""), std::string::npos);
  EXPECT_EQ(html.find("<nav"), std::string::npos) << "contents of one section";
}

TEST(Report, MissingPlotLeavesANote) {
  const TemporaryFolder folder;
  const std::string html = html_report({sample::sink_onset()}, folder.path());
  EXPECT_NE(html.find("The plot is missing"), std::string::npos);
}

/// What a folder from elsewhere may hold in the place of gnuplot's drawing.
TEST(Report, OnlyDrawingsAreEmbedded) {
  const auto report = [](const std::string& body, const std::string& box = "0 0 1040 300") {
    const TemporaryFolder folder;
    folder.write("sink_onset/plot.svg", "<svg viewBox='" + box + "'>" + body + "</svg>");
    return html_report({sample::sink_onset()}, folder.path());
  };
  const std::string note = "The plot is missing";
  for (const char* good : {"<g id='a'><path d='M0,0'/></g>", "<title>a > b, \"c\" &lt;d></title>",
                           "<polygon  fill = 'red' points = '0,0 '/>", "<text xml:space=\"preserve\">onload='x'</text>",
                           "\n<use\n\txlink:href='#a'/>\n"}) {
    EXPECT_EQ(report(good).find(note), std::string::npos) << good;
  }
  for (const char* bad : {"<script>alert(1)</script>",
                          "<g onclick='x'/>",
                          "<g ONLOAD = \"x\"/>",
                          "<g onload=x></g>",
                          "<g a='>' onload='x'/>",
                          "<g/onload='x'/>",
                          "<g a='' onload='x'/>",
                          "<g a=\v' onload=x b='/>",
                          "<g a ' onload=x b='/>",
                          "<g a== ' onload=x b='/>",
                          "<foreignObject/>",
                          "<a href='#'>x</a>",
                          "<style>*{display:none}</style>",
                          "<!-- ",
                          "<![CDATA[",
                          "<g>",
                          "</g>",
                          "</svg><p>x</p><svg>",
                          "<title><g/></title>",
                          "<animate attributeName='x'/>",
                          "<iframe src='x'/>",
                          "<g a='x",
                          "<g",
                          "<",
                          "<>"}) {
    EXPECT_NE(report(bad).find(note), std::string::npos) << bad;
  }
  for (const char* box : {"0 0 . .", "0 0 1.2.3 5", "0 0 99999999999999999999 5"}) {
    EXPECT_NE(report("", box).find(note), std::string::npos) << box;
  }
}

// ---- plots ------------------------------------------------------------------------------------------

/// PATH as a test wants it; the old one comes back.
class Path {
 public:
  explicit Path(const std::string& value) : before_(std::getenv("PATH")) { setenv("PATH", value.c_str(), 1); }
  ~Path() { setenv("PATH", before_.c_str(), 1); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

 private:
  std::string before_;
};

TEST(ReportPlots, EveryClaimIsDrawn) {
  for (const Record& record : sample::records()) {
    const TemporaryFolder folder;
    write_plots(record, folder.path());
    ASSERT_EQ(fs::exists(folder / "plot.svg"), !drawn_panels(record).empty()) << record.claim;
    if (drawn_panels(record).empty()) continue;
    EXPECT_EQ(fs::exists(folder / "maps.svg"), has_maps(record)) << record.claim;
    EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), has_maps(record) ? 2 : 1) << record.claim;
  }
}

TEST(ReportPlots, ChainIsDrawnWhereThereIsOne) {
  const TemporaryFolder folder;
  write_chain({sample::sink_onset()}, folder.path());
  EXPECT_TRUE(fs::is_empty(folder.path()));
  write_chain(sample::records(), folder.path());
  EXPECT_NE(read_text(folder / "chain.svg").find("spike 8"), std::string::npos);
}

TEST(ReportMaps, AttentionIsToldByItsTriangle) {
  EXPECT_TRUE(is_attention(sample::mask_induced_sink().measurement.maps[0]));
  EXPECT_FALSE(is_attention({"m", "natural", "", {}, {{1, 0.5}, {0.5, 0.5}}}));
  EXPECT_FALSE(is_attention({"m", "natural", "", {}, {{1, 0, 0}, {0.5, 0.5, 0}}}));
  EXPECT_FALSE(is_attention({"m", "natural", "", {}, {}}));
}

TEST(ReportMaps, AttentionSharesOneScaleOtherQuantitiesDoNot) {
  auto maps = sample::mask_induced_sink().measurement.maps;
  maps.push_back({"entropy", "natural", "", {}, {{40, 50}}});
  const ColourScale before = colour_scale(maps, 0), after = colour_scale(maps, 1);
  EXPECT_EQ(before.low, after.low);
  EXPECT_EQ(before.high, 1);
  EXPECT_TRUE(before.logarithmic);  // from 0.002 to 1
  EXPECT_EQ(colour_scale(maps, 2).high, 50);
  EXPECT_FALSE(colour_scale(maps, 2).logarithmic);
}

TEST(ReportMaps, ALargeMapTakesNoLongTime) {
  Map map{"m", "natural", "", {}, std::vector(1000, std::vector<double>(1000))};
  for (size_t query = 0; query < 1000; ++query) map.values[query][0] = 0.5;
  expect_at_once([&] { EXPECT_EQ(colour_scale({map}, 0).high, 1); });
}

TEST(ReportMaps, ScaleEndsTenThousandfoldBelow) {
  const ColourScale scale = colour_scale({{"m", "natural", "", {}, {{1e-9, 2}}}}, 0);
  EXPECT_TRUE(scale.cut);
  EXPECT_DOUBLE_EQ(scale.low, 2e-4);
}

TEST(ReportMaps, LayersAndHeadsCountFromOne) {
  Record record = sample::sink_onset();
  record.measurement.maps = {{"entropy", "natural", "Entropy", {}, std::vector(30, std::vector<double>(9, 1.5))}};
  const std::string script = map_sheet(record).commands;
  EXPECT_NE(script.find("set xlabel 'head'"), std::string::npos);
  EXPECT_NE(script.find("using ($1+1):($2+1):3"), std::string::npos);
}

TEST(ReportMaps, WithoutAnyNumberNothingIsDrawn) {
  Record record = sample::variance_discrepancy();
  record.measurement.maps = {{"m", "natural", "", {}, {{kNaN, kNaN}}}, {"m", "natural", "", {}, {}}};
  EXPECT_FALSE(has_maps(record));
}

TEST(ReportPlots, ShortLogarithmicAxesHaveLabels) {
  const auto axis = [](double low, double high) {
    PanelData data;
    data.y_min = low, data.y_max = high;
    return y_axis(data, true);
  };
  EXPECT_NE(axis(2, 5).find("set ytics (2,4,6)"), std::string::npos) << axis(2, 5);
  EXPECT_NE(axis(3, 40).find("set ytics (5,10,20,50)"), std::string::npos) << axis(3, 40);
  EXPECT_NE(axis(60, 2000).find("set ytics (100,1000)\nset ytics add (\"\" 50 1,\"\" 60 1,"), std::string::npos)
      << axis(60, 2000);
  EXPECT_NE(axis(1, 1e4).find("set ytics 10\n"), std::string::npos) << axis(1, 1e4);
  EXPECT_NE(axis(1e-6, 1e6).find("set ytics 1000\n"), std::string::npos) << axis(1e-6, 1e6);
}

/// Every axis, and every end that a file may hold: with nothing between them, with no number between them, and the last
/// there are.
TEST(ReportPlots, AxesOfOddRangesEndAndAreDrawn) {
  constexpr double kLeast = std::numeric_limits<double>::denorm_min(), kMost = std::numeric_limits<double>::max();
  const std::vector<std::pair<double, double>> ranges = {{1e20, 1.0000000000000002e20},
                                                         {-1.0000000000000002e20, -1e20},
                                                         {1e20, 1e20},
                                                         {kLeast, kLeast},
                                                         {kLeast, 2 * kLeast},
                                                         {kLeast, kMost},
                                                         {kMost, kMost},
                                                         {-kMost, kMost},
                                                         {1, 1 + 1e-15}};
  for (const auto& [low, high] : ranges)
    for (const bool log : {false, true}) {
      if (log && low <= 0) continue;
      PanelData data;
      data.x_min = data.y_min = low, data.x_max = data.y_max = high;
      data.integer_x = low == std::floor(low);
      for (const std::string& script :
           {x_axis(data, log), y_axis(data, log), y_axis(data, log, 5), layer_axis(high, true)}) {
        EXPECT_LT(script.size(), 500u) << script;
        EXPECT_EQ(script.find("inf"), std::string::npos) << script;
        EXPECT_EQ(script.find("nan"), std::string::npos) << script;
      }
      Record record = sample::sink_onset();
      record.panels = {{"p", "x", "y", log, log, {{"s", "natural", "s"}}, {}}};
      record.measurement.series = {{"s", "natural", "length", {low, high}, {low, high}, {}, {}}};
      const TemporaryFolder folder;
      EXPECT_NO_THROW(write_plots(record, folder.path())) << low << " " << high << " " << log;
    }
}

TEST(ReportPlots, WhatWasNotMeasuredIsLeftOut) {
  EXPECT_TRUE(drawn_panels(sample::variance_discrepancy()).empty());
  const std::string script = plot_script(sample::rank_collapse(), "a");
  EXPECT_EQ(script.find("stacked"), std::string::npos) << "a curve without a point";
  Record record = sample::dimension_disparity();
  record.measurement.series.erase(record.measurement.series.begin() + 2, record.measurement.series.end());
  ASSERT_EQ(drawn_panels(record).size(), 1u);
  EXPECT_EQ(panel_figure(record, "plot", {}).windows.size(), 1u);
  EXPECT_EQ(plot_script(record, "a").find("Energy"), std::string::npos) << "a panel of such curves";
}

TEST(ReportPlots, ALegendIsGivenOnce) {
  Record record = sample::dimension_disparity();
  record.panels[1].thresholds.clear();
  const std::string entry = "title 'first token'";
  const auto count = [&] {
    const std::string script = plot_script(record, "a");
    size_t times = 0;
    for (size_t at = script.find(entry); at != std::string::npos; at = script.find(entry, at + 1)) ++times;
    return times;
  };
  EXPECT_EQ(count(), 1u);
  record.panels[1].curves[0].label = "first token, another curve";
  EXPECT_EQ(count(), 1u);
  record.panels[1].thresholds = {{"criterion", 0.9}};
  record.panels[1].curves[0].label = "first token";
  EXPECT_EQ(count(), 2u) << "a legend is given whole where it says something new";
}

TEST(ReportPlots, RowsAreAsHighAsTheirLegends) {
  const auto windows = panel_figure(sample::mask_induced_sink(), "plot", {}).windows;
  ASSERT_EQ(windows.size(), 4u);
  EXPECT_EQ(windows[0].height, windows[1].height);
  EXPECT_GT(windows[0].height, windows[2].height);
  EXPECT_EQ(windows[2].top, windows[0].height);
  const Sheet sheet = plot_sheet(sample::mask_induced_sink());
  EXPECT_EQ(sheet.height, windows[3].top + windows[3].height);
}

TEST(ReportPlots, AFigureHoldsTheNumbersThatItShows) {
  Record record = sample::dimension_disparity();
  const Series series = record.measurement.series.front();
  record.panels = {{"one", "layer", "y", false, false, {{series.name, series.inputs, "curve"}, {"none", "", ""}}, {}}};
  const auto plots = panel_figure(record, "plot", {}).plotted;
  ASSERT_EQ(plots.size(), 1u);
  EXPECT_EQ(plots[0].x, "layer");
  ASSERT_EQ(plots[0].curves.size(), 1u) << "what was not measured is not there";
  EXPECT_EQ(plots[0].curves[0].label, "curve");
  const auto& points = plots[0].curves[0].points;
  size_t drawn = 0;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (std::isnan(series.y[i])) continue;
    const auto [x, y, low, high] = points.at(drawn++);
    EXPECT_EQ(std::tie(x, y, low, high), std::tie(series.x[i], series.y[i], series.low[i], series.high[i]));
  }
  EXPECT_EQ(points.size(), drawn);
  EXPECT_LT(plots[0].low, 1);
  EXPECT_GT(plots[0].high, series.x.back());
  const Window cell = panel_figure(record, "plot", {}).windows[0];
  EXPECT_GT(plots[0].area.left, cell.left);
  EXPECT_LT(plots[0].area.left + plots[0].area.width, cell.left + cell.width);
}

TEST(ReportPlots, ADrawingThatIsLaidOutOtherwiseCannotBePointedAt) {
  Record record = sample::mask_induced_sink();
  const Sheet sheet = plot_sheet(record);
  const auto page = [&](double width, double height) {
    const TemporaryFolder folder;
    folder.write(record.claim + "/plot.svg", "<svg viewBox='0 0 " + std::to_string(static_cast<int>(width)) + " " +
                                                 std::to_string(static_cast<int>(height)) + "'><g></g></svg>");
    return html_report({record}, folder.path());
  };
  EXPECT_NE(page(sheet.width, sheet.height).find("data-plots="), std::string::npos);
  record.measurement.series.front().y.front() = 1e-310;  // reading such a number is an error to std::stod
  EXPECT_NE(page(sheet.width, sheet.height).find("data-plots="), std::string::npos);
  EXPECT_EQ(page(sheet.width + 40, sheet.height).find("data-plots="), std::string::npos);
}

TEST(ReportPlots, FewSeedsAreLinesWithoutABand) {
  Record record = sample::dimension_disparity();
  const auto bands = [&] { return plot_script(record, "a").find("filledcurves") != std::string::npos; };
  EXPECT_TRUE(bands());
  record.kind = ClaimKind::training;
  for (Metric& metric : record.measurement.metrics) metric.n = 3;
  EXPECT_FALSE(bands());
  for (Metric& metric : record.measurement.metrics) metric.n = 4;
  EXPECT_TRUE(bands());
}

TEST(ReportPlots, AnIntervalThatReachesZeroHasNoBandOnALogarithmicAxis) {
  Record record = sample::dimension_disparity();
  record.panels.resize(1);
  record.panels[0].curves.resize(1);
  Series& series = record.measurement.series[0];
  series.low.assign(series.y.size(), -1);
  EXPECT_EQ(plot_script(record, "a").find("filledcurves"), std::string::npos);
  series.low[3] = 0.5;
  EXPECT_EQ(plot_script(record, "a").find("filledcurves"), std::string::npos) << "nor has a curve with one such point";
  series.low.assign(series.y.size(), 0.5);
  EXPECT_NE(plot_script(record, "a").find("filledcurves"), std::string::npos);
}

TEST(ReportPlots, TicksThatBeginAtOneLeaveZeroOut) {
  EXPECT_EQ(whole_tics("x", 1, 225), "set xtics 50,50\nset xtics add (\"1\" 1)\n");
  EXPECT_EQ(whole_tics("x", 0, 40), "set xtics 0,5\n");
}

TEST(ReportPlots, FiguresOfAPaperAreSvgAndPdf) {
  const TemporaryFolder folder;
  write_figures(sample::records(), folder.path());
  for (const char* name : {"chain", "sink_onset-1", "sink_onset-2", "rank_collapse-1"}) {
    const auto svg = read_text(folder / (std::string(name) + ".svg")),
               pdf = read_text(folder / (std::string(name) + ".pdf"));
    EXPECT_NE(svg.find("</svg>"), std::string::npos) << name;
    EXPECT_TRUE(pdf.starts_with("%PDF-")) << name;
    EXPECT_NE(read_text(folder / "README.md").find("`" + std::string(name) + "`"), std::string::npos) << name;
  }
  EXPECT_NE(read_text(folder / "sink_onset-1.svg").find("width=\"317\""), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "variance_discrepancy-1.svg")) << "nothing was measured";
}

TEST(ReportPlots, HostileLabelsAreDrawnAsTheyAre) {
  const TemporaryFolder folder;
  Record record = hostile_record();
  record.panels[0].title = "`touch hacked` a_b^{c} <i> 'q' @x $y";
  write_plots(record, folder.path());
  const std::string svg = read_text(folder / "plot.svg");
  EXPECT_NE(svg.find("`touch hacked` a_b^{c} &lt;i> 'q' @x $y"), std::string::npos);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_FALSE(fs::exists("hacked"));
}

TEST(ReportPlots, OddDataDoNotStopTheDrawing) {
  Record record = sample::sink_onset();
  record.panels[1].log_x = true;
  record.measurement.series[4] = {
      "first_token_norm",   "natural",         "layer", {0, 1, 2, 3, 4}, {1, kNaN, 3, 0, kInfinity},
      {-1, kNaN, -2, 0, 1}, {2, kNaN, 4, 0, 9}};
  record.measurement.series[0] = {"attention_to_first", "natural", "layer", {7}, {0.0}, {0.0}, {0.0}};
  const TemporaryFolder folder;
  write_plots(record, folder.path());
  EXPECT_TRUE(fs::exists(folder / "plot.svg"));
}

TEST(ReportPlots, MissingPointsBreakTheLine) {
  const std::string script = plot_script(sample::dimension_disparity(), "a");
  EXPECT_NE(script.find("\n\n\nEND"),
            std::string::npos);  // top4_energy ends with two missing layers
  EXPECT_EQ(script.find(" nan"), std::string::npos);
}

TEST(ReportPlots, MissingGnuplotIsExplained) {
  const TemporaryFolder folder;
  const Path nowhere(folder.path().string());
  expect_error([&] { write_plots(sample::sink_onset(), folder.path()); }, "gnuplot is not installed");
}

TEST(ReportPlots, FailingGnuplotIsAnErrorAndKeepsTheOldPlot) {
  const TemporaryFolder folder;
  folder.write("bin/gnuplot", "#!/bin/sh\necho 'no font found' >&2\nexit 3\n");
  folder.write("plot.svg", "old");
  fs::permissions(folder / "bin/gnuplot", fs::perms::owner_all);
  const Path fake((folder / "bin").string() + ":" + std::getenv("PATH"));
  expect_error([&] { write_plots(sample::sink_onset(), folder.path()); }, "no font found");
  EXPECT_EQ(read_text(folder / "plot.svg"), "old");
}

TEST(ReportPlots, GridFillsRowByRow) {
  EXPECT_EQ(panel_grid(1).columns, 1u);
  EXPECT_EQ(panel_grid(3).columns, 2u);
  EXPECT_EQ(panel_grid(3).rows, 2u);
  EXPECT_EQ(panel_grid(6).rows, 3u);
}

// ---- run folders ------------------------------------------------------------------------------------

void write_run(const fs::path& run, const std::vector<Record>& records) {
  for (const Record& record : records) {
    fs::create_directories(run / record.claim);
    write_record(record, run / record.claim);
  }
}

std::vector<std::string> claims_of(const std::vector<Record>& records) {
  std::vector<std::string> claims;
  for (const Record& record : records) claims.push_back(record.claim);
  return claims;
}

TEST(ReportRun, OrderIsGivenOrRemembered) {
  const TemporaryFolder folder;
  write_run(folder.path(), {sample::sink_onset(), sample::rank_collapse(), sample::falsification()});
  using Claims = std::vector<std::string>;
  EXPECT_EQ(claims_of(read_run(folder.path())), (Claims{"falsification", "rank_collapse", "sink_onset"}));
  write_reports(folder.path(), {"sink_onset", "rank_collapse"});
  const Claims ordered = {"sink_onset", "rank_collapse", "falsification"};
  EXPECT_EQ(claims_of(read_run(folder.path())), ordered);
  write_reports(folder.path());
  EXPECT_EQ(claims_of(read_run(folder.path())), ordered);
}

TEST(ReportRun, DamagedSummaryIsIgnored) {
  const TemporaryFolder folder;
  write_run(folder.path(), {sample::sink_onset()});
  for (const char* damaged : {"{", "[]", "{\"claims\": 3}", "{\"claims\": [3, {\"claim\": 4}]}"}) {
    folder.write("summary.json", damaged);
    EXPECT_EQ(read_run(folder.path()).size(), 1u) << damaged;
  }
  fs::remove(folder / "summary.json");
  fs::create_symlink("/dev/zero", folder / "summary.json");
  EXPECT_EQ(read_run(folder.path()).size(), 1u);
}

TEST(ReportRun, EmptyFolderIsAnError) {
  const TemporaryFolder folder;
  expect_error([&] { read_run(folder.path()); }, "no record.json");
  expect_error([&] { write_reports(folder / "absent"); }, "no record.json");
}

TEST(ReportRun, ReportsSurviveAPlotThatFails) {
  const TemporaryFolder folder;
  write_run(folder.path(), {sample::sink_onset()});
  const Path nowhere(folder.path().string());
  expect_error([&] { write_reports(folder.path()); }, "gnuplot is not installed");
  EXPECT_THROW(write_reports(folder.path()), NoGnuplot);  // by its kind a run knows that it is whole
  for (const char* file : {"report.md", "report.html", "junit.xml", "summary.json"})
    EXPECT_TRUE(fs::exists(folder / file)) << file;
}

TEST(ReportRun, RenderedAgainItIsTheSame) {
  const TemporaryFolder folder;
  write_run(folder.path(), sample::records());
  write_reports(folder.path());
  const std::string first = read_text(folder / "report.html");
  EXPECT_EQ(first.find("The plot is missing"), std::string::npos);
  write_reports(folder.path());
  EXPECT_EQ(read_text(folder / "report.html"), first);
}

}  // namespace
}  // namespace replicate::report
