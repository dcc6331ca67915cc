#include "models/formats/text_file.h"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include "models/formats/error.h"

namespace replicate {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    throw Error("this is a folder, not a file", path.string(), "name a file in it");
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw Error("cannot read: " + std::generic_category().message(errno), path.string(),
                "check the name and its permissions");
  }
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad()) throw Error("cannot read: " + std::generic_category().message(errno), path.string(), "check the disk");
  return text;
}

}  // namespace replicate
