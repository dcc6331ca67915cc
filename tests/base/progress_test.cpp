#include "base/progress.h"

#include <gtest/gtest.h>

#include <sstream>

namespace replicate {
namespace {

TEST(Progress, PlainLinesNameStageAndEnd) {
  std::ostringstream out;
  const auto progress = make_progress(out, 0);
  progress->begin("survey", 10);
  progress->advance(4);
  progress->line("sink_onset: pass");
  progress->advance(6);
  progress->end();
  EXPECT_EQ(out.str(), "survey\nsink_onset: pass\nsurvey: done after 0 s\n");
}

TEST(Progress, DurationsHaveTheUnitOfTheirSize) {
  EXPECT_EQ(duration_text(0.4), "0 s");
  EXPECT_EQ(duration_text(59.7), "1 min 00 s");
  EXPECT_EQ(duration_text(185), "3 min 05 s");
  EXPECT_EQ(duration_text(3599.6), "1 h 00 min");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
  EXPECT_EQ(duration_text(16 * 86400), "16 days");
  EXPECT_EQ(duration_text(1679551006), "53 years");
}

TEST(Progress, RangesOfDurationsHaveOneUnit) {
  EXPECT_EQ(duration_range_text(39.8, 70.2), "40 to 70 s");
  EXPECT_EQ(duration_range_text(60, 119), "60 to 119 s");
  EXPECT_EQ(duration_range_text(60, 120), "1 to 2 min");
  EXPECT_EQ(duration_range_text(840, 1320), "14 to 22 min");
  EXPECT_EQ(duration_range_text(10700, 10900), "about 3 h");
  EXPECT_EQ(duration_range_text(2 * 86400, 3 * 86400), "2 to 3 days");
  EXPECT_EQ(duration_range_text(1e9, 1.679551006e9), "32 to 53 years");
}

TEST(Progress, AStageThatWasCutShortSaysSo) {
  std::ostringstream out;
  const auto progress = make_progress(out, 0);
  progress->begin("survey", 10);
  progress->advance(4);
  progress->end();
  EXPECT_EQ(out.str(), "survey\nsurvey: stopped at 40% after 0 s\n");
}

TEST(Progress, TheBarFitsItsTerminalAndCleansUp) {
  std::ostringstream out;
  {
    const auto progress = make_progress(out, 20);
    progress->begin("a stage with quite a long name", 2);
    progress->line("kept");
  }
  EXPECT_EQ(out.str(), "\r\033[K[..................\r\033[Kkept\n");
}

TEST(Progress, NothingToDoIsNoDivision) {
  std::ostringstream out;
  const auto progress = make_progress(out, 80);
  progress->begin("empty", 0);
  progress->advance(0);
  progress->end();
  EXPECT_EQ(out.str().find("nan"), std::string::npos);
}

}  // namespace
}  // namespace replicate
