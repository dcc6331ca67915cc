#pragma once

// Where tests find what set-up fetched. Tests that need it skip, with the reason, where it is missing.

#include <cstdlib>
#include <filesystem>

namespace replicate {

inline std::filesystem::path source_folder() { return REPLICATE_SOURCE_DIR; }

inline std::filesystem::path assets_folder() {
  const char* folder = std::getenv("REPLICATE_ASSETS");
  return folder && *folder ? std::filesystem::path(folder) : source_folder() / ".assets";
}

inline std::filesystem::path model_file() { return assets_folder() / "models/smollm2-135m-instruct.Q4_1.gguf"; }

}  // namespace replicate
