#include "models/formats/description.h"

#include "base/error.h"
#include "base/text_file.h"
#include "models/formats/gguf.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLargestConfig = 1 << 20;

}  // namespace

Description describe_folder(const fs::path& folder) {
  const auto file = folder / "config.json";
  std::error_code error;
  if (fs::file_size(file, error) > kLargestConfig || error) {
    throw Error("there is no readable config.json", folder.string(), "name the folder that holds the model");
  }
  return describe_config_json(read_text(file), file.string());
}

Description describe_model(const fs::path& path) {
  return fs::is_directory(path) ? describe_folder(path) : describe_gguf(GgufFile::open(path));
}

}  // namespace replicate
