#include "base/number_text.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>

namespace replicate {
namespace {

TEST(NumberText, KeepsAsManyDigitsAsAskedAndNoTrailingZeros) {
  EXPECT_EQ(significant_text(1234.567, 3), "1.23e+03");
  EXPECT_EQ(significant_text(0.5, 4), "0.5");
  EXPECT_EQ(significant_text(0.1, 17), "0.10000000000000001");
  EXPECT_EQ(significant_text(std::nan(""), 4), "nan");
}

TEST(NumberText, FillsTheDecimalsOfTheLargestNumberToo) {
  EXPECT_EQ(fixed_text(2, 3), "2.000");
  EXPECT_EQ(fixed_text(-0.126, 2), "-0.13");
  EXPECT_EQ(fixed_text(DBL_MAX, 2).size(), 312U);
}

TEST(NumberText, ShortestReadsBackAsTheSameNumber) {
  for (const double value : {0.1, 1.0 / 3, -DBL_MAX, DBL_MIN, 1e23, 0.0}) {
    EXPECT_EQ(std::stod(shortest_text(value)), value);
  }
  EXPECT_EQ(shortest_text(0.1), "0.1");
}

}  // namespace
}  // namespace replicate
