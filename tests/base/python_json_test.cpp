#include "base/python_json.h"

#include <gtest/gtest.h>

namespace replicate {
namespace {

TEST(PythonJson, NumbersThatJsonDoesNotHaveBecomeStrings) {
  for (const auto& [given, expected] : std::initializer_list<std::pair<std::string, std::string>>{
           {"", ""},
           {"{}", "{}"},
           {"NaN", "\"NaN\""},
           {"[NaN,Infinity, -Infinity]", "[\"NaN\",\"Infinity\", \"-Infinity\"]"},
           {R"({"NaN": 1})", R"({"NaN": 1})"},
           {R"({"a": "x \" NaN", "b": NaN})", R"({"a": "x \" NaN", "b": "NaN"})"},
           {R"(["\\", NaN])", R"(["\\", "NaN"])"},
           {R"(["broken NaN)", R"(["broken NaN)"},
           {R"("\)", R"("\)"},
           {"[-1, nan, inf]", "[-1, nan, inf]"}})
    EXPECT_EQ(quote_python_numbers(given), expected);
}

}  // namespace
}  // namespace replicate
