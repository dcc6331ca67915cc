#include "base/yaml.h"

#include <gtest/gtest.h>

namespace replicate {
namespace {

TEST(YamlQuoted, ReadsBack) {
  for (const std::string& text :
       {std::string("plain"), std::string("a \"b\" \\ c\n\t: #"), std::string("ünï"), std::string()}) {
    EXPECT_EQ(YAML::Load(yaml_quoted(text)).as<std::string>(), text);
  }
}

}  // namespace
}  // namespace replicate
