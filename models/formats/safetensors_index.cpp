#include "models/formats/safetensors_index.h"

#include <filesystem>

#include "base/error.h"
#include "base/json_section.h"

namespace replicate {
namespace {

/// Names that lead elsewhere are refused before anything is looked for under them.
bool is_file_name(const std::string& name) {
  constexpr size_t kLongest = 255;  // of what file systems take
  return !name.empty() && name.size() <= kLongest && name != "." && name != ".." &&
         std::filesystem::path(name).filename() == name;
}

}  // namespace

std::set<std::string> files_of_index(std::string_view json, const std::string& where) {
  const auto root = parse_json(json, where);
  const auto map = JsonSection(root, "the index of the weights", where).section("weight_map");
  std::set<std::string> files;
  for (const auto& [tensor, file] : map.items()) {
    const auto name = file.is_string() ? file.get<std::string>() : std::string();
    if (!is_file_name(name))
      throw Error("the index of the weights names " + in_quotes(name) + ", which is not a file beside it", where,
                  "fetch the model again");
    files.insert(name);
  }
  return files;
}

}  // namespace replicate
