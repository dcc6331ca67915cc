#include "models/core/stored_model.h"

#include "models/core/stored_weights.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

/// The text model's tensors lie deeper in a model that sees images, too, under one of two names, and higher in one that
/// was saved without its head.
void find_prefix(Storage& storage, const TensorStore& store) {
  if (storage.names != Storage::Names::hugging_face) return;
  for (const auto* prefix : {"model.", "model.language_model.", "language_model.model.", ""}) {
    if (!store.shape(std::string(prefix) + "norm.weight")) continue;
    storage.prefix = prefix;
    return;
  }
}

}  // namespace

std::shared_ptr<const Model> open_model_folder(const fs::path& folder, const std::string& name, at::Device device) {
  auto d = describe_folder(folder);
  const auto store = safetensors_store(folder);
  find_prefix(d.storage, *store);
  return std::make_shared<const Model>(Model{name, d.config, stored_weights(store, d.config, d.storage, device)});
}

}  // namespace replicate
