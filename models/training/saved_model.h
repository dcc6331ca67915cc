#pragma once

#include <filesystem>

#include "models/executor.h"

namespace replicate {

/// A model on disk: a folder with config.json and model.safetensors, under the names that `transformers` gives the
/// weights of a Llama. What a Llama has not (head_norm, output_gate) has names of its own, and its fields of
/// config.json begin with "replicate_".

/// Writes the folder whole or not at all: what was there before stays until then. Error on a full disk.
void save_model(const std::filesystem::path& folder, const ModelConfig& config, const WeightSource& weights);

/// Maps the weights; every tensor is checked against the configuration. Error for anything missing or wrong.
std::shared_ptr<const Model> open_saved_model(const std::filesystem::path& folder, const std::string& name,
                                              at::Device device);

}  // namespace replicate
