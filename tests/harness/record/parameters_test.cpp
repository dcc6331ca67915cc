#include "harness/record/settings/parameters.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "tests/support/settings_fixture.h"

namespace replicate {
namespace {

TEST_F(SettingsTest, ParametersAreTypedAndRememberWhatWasRead) {
  const Parameters parameters = alpha().parameters;
  EXPECT_EQ(parameters.integer("target"), 10);
  EXPECT_EQ(parameters.real("target"), 10);  // a whole number is a number
  EXPECT_TRUE(parameters.flag("plain"));
  EXPECT_TRUE(parameters.has("natural.sequences"));
  EXPECT_FALSE(parameters.has("natural"));
  expect_has(message_of([&] { parameters.integer("targt"); }), "did you mean 'target'?");
  expect_has(message_of([&] { parameters.integer("eps"); }), "not a whole number");
  expect_has(message_of([&] { parameters.integer("sweep"); }), "not a single value");
  expect_has(message_of([&] { parameters.integers("target"); }), "not a list");
  expect_has(message_of([&] { parameters.flag("word"); }), "not true or false");
  expect_has(message_of([&] { parameters.real("word"); }), "not a number");
  const Parameters copy = parameters;
  copy.text("word");
  EXPECT_EQ(parameters.unread(), (std::vector<std::string>{"natural.sequences", "natural.length", "scale"}));
}

TEST(Parameters, MadeFromYamlDirectly) {
  const Parameters parameters(YAML::Load("{a: {b: 1}, c: [1, 2], d: [], e: [1, 0.5]}"), "test");
  EXPECT_EQ(parameters.integer("a.b"), 1);
  EXPECT_EQ(parameters.integers("c"), (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(parameters.integers("d").empty());
  EXPECT_THROW(parameters.integers("e"), Error);
  EXPECT_EQ(parameters.yaml(), "a:\n  b: 1\nc: [1, 2]\nd: []\ne: [1, 0.5]\n");
  EXPECT_FALSE(Parameters().has("a"));
  EXPECT_THROW(Parameters(YAML::Load("[1]"), "test"), Error);
}

}  // namespace
}  // namespace replicate
