#pragma once

// From what a file or folder says of itself to the block description, architecture by architecture.

#include <filesystem>
#include <string_view>

#include "models/executor.h"
#include "models/stored_weights.h"

namespace replicate {

struct Description {
  ModelConfig config;
  Storage storage;
};

/// The metadata of a GGUF file: llama, qwen2, qwen3, olmo2, gemma3, phi3, smollm3. Error on another architecture and on
/// what is not applied: RoPE scaling other than a table of divisors, values of another width than keys.
Description describe_gguf(const GgufFile& file);

/// A config.json of Hugging Face's `transformers`, old or new: llama, mistral, qwen2, qwen3, smollm3, olmo2, gemma3,
/// gemma3_text, phi3. Keys that are left out have that library's defaults. Error on another model type and on what is
/// not applied. `where` names the text.
Description describe_config_json(std::string_view json, const std::string& where);

/// A folder with config.json and weights in safetensors. Every tensor is checked against the configuration; weights
/// stay mapped and are decoded layer by layer. Error for anything missing or wrong.
std::shared_ptr<const Model> open_model_folder(const std::filesystem::path& folder, const std::string& name,
                                               at::Device device);

}  // namespace replicate
