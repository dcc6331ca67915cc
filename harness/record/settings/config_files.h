#pragma once

// The YAML files of the configs folder, and how values in them are read that several of them have.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/yaml.h"
#include "harness/record/words.h"

namespace replicate {

/// Names of the YAML files in `folder`, sorted and without their extension. Error when the folder cannot be read.
std::vector<std::string> names_in(const std::filesystem::path& folder);

bool contains(const std::vector<std::string>& names, const std::string& name);

/// `folder`/`name`.yaml. Error with "did you mean '...'?" when there is no such file.
Yaml read_named(const std::filesystem::path& folder, const std::string& kind, const std::string& name);

/// A file of the configs folder that may be missing, which is nothing. Error when it has a key that is not one of
/// `keys`.
std::optional<Yaml> read_optional(const std::filesystem::path& file, const std::vector<std::string>& keys);

/// Error when the value of `key` is not `stem`, the name of the file.
void check_name(const Yaml& yaml, const std::string& key, const std::string& stem);

/// A text that is not empty.
std::string filled_text(const Yaml& yaml);

/// 64 lower-case hexadecimal digits.
std::string sha256_text(const Yaml& yaml);

/// A text that is one of `words`.
std::string one_of(const Yaml& yaml, const std::vector<std::string>& words);

/// The value of `Enum` (harness/record/words.h) that the text is a word for.
template <typename Enum>
Enum word_of(const Yaml& yaml) {
  return from_string<Enum>(one_of(yaml, choices_of<Enum>()));
}

/// `read` of every item of the list under `key`; nothing where the key is absent.
template <typename Read>
auto read_list(const Yaml& yaml, const std::string& key, Read read) {
  std::vector<decltype(read(yaml))> items;
  const auto list = yaml.find(key);
  if (!list) return items;
  for (const Yaml& item : list->items()) items.push_back(read(item));
  return items;
}

}  // namespace replicate
