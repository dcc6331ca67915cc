#pragma once

// results/<run>/: one folder a claim, whole files or none, and a lock against two runs in one
// folder.

#include <filesystem>
#include <string>

#include "base/text_file.h"

namespace replicate {

/// Writes `text` to `path` whole or not at all: temporary file beside it, fsync, rename. Error on a
/// full or read-only disk, and nothing half written stays.
void write_atomically(const std::filesystem::path& path, const std::string& text);

/// Creates the folder, checks that it can be written and has `needed_bytes` free, and locks it
/// until destroyed. Error when another run holds it, when it is read-only or the disk is too full.
class RunFolder {
 public:
  RunFolder(std::filesystem::path path, uintmax_t needed_bytes);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path claim(const std::string& id) const { return path_ / id; }

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

/// A fresh name under `results`: "<profile>-<model>-<UTC time>".
std::filesystem::path fresh_run_folder(const std::filesystem::path& results, const std::string& profile,
                                       const std::string& model);

}  // namespace replicate
