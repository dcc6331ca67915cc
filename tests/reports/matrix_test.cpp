#include "reports/compare/matrix.h"

#include <gtest/gtest.h>

#include "base/text_file.h"
#include "reports/chain.h"
#include "reports/findings.h"
#include "reports/report.h"
#include "tests/support/expect_error.h"
#include "tests/support/sample_records.h"
#include "tests/support/temporary_folder.h"

namespace replicate::report {
namespace {

Record record(const std::string& claim, const std::string& model, Verdict verdict) {
  Record r;
  r.claim = claim;
  r.title = "About " + claim;
  r.kind = ClaimKind::mechanism;
  r.profile = "cpu";
  r.model.name = model;
  r.model.sha256 = std::string(64, 'a');
  r.model.parameters = 1000;
  r.environment.threads = 1;
  r.measurement.metrics = {{"effect", 0.5, 0.4, 0.6, 4, "natural", {}}};
  r.criteria = {{"effect", Operator::above, 0.2, "set before measuring", Outcome::pass}};
  r.verdict = verdict;
  r.reason = "because";
  return r;
}

TEST(Matrix, HasARowForEachClaimAndAColumnForEachRun) {
  const auto page = markdown_page(
      matrix_content({{"small", {record("a", "small", Verdict::pass), record("b", "small", Verdict::skipped)}},
                      {"large", {record("a", "large", Verdict::fail), record("c", "large", Verdict::pass)}}}));
  EXPECT_NE(page.find("small | large"), std::string::npos) << page;
  for (const auto* claim : {"`a`", "`b`", "`c`"}) EXPECT_NE(page.find(claim), std::string::npos) << claim;
  EXPECT_NE(page.find("| 1 of 2 pass |"), std::string::npos) << page;  // a
  EXPECT_NE(page.find("| 0 of 0 pass |"), std::string::npos) << page;  // b was skipped, and not run
  EXPECT_NE(page.find("not run"), std::string::npos);
}

/// What stands in the cell of one record.
std::string cell_of(const Record& one) {
  const auto page = markdown_page(matrix_content({{"small", {one}}}));
  const auto begin = page.find(" | ", page.find("`" + one.claim + "`")) + 3;
  return page.substr(begin, page.find(" | ", begin) - begin);
}

TEST(Matrix, ACellHoldsVerdictBearingNumberStagesAndVariations) {
  auto one = record("a", "small", Verdict::fail);
  one.edition = 2;
  one.standing = Standing::confirmatory;
  one.bearing = Bearing::contradicts;
  one.measurement.metrics.push_back({"other", 0.1, 0.0, 0.2, 4, "natural", {}});
  one.criteria.push_back({"other", Operator::above, 0.2, "set before measuring", Outcome::fail});
  one.stages = {{.spike = 3, .verdict = Verdict::fail},
                {.spike = 12, .verdict = Verdict::pass},
                {.spike = 0, .verdict = Verdict::fail}};
  one.variations = {{"k5", "target: 5", true, ""}, {"k7", "target: 7", false, ""}, {"bos", "bos: on", {}, "no BOS"}};
  const auto cell = cell_of(one);
  for (const auto* part :
       {"fail", "confirmatory, contradicts", "`other`", "layer 12: pass", "1 of 2 variations agree"}) {
    EXPECT_NE(cell.find(part), std::string::npos) << part << " in " << cell;
  }
  for (const auto* part : {"`effect`", "layer 3", "layer 0"}) EXPECT_EQ(cell.find(part), std::string::npos) << cell;
  one.verdict = Verdict::not_applicable;
  for (const auto* part : {"`other`", "contradicts"}) EXPECT_EQ(cell_of(one).find(part), std::string::npos);
}

TEST(Matrix, ShowsTheChainsOfItsRunsInOneFigure) {
  const auto records = sample::records();
  auto deep = records;
  for (Record& one : deep) {
    one.model.layers *= 2;
    for (Series& series : one.measurement.series)
      for (double& x : series.x) x *= 2;
  }
  const auto chain = compared_chain({{"shallow", &records}, {"deep", &deep}});
  ASSERT_TRUE(chain.has_value());
  ASSERT_FALSE(chain->panels.empty());
  for (const Panel& panel : chain->panels) {
    ASSERT_EQ(panel.curves.size(), 2u) << panel.title;
    const Series *one = find_series(*chain, panel.curves[0]), *other = find_series(*chain, panel.curves[1]);
    EXPECT_EQ(one->x, other->x) << "over the depth, models of any number of layers compare";
    EXPECT_EQ(one->x.back(), 1) << panel.title;
    EXPECT_EQ(panel.curves[1].label, "deep");
  }
  EXPECT_FALSE(compared_chain({{"shallow", &records}}).has_value());
  const TemporaryFolder folder;
  for (const auto* run : {"a", "b"})
    for (const Record& one : records) write_record(one, folder / run / one.claim);
  write_matrix({folder / "a", folder / "b"}, folder / "out");
  EXPECT_NE(read_text(folder / "out" / "chain.svg").find("SmolLM2-135M (b)"), std::string::npos);
  EXPECT_EQ(read_text(folder / "out" / "matrix.html").find("The plot is missing"), std::string::npos);
}

TEST(Matrix, TellsRunsOfOneModelApartByTheirFolders) {
  const TemporaryFolder folder;
  write_record(record("a", "small", Verdict::pass), folder / "monday" / "a");
  write_record(record("a", "small", Verdict::fail), folder / "tuesday" / "a");
  write_matrix({folder / "monday", folder / "tuesday"}, folder / "out");
  const auto page = read_text(folder / "out" / "matrix.md");
  EXPECT_NE(page.find("small (monday)"), std::string::npos) << page;
  EXPECT_NE(page.find("small (tuesday)"), std::string::npos);
  EXPECT_NE(read_text(folder / "out" / "matrix.html").find("small (monday)"), std::string::npos);
  expect_error([&] { write_matrix({folder / "nothing"}, folder / "out"); }, "no record.json");
}

}  // namespace
}  // namespace replicate::report
