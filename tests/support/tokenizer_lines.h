#pragma once

// The thousand lines that tokenizers are compared on, and what reference libraries gave for them: see tests/reference.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "models/tokenizer/tokenizer.h"
#include "tests/support/assets.h"

namespace replicate {

inline std::filesystem::path tokenizer_golden(const std::string& name) {
  return source_folder() / "tests/golden/tokenizer" / name;
}

inline std::vector<std::string> golden_lines(const std::string& name) {
  std::ifstream file(tokenizer_golden(name));
  std::vector<std::string> result;
  for (std::string line; std::getline(file, line);) result.push_back(line);
  return result;
}

inline std::string unescaped(const std::string& line) {
  std::string text;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      text += line[i];
      continue;
    }
    const char code = line[++i];
    text += code == 'n' ? '\n' : code == 'r' ? '\r' : code == '0' ? '\0' : code;
  }
  return text;
}

inline std::string spelled(const std::vector<int64_t>& ids) {
  std::string text;
  for (const auto id : ids) text += (text.empty() ? "" : " ") + std::to_string(id);
  return text;
}

/// The first `count` lines have the ids of the golden file; lines without ids there are left out.
inline void expect_reference_ids(const Tokenizer& tokenizer, const std::string& name, size_t count) {
  const auto texts = golden_lines("lines.txt"), expected = golden_lines(name);
  ASSERT_EQ(texts.size(), 1000u);
  ASSERT_EQ(expected.size(), count);
  for (size_t i = 0; i < count; ++i) {
    if (expected[i] == "tie") continue;
    EXPECT_EQ(spelled(tokenizer.encode(unescaped(texts[i]))), expected[i]) << i + 1 << ": " << texts[i];
  }
}

}  // namespace replicate
