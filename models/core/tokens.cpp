#include "models/core/tokens.h"

#include "base/sha256.h"

namespace replicate {
namespace {

std::string sha256_of(const Tensor& ids) {
  return sha256_hex(std::as_bytes(std::span(ids.const_data_ptr<int64_t>(), static_cast<size_t>(ids.numel()))));
}

}  // namespace

Tokens make_tokens(const Tensor& ids, std::string label, std::string kind, bool bos, std::string region) {
  TORCH_CHECK(ids.dim() == 2 && ids.scalar_type() == at::kLong && ids.is_cpu(), "token ids must be [B, T] int64, CPU");
  const auto kept = ids.contiguous();
  return std::make_shared<const TokenIds>(
      TokenIds{kept, std::move(label), std::move(kind), bos, sha256_of(kept), std::move(region)});
}

bool same_ids(const TokenIds& a, const TokenIds& b) { return a.ids.sizes() == b.ids.sizes() && a.sha256 == b.sha256; }

}  // namespace replicate
