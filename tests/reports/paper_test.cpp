// configs/paper.yaml names only what the claims measure, and its mistakes are found at their lines.

#include "reports/paper.h"

#include <gtest/gtest.h>

#include <set>

#include "base/text_file.h"
#include "base/yaml.h"
#include "tests/support/survey_rules.h"
#include "tests/support/temporary_folder.h"

namespace replicate::report {
namespace {

const std::filesystem::path kRoot = REPLICATE_SOURCE_DIR;

/// Metrics are held against a run of today by model_tests: Parity.AllClaimsOnTheReferencesIds.
TEST(Paper, LinksAndArrowsNameClaims) {
  const auto expect_claim = [](const std::string& claim) {
    EXPECT_TRUE(std::filesystem::exists(kRoot / "configs/claims" / (claim + ".yaml"))) << claim;
  };
  for (const ChainLink& link : paper().links) expect_claim(link.claim);
  for (const ChainArrow& arrow : paper().arrows) expect_claim(arrow.claim);
}

TEST(Paper, HasTheSinkOfTheRules) { EXPECT_EQ(paper().sink_excess, survey_rules().stages.sink_excess); }

TEST(Paper, BeyondItAreTheClaimsOfThatFamily) {
  std::set<std::string> beyond;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "configs/claims"))
    if (Yaml::read(entry.path()).text_or("family", "") == "beyond") beyond.insert(entry.path().stem());
  EXPECT_EQ(beyond, std::set<std::string>(paper().beyond.begin(), paper().beyond.end()));
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
