#pragma once

#include "harness/record.h"
#include "harness/settings.h"
#include "models/executor.h"
#include "models/formats/tokenizer.h"

namespace replicate {

/// A model ready to be measured, its tokenizer, and what the record says of it.
struct LoadedModel {
  std::shared_ptr<const Model> model;       ///< its products in the dtype that was asked for
  std::shared_ptr<const Model> exact;       ///< the same in float32; null where that is the dtype
  std::shared_ptr<const Model> null_model;  ///< the same configuration with fresh weights
  std::function<std::shared_ptr<const Model>(uint64_t)> reinitialised;  ///< more of that kind, by number
  std::shared_ptr<const Tokenizer> tokenizer;
  ModelRecord record;
};

/// Maps the file (GGUF) or folder (safetensors, of Hugging Face or trained here), checks every size, tensor and (where
/// the YAML pins one) the checksum. Weights are decoded later, layer by layer. Error for anything missing or wrong.
LoadedModel load_model(const ModelSettings& settings, const std::string& dtype, uint64_t seed, at::Device device);

}  // namespace replicate
