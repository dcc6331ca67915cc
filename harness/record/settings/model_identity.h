#pragma once

#include <cstdint>
#include <string>

namespace replicate {

/// What was read from a model, to tell which of the models under configs/models it is.
struct ModelIdentity {
  std::string architecture;
  int64_t layers = 0, width = 0, heads = 0, kv_heads = 0, hidden = 0, vocabulary = 0;
  int64_t context = 0;  ///< the longest input that the model was trained for, in tokens
};

}  // namespace replicate
