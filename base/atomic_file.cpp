#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace replicate {
namespace fs = std::filesystem;
namespace {

std::string remedy(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT: return "free some space or choose a folder on another disk";
    case EACCES:
    case EPERM:
    case EROFS: return "choose a folder that you may write to";
    default: return "choose another folder";
  }
}

/// The rename itself survives a power cut only once its folder is on disk. Some file systems cannot
/// do that; the file is whole all the same, so a failure here is none.
void sync_folder(const fs::path& folder) {
  const fs::path name = folder.empty() ? fs::path(".") : folder;
  const int handle = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return;
  ::fsync(handle);
  ::close(handle);
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& target) : target_(target) {
  static std::atomic<int> count{0};
  const std::string suffix = "." + std::to_string(::getpid()) + "-" + std::to_string(count++);
  path_ = target.parent_path() / ("." + target.filename().string() + suffix + ".tmp");
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file_ < 0) fail("cannot create a file");
}

AtomicFile::~AtomicFile() {
  if (file_ >= 0) ::close(file_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

void AtomicFile::fail(const std::string& what) const {
  const int error_number = errno;
  throw Error(what + ": " + std::generic_category().message(error_number), target_.string(), remedy(error_number));
}

void AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno != EINTR) fail("cannot write");
    if (written <= 0) continue;
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_at(size_, bytes);
  size_ += bytes.size();
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::overwrite(uint64_t offset, std::span<const std::byte> bytes) {
  if (offset > size_ || bytes.size() > size_ - offset) {
    throw Error("writing over bytes that are not there", target_.string(), "write them first");
  }
  write_at(offset, bytes);
}

void AtomicFile::put_in_place() {
  if (::fsync(file_) != 0) fail("cannot write");
  if (::close(std::exchange(file_, -1)) != 0) fail("cannot write");
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail("cannot put the file in its place");
  path_.clear();
  sync_folder(target_.parent_path());
}

}  // namespace replicate
