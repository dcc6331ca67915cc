#pragma once

// What people give in place of a model, told by what gives it away.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replicate {

struct Mistaken {
  std::string what;    ///< "a LoRA adapter of meta-llama/Llama-2-7b-hf"
  std::string remedy;  ///< what to do instead
};

/// A folder without a config.json, or with one that is not a model's. Nothing where it looks like nothing known.
std::optional<Mistaken> mistaken_folder(const std::filesystem::path& folder);

/// A file that is not GGUF, by its name and its first bytes. Nothing where it looks like nothing known.
std::optional<Mistaken> mistaken_file(const std::filesystem::path& file, std::string_view first_bytes);

/// Tensors of which those of a model are missing, by their names. Nothing where they tell nothing.
std::optional<Mistaken> mistaken_tensors(const std::vector<std::string>& names);

}  // namespace replicate
