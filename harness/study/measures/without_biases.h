#pragma once

#include "models/core/executor.h"

namespace replicate {

/// The same model, which in one layer has no biases on queries and keys.
std::shared_ptr<const Model> without_query_key_biases(const std::shared_ptr<const Model>& model, int64_t layer);

}  // namespace replicate
