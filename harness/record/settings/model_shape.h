#pragma once

// How configs/models/<name>.yaml tells a model that is given by its path.

#include "base/yaml.h"
#include "models/formats/config.h"

namespace replicate {

/// Models of one shape are taken for relatives: fine-tuned or re-initialised weights, another file type.
bool has_shape(const ModelConfig& model, const Yaml& shape);

/// A model whose weights do not come with this project is known by its shape and two numbers more.
bool has_identity(const ModelConfig& model, const Yaml& identity);

}  // namespace replicate
