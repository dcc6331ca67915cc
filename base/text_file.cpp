#include "base/text_file.h"

#include <cerrno>
#include <fstream>
#include <system_error>

#include "base/error.h"

namespace replicate {

namespace fs = std::filesystem;

namespace {

/// Before it is opened, as opening a pipe waits for its writer.
void require_file(const fs::path& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (fs::is_directory(status)) throw Error("this is a folder, not a file", path.string(), "name a file in it");
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw Error("this is a pipe or a device, not a file", path.string(), "name an ordinary file");
  }
}

}  // namespace

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string read_text(const fs::path& path, uintmax_t most) {
  require_file(path);
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw Error("cannot read: " + std::generic_category().message(errno), path.string(),
                "check the name and its permissions");
  }
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) throw Error("cannot read: " + error.message(), path.string(), "check the name and its permissions");
  if (size > most)
    throw Error("too large, more than " + std::to_string(most) + " bytes", path.string(),
                "check that it is the right file");
  std::string text(size, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(size));
  text.resize(static_cast<size_t>(stream.gcount()));
  if (stream.bad())
    throw Error("cannot read: " + std::generic_category().message(errno), path.string(), "check the disk");
  return text;
}

}  // namespace replicate
