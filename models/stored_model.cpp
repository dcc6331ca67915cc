#include "models/stored_model.h"

#include <fstream>

#include "models/formats/error.h"
#include "models/stored_weights.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLargestConfig = 1 << 20;

std::string read_config(const fs::path& file) {
  std::error_code error;
  if (fs::file_size(file, error) > kLargestConfig || error) {
    throw Error("there is no readable config.json", file.parent_path().string(), "name the folder that holds the model");
  }
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The text model's tensors lie deeper in a model that sees images, too, under one of two names.
void find_prefix(Storage& storage, const TensorStore& store) {
  for (const auto* prefix : {"model.", "model.language_model.", "language_model.model."}) {
    if (!store.shape(std::string(prefix) + "norm.weight")) continue;
    storage.prefix = prefix;
    return;
  }
}

}  // namespace

std::shared_ptr<const Model> open_model_folder(const fs::path& folder, const std::string& name, at::Device device) {
  const auto file = folder / "config.json";
  auto d = describe_config_json(read_config(file), file.string());
  const auto store = safetensors_store(folder);
  find_prefix(d.storage, *store);
  return std::make_shared<const Model>(Model{name, d.config, stored_weights(store, d.config, d.storage, device)});
}

}  // namespace replicate
