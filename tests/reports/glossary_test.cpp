// docs/glossary.md explains every term that the report's own list has, and says the numbers that the code has.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <sstream>

#include "base/text_file.h"
#include "harness/record/survey.h"
#include "reports/content.h"
#include "tests/support/survey_rules.h"

namespace replicate::report {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// In lower case, each run of white space as one space: a sentence is found wherever its lines break.
std::string document() {
  std::istringstream words(lower(read_text(std::filesystem::path(REPLICATE_SOURCE_DIR) / "docs/glossary.md")));
  std::string text;
  for (std::string word; words >> word;) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// "Spike, dominant spike" -> both.
std::vector<std::string> terms(const std::string& entry) {
  std::vector<std::string> all;
  std::istringstream parts(entry);
  for (std::string part; std::getline(parts, part, ',');)
    all.push_back(lower(part.substr(part.find_first_not_of(' '))));
  return all;
}

TEST(Glossary, HasEveryTermOfTheReports) {
  const auto text = document();
  for (const auto& [entry, meaning] : glossary().entries) {
    for (const auto& term : terms(entry)) {
      const bool stands =
          text.find("**" + term + "**") != std::string::npos || text.find("**" + term + ".**") != std::string::npos;
      EXPECT_TRUE(stands) << "docs/glossary.md lacks **" << term << "**";
    }
  }
}

std::string number(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

TEST(Glossary, SaysTheNumbersThatDefineTheTerms) {
  const auto text = document();
  for (const auto& sentence : {
           "excess attention is at least " + number(survey_rules().stages.sink_excess),
           "multiplies the norm ratio by " + number(kSpikeGrowth) + " or more, to " + number(kSpikeRatio) + " or more",
       }) {
    EXPECT_NE(text.find(sentence), std::string::npos) << sentence;
  }
}

}  // namespace
}  // namespace replicate::report
