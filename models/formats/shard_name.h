#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace replicate {

/// The name that llama.cpp's gguf-split gives a part of a model: model-00002-of-00003.gguf is number
/// 2 of count 3. Numbers count from 1 here and in names, from 0 in the file's metadata.
struct ShardName {
  std::string prefix;  ///< folders and what stands before the numbers
  int64_t number = 1, count = 1;

  /// Nothing when the name is not of that form, or its numbers make no sense.
  static std::optional<ShardName> of(const std::filesystem::path& path);

  std::filesystem::path path() const;
  ShardName sibling(int64_t other) const { return {prefix, other, count}; }
};

/// All files of the model whose first file is `first`, by its name alone; `first` when it is not the
/// name of a first part.
std::vector<std::filesystem::path> model_files(const std::filesystem::path& first);

/// "-00002-of-00003.gguf"
std::string shard_ending(int64_t number, int64_t count);

}  // namespace replicate
