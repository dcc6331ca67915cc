#include "harness/study/measures/target_attention.h"

#include "harness/study/measures/sink_probes.h"

namespace replicate {

Tensor TargetAttention::to_first() const { return attention_to(columns->layers().select(2, 0), target, length); }
Tensor TargetAttention::to_target() const { return attention_to(columns->layers().select(2, 1), target, length); }
Tensor TargetAttention::to_first(int64_t layer) const {
  return attention_to(columns->layer(layer).select(1, 0), target, length);
}
Tensor TargetAttention::to_target(int64_t layer) const {
  return attention_to(columns->layer(layer).select(1, 1), target, length);
}

TargetAttention watch_target(Run run, const Condition& on, int64_t target, std::vector<int64_t> only) {
  auto columns = watch_columns({0, target});
  if (!only.empty()) columns = only_in(std::move(only), columns);
  return {target, on.length(), run.add(columns)};
}

Tensor has_sink(const Tensor& attention, const TargetAttention& pass, double sink_excess) {
  const auto uniform = uniform_attention(pass.target, pass.length);
  return ((attention - uniform) / (1 - uniform) >= sink_excess).to(at::kDouble);
}

std::shared_ptr<Watch> watch_norm_at(int64_t position) {
  return watch_residual([position](const Tensor& hidden) {  // [b, T, D]
    return at::linalg_vector_norm(hidden.select(1, position), 2, {-1}, false, at::kDouble);
  });
}

}  // namespace replicate
