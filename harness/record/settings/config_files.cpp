#include "harness/record/settings/config_files.h"

#include <algorithm>
#include <system_error>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "base/text_file.h"

namespace replicate {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  if (error) {
    throw Error("cannot read the settings: " + error.message(), folder.string(),
                "run from a complete copy of the project");
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Yaml read_named(const fs::path& folder, const std::string& kind, const std::string& name) {
  const std::vector<std::string> names = names_in(folder);
  if (!contains(names, name)) {
    throw Error("unknown " + kind + " " + in_quotes(name), folder.string(), did_you_mean(name, names));
  }
  return Yaml::read(folder / (name + ".yaml"));
}

std::optional<Yaml> read_optional(const std::filesystem::path& file, const std::vector<std::string>& keys) {
  if (!is_there(file)) return std::nullopt;
  auto yaml = Yaml::read(file);
  yaml.allow(keys);
  return yaml;
}

void check_name(const Yaml& yaml, const std::string& key, const std::string& stem) {
  const Yaml name = yaml.at(key);
  if (name.text() != stem) name.fail("is not the file's name", "write " + key + ": " + stem);
}

std::string filled_text(const Yaml& yaml) {
  const std::string text = yaml.text();
  if (text.empty()) yaml.fail("is empty", "say it in a few words");
  return text;
}

std::string sha256_text(const Yaml& yaml) {
  const std::string text = yaml.text();
  const bool hex = text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (text.size() != 64 || !hex) yaml.fail("is not a sha256", "give 64 lower-case hexadecimal digits");
  return text;
}

std::string one_of(const Yaml& yaml, const std::vector<std::string>& words) {
  const std::string text = yaml.text();
  if (!contains(words, text)) yaml.fail("is " + in_quotes(text), did_you_mean(text, words));
  return text;
}

}  // namespace replicate
