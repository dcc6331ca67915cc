#include "harness/study/prefix_recordings.h"

#include <gtest/gtest.h>

#include "models/core/watch.h"
#include "tests/support/expect_error.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

/// A lane that records and one that reads it, as every attempt at a claim may name them.
Plan clamped(const std::shared_ptr<Watch>& probe) {
  const auto model = small_model();
  const Recording heads{"target", Site::head_output, {1, 2}};
  const Transplant clamp{heads.site, heads.layers, {}, {}, 0, 1, heads.name};
  return {{model, random_tokens(2, 8, 50, 1), {}, {}, {heads}},
          {model, random_tokens(2, 8, 50, 2), {IdentityAttention{{3, 3}}, clamp}, {probe}}};
}

std::shared_ptr<Watch> residual() {
  return watch_residual([](const Tensor& x) { return x; });
}

TEST(PrefixRecordings, ChangesNamesAndNothingElse) {
  auto plan = clamped(residual());
  const auto before = plan;
  prefix_recordings(plan, "1/");
  EXPECT_EQ(plan[0].recordings.front().name, "1/target");
  EXPECT_EQ(std::get<Transplant>(plan[1].patches[1]).source, "1/target");
  plan[0].recordings.front().name = "target";
  std::get<Transplant>(plan[1].patches[1]).source = "target";
  EXPECT_EQ(plan[0].recordings, before[0].recordings);
  EXPECT_EQ(plan[1].patches, before[1].patches);
}

TEST(PrefixRecordings, ChangesEveryNameThatAPatchReads) {
  Plan plan{{small_model(), random_tokens(2, 8, 50, 1), {MatchedSpread{.source = "own", .reference = "first"}}, {}}};
  prefix_recordings(plan, "1/");
  const auto& patch = std::get<MatchedSpread>(plan[0].patches[0]);
  EXPECT_EQ(patch.source, "1/own");
  EXPECT_EQ(patch.reference, "1/first");
}

TEST(PrefixRecordings, LetsPlansWithTheSameNamesRunAsOne) {
  const auto first = residual(), second = residual(), alone = residual();
  auto together = clamped(first), more = clamped(second);
  const auto join = [&] { together.insert(together.end(), more.begin(), more.end()); };
  ASSERT_TRUE(run(clamped(alone), {}));
  prefix_recordings(more, "2/");
  join();
  ASSERT_TRUE(run(together, {}));
  EXPECT_TRUE(at::equal(first->layers(), alone->layers()));
  EXPECT_TRUE(at::equal(second->layers(), alone->layers()));
  join();
  expect_error([&] { run(together, {}); }, "the recording '2/target' shares its name with another one");
}

}  // namespace
}  // namespace replicate
