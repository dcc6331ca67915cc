#include "harness/record/settings/model_shape.h"

#include <string>
#include <utility>
#include <vector>

namespace replicate {
namespace {

using Numbers = std::vector<std::pair<std::string, int64_t ModelIdentity::*>>;

const Numbers kShape = {{"layers", &ModelIdentity::layers},
                        {"width", &ModelIdentity::width},
                        {"heads", &ModelIdentity::heads},
                        {"hidden", &ModelIdentity::hidden},
                        {"vocabulary", &ModelIdentity::vocabulary}};

/// Reads every number, so that one that is missing shows whatever the others are.
bool agrees(const ModelIdentity& model, const Yaml& yaml, const Numbers& numbers) {
  bool same = true;
  for (const auto& [key, member] : numbers) same = yaml.at(key).integer() == model.*member && same;
  return same;
}

}  // namespace

bool has_shape(const ModelIdentity& model, const Yaml& shape) {
  shape.allow({"layers", "width", "heads", "hidden", "vocabulary"});
  return agrees(model, shape, kShape);
}

bool has_identity(const ModelIdentity& model, const Yaml& identity) {
  identity.allow({"architecture", "layers", "width", "heads", "kv_heads", "hidden", "vocabulary", "context"});
  const bool same =
      agrees(model, identity, kShape) &
      agrees(model, identity, {{"kv_heads", &ModelIdentity::kv_heads}, {"context", &ModelIdentity::context}});
  return identity.at("architecture").text() == model.architecture && same;
}

}  // namespace replicate
