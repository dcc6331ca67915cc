#include "models/core/stored_model.h"

#include "models/core/stored_weights.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

/// The text model's tensors lie deeper in a model that sees images, too, under one of two names, and higher in one that
/// was saved without its head.
void find_prefix(Storage& storage, const TensorStore& store) {
  for (const auto& prefix :
       {storage.prefix, std::string("model.language_model."), std::string("language_model.model."), std::string()}) {
    auto named = storage;
    named.prefix = prefix;
    if (!store.shape(outer_names(named).final_norm)) continue;
    storage = named;
    return;
  }
}

/// Saved from the model below the head, as embedding models are: its tensors stand without the prefix that the causal
/// model gives them, and no head is among them. With the prefix, a missing head is a damaged file.
bool is_saved_without_head(const Description& d, const TensorStore& store) {
  const bool lower = d.storage.prefix.empty() || d.storage.prefix == "decoder.";
  return lower && !d.config.tied_head && !store.shape(outer_names(d.storage).head);
}

}  // namespace

std::shared_ptr<const Model> open_model_folder(const fs::path& folder, const std::string& name, at::Device device) {
  auto d = describe_folder(folder);
  const auto store = safetensors_store(folder);
  find_prefix(d.storage, *store);
  d.config.has_head = !is_saved_without_head(d, *store);
  return std::make_shared<const Model>(Model{name, d.config, stored_weights(store, d.config, d.storage, device)});
}

}  // namespace replicate
