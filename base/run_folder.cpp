#include "base/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/atomic_file.h"
#include "base/byte_units.h"
#include "base/error.h"
#include "base/provenance.h"

namespace replicate {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLockName = ".lock";

std::string reason(int error_number) { return std::generic_category().message(error_number); }

std::string remedy(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT: return "free some space or choose a folder on another disk with --out";
    case EACCES:
    case EPERM:
    case EROFS: return "choose a folder that you may write to with --out";
    default: return "choose another folder with --out";
  }
}

void create_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && !fs::is_directory(path, error)) error = std::make_error_code(std::errc::not_a_directory);
  if (!error) return;
  throw Error("cannot create the run folder: " + error.message(), path.string(), remedy(error.value()));
}

void check_space(const fs::path& path, uintmax_t needed_bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(path, error);
  if (error || space.available >= needed_bytes) return;
  throw Error("no space left: " + std::to_string(space.available / kMebibyte) + " MiB free, " +
                  std::to_string((needed_bytes + kMebibyte - 1) / kMebibyte) + " MiB needed",
              path.string(), remedy(ENOSPC));
}

/// Holds the lock until the returned descriptor is closed (the kernel does so for a killed process
/// too).
int lock_folder(const fs::path& path) {
  const fs::path name = path / kLockName;
  const int lock = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock < 0) {
    const int error_number = errno;
    throw Error("cannot write into the run folder: " + reason(error_number), path.string(), remedy(error_number));
  }
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  close(lock);
  throw Error("another run is using this folder", path.string(),
              "wait for it to end or choose another folder with --out");
}

std::string safe_name(std::string name) {
  for (char& c : name) {
    const bool kept = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
    if (!kept) c = '_';
  }
  return name;
}

}  // namespace

void write_atomically(const fs::path& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.put_in_place();
}

RunFolder::RunFolder(fs::path path, uintmax_t needed_bytes) : path_(std::move(path)) {
  create_folder(path_);
  check_space(path_, needed_bytes);
  lock_ = lock_folder(path_);
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
}

fs::path fresh_run_folder(const fs::path& results, const std::string& profile, const std::string& model) {
  const std::string name = safe_name(profile + "-" + model + "-" + utc_time());
  fs::path folder = results / name;
  for (int copy = 2; fs::exists(folder); ++copy) {
    folder = results / (name + "-" + std::to_string(copy));
  }
  return folder;
}

}  // namespace replicate
