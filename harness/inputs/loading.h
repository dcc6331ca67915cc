#pragma once

#include "harness/record/record.h"
#include "harness/record/settings/settings.h"
#include "models/core/executor.h"
#include "models/tokenizer/tokenizer.h"

namespace replicate {

/// A model and its null models. The products of all of them are in one type.
struct ModelAndNulls {
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Model> null_model;                              ///< the same configuration with fresh weights
  std::function<std::shared_ptr<const Model>(uint64_t)> reinitialised;  ///< more of that kind, by number
};

/// A model ready to be measured, in the dtype that was asked for, its tokenizer, and what the record says of it.
struct LoadedModel : ModelAndNulls {
  std::optional<ModelAndNulls> exact;  ///< the same in float32; nothing where that is the dtype
  std::shared_ptr<const Tokenizer> tokenizer;
  std::optional<std::string> chat_template;  ///< of a model that has one
  ModelRecord record;
};

/// Maps the file (GGUF) or folder (safetensors, of Hugging Face or trained here), checks every size, tensor and (where
/// the YAML pins one) the checksum. Weights are decoded later, layer by layer. `weight_noise`: see Settings. Error for
/// anything missing or wrong.
LoadedModel load_model(const ModelSettings& settings, const std::string& dtype, uint64_t seed, at::Device device,
                       uint64_t weight_noise = 0);

}  // namespace replicate
