#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"

namespace replicate {
namespace {

/// Closes on scope exit; the mapping outlives the descriptor.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

[[noreturn]] void fail(const std::string& what, const std::filesystem::path& path, const std::string& remedy) {
  throw Error(what, path.string(), remedy);
}

/// The size of a regular, non-empty file; checked before opening, because opening a pipe would
/// block.
size_t checked_size(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    const int reason = errno;
    if (reason == ENOENT) fail("no such file", path, "check the path");
    fail(std::string("cannot look at the file, ") + std::strerror(reason), path, "check the path");
  }
  if (S_ISDIR(status.st_mode)) fail("a directory, not a file", path, "name a file in it");
  if (!S_ISREG(status.st_mode)) fail("not a regular file", path, "copy it to a file first");
  if (status.st_size == 0) fail("the file is empty", path, "fetch or copy it again");
  return static_cast<size_t>(status.st_size);
}

}  // namespace

MappedFile MappedFile::open(const std::filesystem::path& path) {
  const size_t size = checked_size(path);
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.number < 0) {
    fail(std::string("cannot read the file, ") + std::strerror(errno), path, "check its permissions");
  }
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (start == MAP_FAILED) {
    fail(std::string("cannot map the file, ") + std::strerror(errno), path, "check the memory limits of this process");
  }
  return MappedFile({static_cast<const std::byte*>(start), size});
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::release(std::span<const std::byte> part) const {
  // Rounded inwards: the pages at both ends also hold neighbours, which may be in use.
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(part.data()) + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace replicate
