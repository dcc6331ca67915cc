#pragma once

#include <filesystem>

#include "models/core/executor.h"

namespace replicate {

/// A model of Llama's kind as a folder with config.json and model.safetensors, under the names that `transformers`
/// gives its weights; open_model_folder reads it. What a Llama has not (head_norm, output_gate) has names of its own,
/// and its fields of config.json begin with "replicate_".
///
/// Writes the folder whole or not at all: what was there before stays until then. Error on a full disk.
void save_model(const std::filesystem::path& folder, const ModelConfig& config, const WeightSource& weights);

}  // namespace replicate
