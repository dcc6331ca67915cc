#include "models/formats/description.h"

#include "base/error.h"
#include "base/text_file.h"
#include "models/formats/gguf.h"
#include "models/formats/mistaken.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLargestConfig = 1 << 20;

}  // namespace

Description describe_folder(const fs::path& folder) {
  const auto file = folder / "config.json";
  std::error_code error;
  const bool readable = fs::file_size(file, error) <= kLargestConfig && !error;
  const auto mistaken = readable ? std::nullopt : mistaken_folder(folder);
  if (mistaken) throw Error("this is " + mistaken->what, folder.string(), mistaken->remedy);
  if (!readable) {
    throw Error("there is no readable config.json", folder.string(), "name the folder that holds the model");
  }
  return describe_config_json(read_text(file), file.string());
}

Description describe_model(const fs::path& path) {
  return fs::is_directory(path) ? describe_folder(path) : describe_gguf(GgufFile::open(path));
}

}  // namespace replicate
