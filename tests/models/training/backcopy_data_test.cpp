// What is known of the bigram-backcopy task without training anything.

#include "models/training/backcopy_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "harness/record/settings/settings.h"
#include "tests/support/assets.h"

namespace replicate {
namespace {

/// Ids 1 "e" (the trigger), 2 "a", 3 "b".
BackcopyData tiny_data(bool bos) { return {"aebaabeabbabaebbaab", 4, "e", 12, bos}; }

/// By counting over many texts: the mean over targets of -log of how often this token followed, among all targets with
/// the same last token, first tokens apart; what follows a trigger is a copy.
double counted_loss(const BackcopyData& data, int64_t count) {
  const auto texts = data.validation(0, count);
  const auto ids = at::cat({texts.inputs, texts.targets.slice(1, -1)}, 1);
  const auto* id = ids.const_data_ptr<int64_t>();
  const auto width = ids.size(1);
  std::map<int64_t, std::map<int64_t, double>> followed;  // by last token; 0 begins a text
  const int64_t first = data.bos() ? 1 : 0;
  for (int64_t row = 0; row < count; ++row) {
    for (int64_t t = 1; t < width; ++t) {
      const auto last = id[row * width + t - 1];
      if (t > first + 1 && last == 1) {
        EXPECT_EQ(id[row * width + t], id[row * width + t - 2]) << "a copy";
      } else {
        ++followed[last][id[row * width + t]];
      }
    }
  }
  double nats = 0;
  for (const auto& [last, next] : followed) {
    double sum = 0;
    for (const auto& [token, n] : next) sum += n;
    for (const auto& [token, n] : next) nats -= n * std::log(n / sum);
  }
  return nats / static_cast<double>(count * (width - 1));
}

TEST(BackcopyData, KnowsTheLossThatNoModelCanBeat) {
  constexpr int64_t kTexts = 20'000;
  for (const bool bos : {true, false}) {
    const auto data = tiny_data(bos);
    const double own = data.own_loss(0, kTexts);
    EXPECT_NEAR(own, counted_loss(data, kTexts), 1e-4) << bos;
    EXPECT_GT(own, 0.3);
  }
}

TEST(BackcopyData, HasTheLossThatTheProfilesGive) {
  const auto file = assets_folder() / "prose" / "shakespeare.txt";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no prose: run scripts/setup";
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  for (const auto* profile : {"cpu", "smoke"}) {
    const auto training =
        resolve(load_settings({source_folder() / "configs", "", profile, "smollm2-null", "", {}, std::nullopt}))
            .training;
    ASSERT_EQ(training.text("data"), "backcopy") << profile;
    const BackcopyData data(text.str(), training.integer("vocabulary"), training.text("triggers"),
                            training.integer("length"), training.flag("bos"));
    EXPECT_NEAR(training.real("lowest_known_loss"), data.own_loss(0, training.integer("validation.sequences")), 5e-6)
        << profile;
  }
}

}  // namespace
}  // namespace replicate
