#pragma once

#include "harness/record.h"
#include "harness/settings.h"
#include "models/executor.h"
#include "models/formats/tokenizer.h"

namespace replicate {

/// A model ready to be measured, its tokenizer, and what the record says of it.
struct LoadedModel {
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Model> null_model;  ///< the same configuration with fresh weights
  std::function<std::shared_ptr<const Model>(uint64_t)> reinitialised;  ///< more of that kind, by number
  std::shared_ptr<const Tokenizer> tokenizer;
  ModelRecord record;
  bool begins_with_bos = false;  ///< a model that was trained here on sequences that begin with BOS
};

/// Maps the file (GGUF) or folder (safetensors, of Hugging Face or trained here), checks every size, tensor and (where
/// the YAML pins one) the checksum. Weights are decoded later, layer by layer. Error for anything missing or wrong.
LoadedModel load_model(const ModelSettings& settings, uint64_t seed, at::Device device);

}  // namespace replicate
