#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace replicate {

/// Expects `action` to throw an Error whose one-line message holds `part`.
template <typename Action>
void expect_error(Action&& action, const std::string& part) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one with: " << part;
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_FALSE(error.where().empty()) << message;
    EXPECT_FALSE(error.remedy().empty()) << message;
  }
}

}  // namespace replicate
