#pragma once

// How configs/models/<name>.yaml tells a model that is given by its path.

#include "base/yaml.h"
#include "harness/record/settings/model_identity.h"

namespace replicate {

/// Models of one shape are taken for relatives: fine-tuned or re-initialised weights, another file type.
bool has_shape(const ModelIdentity& model, const Yaml& shape);

/// A model whose weights do not come with this project is known by its shape and two numbers more.
bool has_identity(const ModelIdentity& model, const Yaml& identity);

}  // namespace replicate
