#include "base/binomial_bound.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text_file.h"

namespace replicate {
namespace {

/// The golden file is written by tests/reference/make_binomial_bound.py.
TEST(BinomialBound, AgreesWithScipy) {
  const auto golden = std::filesystem::path(REPLICATE_SOURCE_DIR) / "tests/golden/binomial_bound.json";
  const auto cases = nlohmann::json::parse(read_text(golden));
  ASSERT_GE(cases.size(), 4u);
  for (const auto& expected : cases) {
    EXPECT_NEAR(binomial_upper_bound(expected["successes"], expected["n"]), expected["upper"], 1e-9) << expected;
  }
}

}  // namespace
}  // namespace replicate
