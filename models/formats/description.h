#pragma once

// From what a file says of its model to the block description, architecture by architecture. Without LibTorch, as all
// that reads files of other programs.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "models/formats/config.h"

namespace replicate {

class GgufFile;

/// How a file stores what a ModelConfig describes.
struct Storage {
  enum class Names { gguf, hugging_face, gpt_neox, gpt2, opt };
  Names names = Names::hugging_face;
  std::string prefix = "model.";    ///< of hugging_face's names but for the head's
  bool interleaved_rope = false;    ///< rows of Q and K in the order of adjacent-pair RoPE (llama in GGUF)
  bool fused = false;               ///< Q, K and V in one tensor (GPT-2), gate and up in another (Phi-3)
  bool transposed = false;          ///< matrices of a block hold a row per input (GPT-2 at Hugging Face)
  int64_t first_position = 0;       ///< row of the table of positions that belongs to position 0 (OPT: 2)
  bool fused_by_head = false;       ///< Q, K and V in one tensor, head by head (GPT-NeoX)
  bool gains_less_one = false;      ///< norms hold g - 1 (Gemma at Hugging Face)
  std::vector<std::string> others;  ///< beginnings of tensors that are no weights of the text model
};

struct Description {
  ModelConfig config;
  Storage storage;
};

/// The metadata of a GGUF file: llama, qwen2, qwen3, olmo2, gemma3, phi3, smollm3, gpt2. Error on another architecture
/// and on what is not applied: RoPE scaling other than a table of divisors, values of another width than keys.
Description describe_gguf(const GgufFile& file);

/// A config.json of Hugging Face's `transformers`, old or new: llama, mistral, qwen2, qwen3, smollm3, olmo2, gemma3,
/// gemma3_text, phi3, gpt_neox, gpt2, opt. Keys that are left out have that library's defaults. Error on another model
/// type and on what is not applied. `where` names the text.
Description describe_config_json(std::string_view json, const std::string& where);

/// The config.json of a folder. Error when there is none.
Description describe_folder(const std::filesystem::path& folder);

/// A GGUF file or such a folder. Error when it is neither.
Description describe_model(const std::filesystem::path& path);

}  // namespace replicate
