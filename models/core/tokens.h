#pragma once

#include "models/core/torch.h"

namespace replicate {

/// Token ids of B sequences of T positions, and where they come from. Never changed once made.
struct TokenIds {
  Tensor ids;          ///< [B, T] int64 on the CPU, contiguous
  std::string label;   ///< of metrics: natural | natural_bos | random | repeated | tokens | validation | ...
  std::string kind;    ///< natural | random | repeated | vocabulary | tokens | validation
  bool bos = false;    ///< each sequence begins with BOS
  std::string sha256;  ///< over the ids, little-endian int64, row major
  std::string region;  ///< what they are for: judged | survey | calibration

  int64_t sequences() const { return ids.size(0); }
  int64_t length() const { return ids.size(1); }
};

using Tokens = std::shared_ptr<const TokenIds>;

/// `ids` [B, T] int64 with their hash.
Tokens make_tokens(const Tensor& ids, std::string label = "tokens", std::string kind = "tokens", bool bos = false,
                   std::string region = "judged");

/// Whether two of them hold the same ids, whatever their labels.
bool same_ids(const TokenIds& a, const TokenIds& b);

}  // namespace replicate
