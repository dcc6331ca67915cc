// configs/paper.yaml names only what the claims measure, and its mistakes are found at their lines.

#include "reports/paper.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/text_file.h"
#include "reports/chain.h"
#include "reports/findings.h"
#include "reports/report.h"
#include "tests/support/temporary_folder.h"

namespace replicate::report {
namespace {

const std::filesystem::path kRoot = REPLICATE_SOURCE_DIR;

/// What the recorded run says of a claim that configs/claims has.
const Record& recorded(const std::string& claim) {
  static const std::vector<Record> kRun = read_run(kRoot / "results/reference/cpu-smollm2");
  EXPECT_TRUE(std::filesystem::exists(kRoot / "configs/claims" / (claim + ".yaml"))) << claim;
  const Record* record = find_record(kRun, claim);
  if (record == nullptr) throw Error("no record", claim, "name a claim of the recorded run");
  return *record;
}

void expect_measured(const std::string& claim, const std::string& metric) {
  EXPECT_NE(find_metric(recorded(claim), metric), nullptr) << claim << " " << metric;
}

TEST(Paper, LinksAndArrowsNameWhatIsMeasured) {
  for (const ChainLink& link : paper().links) {
    expect_measured(link.claim, link.metric);
    const auto& series = recorded(link.claim).measurement.series;
    for (const PanelCurve& curve : link.curves) {
      EXPECT_TRUE(std::any_of(series.begin(), series.end(), [&](const Series& s) { return s.name == curve.series; }))
          << link.claim << " " << curve.series;
    }
  }
  for (const ChainArrow& arrow : paper().arrows) expect_measured(arrow.claim, arrow.metric);
}

TEST(Paper, IsTheOneToCite) {
  const auto citation = read_text(kRoot / "CITATION.cff");
  EXPECT_NE(citation.find(paper().title + ": " + paper().subtitle), std::string::npos);
  EXPECT_NE(citation.find("arXiv:" + paper().arxiv), std::string::npos);
}

/// The message about configs/paper.yaml with `from` replaced by `to`.
std::string complaint(const std::string& from, const std::string& to) {
  std::string text(kPaperYaml);
  text.replace(text.find(from), from.size(), to);
  return message_of([&] { read_paper(text, "paper.yaml"); });
}

TEST(Paper, MistakesAreFoundAtTheirLines) {
  EXPECT_EQ(complaint("year:", "yaer:"), "unknown key 'yaer' (paper.yaml:5): did you mean 'year'?");
  EXPECT_NE(complaint("no difference: 1", "no difference: one").find("not a number"), std::string::npos);
  EXPECT_NE(complaint("  Control: >-", "  Criterion: >-").find("given twice"), std::string::npos);
  EXPECT_NE(complaint("    claim: variance_discrepancy\n", "").find("lacks the key 'claim' (paper.yaml:1"),
            std::string::npos);
}

}  // namespace
}  // namespace replicate::report
