#include "models/core/cuda_glue.h"

#ifdef REPLICATE_CUDA_KERNELS

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "models/core/entropy.h"
#include "models/core/fused.h"
#include "models/cuda/attention_statistics.h"
#include "models/cuda/cross_entropy.h"
#include "models/cuda/head_rms_norm.h"
#include "models/cuda/rms_norm.h"
#include "models/cuda/rotary.h"
#include "models/cuda/swiglu.h"

namespace replicate {
namespace {

using cuda::Bfloat16;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The tensor's device for as long as this lives, and its current stream.
struct OnDevice {
  explicit OnDevice(const Tensor& x) : guard(x.device()), stream(c10::cuda::getCurrentCUDAStream(x.get_device())) {}
  operator cudaStream_t() const { return stream.stream(); }

  c10::cuda::CUDAGuard guard;
  c10::cuda::CUDAStream stream;
};

void check(cudaError_t error) { C10_CUDA_CHECK(error); }

/// Calls use with a null pointer to the kernels' element type.
template <typename Use>
auto with_element(at::ScalarType type, const Use& use) {
  TORCH_CHECK(type == at::kFloat || type == at::kBFloat16, "CUDA kernels of type ", type);
  return type == at::kFloat ? use(static_cast<float*>(nullptr)) : use(static_cast<Bfloat16*>(nullptr));
}

template <typename Element>
Element* data_of(const Tensor& x) {
  return x.defined() ? static_cast<Element*>(x.mutable_data_ptr()) : nullptr;
}

/// A tensor [B, n, T, K]; the stride of a dimension of one is anything.
template <typename Element>
cuda::Strided<Element> strided(const Tensor& x) {
  const auto stride = [&](int64_t i) { return x.size(i) == 1 ? 0 : x.stride(i); };
  return {data_of<std::remove_const_t<Element>>(x), stride(0), stride(1), stride(2)};
}

/// Rows that begin at multiples of 16 bytes, as attention reads them.
Tensor with_aligned_rows(const Tensor& x) {
  const auto aligned = [&](int64_t bytes) { return bytes % 16 == 0; };
  bool all = x.stride(-1) == 1 && aligned(reinterpret_cast<intptr_t>(x.const_data_ptr()));
  for (int64_t i = 0; i < 3; ++i) all = all && (x.size(i) == 1 || aligned(x.stride(i) * x.element_size()));
  return all ? x : x.clone(at::MemoryFormat::Contiguous);
}

// ---- attention

template <typename Element>
cuda::AttentionInputs<Element> inputs_of(const Tensor& q, const Tensor& k, const Tensor& v, double scale) {
  return {strided<const Element>(q),
          strided<const Element>(k),
          strided<const Element>(v),
          q.size(0),
          q.size(2),
          static_cast<int>(q.size(1)),
          static_cast<int>(k.size(1)),
          static_cast<int>(q.size(3)),
          static_cast<float>(scale)};
}

/// Statistics that need a second pass over the keys, from the log-sum-exp of the forward pass.
template <typename Element>
void collect(const cuda::AttentionInputs<Element>& in, const Tensor& lse, AttentionStatistics& s, cudaStream_t stream) {
  const auto* sums = lse.const_data_ptr<float>();
  check(cuda::attention_columns(in, sums, s.needs.columns, data_of<float>(s.columns), stream));
  check(cuda::attention_rows(in, sums, s.needs.rows, data_of<float>(s.rows), stream));
  if (s.needs.received) check(cuda::attention_received(in, sums, data_of<float>(s.received), stream));
  if (s.needs.total) s.total.fill_(1);
}

/// The softmax of one query over the keys it may see: [B, H, query + 1].
Tensor masked_probabilities(const Tensor& q, const Tensor& k, const MaskedRow& row, double scale) {
  const auto group = q.size(1) / k.size(1), seen = row.query + 1;
  const auto one = widened(q.select(2, row.query)).unflatten(1, {-1, group});                  // [B, G, H / G, K]
  const auto scores = at::matmul(one, widened(k.narrow(2, 0, seen)).transpose(2, 3)) * scale;  // [B, G, H / G, seen]
  auto hidden = at::ones({static_cast<int64_t>(row.keys.size()), seen}, at::kBool);
  for (int64_t b = 0; b < hidden.size(0); ++b) {
    for (const auto key : row.keys[b]) hidden[b][key] = false;
  }
  return scores.masked_fill(hidden.to(q.device()).unsqueeze(1).unsqueeze(1), -INFINITY).softmax(-1).flatten(1, 2);
}

/// Puts a masked row in the place of what the kernels wrote there; received has nothing of it so far.
void replace_row(const Tensor& a, const Tensor& v, int64_t query, AttentionResult& result) {
  const auto group = a.size(1) / v.size(1), seen = query + 1;
  const auto values = at::matmul(a.unflatten(1, {-1, group}), widened(v.narrow(2, 0, seen)));  // [B, G, H / G, K]
  result.output.select(1, query).copy_(values.flatten(1, 2));
  auto& s = result.statistics;
  for (size_t c = 0; c < s.needs.columns.size(); ++c) {
    const auto key = s.needs.columns[c];
    if (key < seen) s.columns.select(2, query).select(2, static_cast<int64_t>(c)).copy_(a.select(2, key));
  }
  for (size_t r = 0; r < s.needs.rows.size(); ++r) {
    if (s.needs.rows[r] == query) s.rows.select(2, static_cast<int64_t>(r)).narrow(2, 0, seen).copy_(a);
  }
  if (s.needs.received) s.received.narrow(2, 0, query).add_(a.narrow(2, 0, query));
  if (s.needs.entropy) s.entropy.select(2, query).copy_(entropy_terms(a).sum(2));
  if (s.needs.sum_squares) s.sum_squares.select(2, query).copy_(a.square().sum(2));
}

template <typename Element>
AttentionResult attend_as(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                          const AttentionNeeds& needs) {
  const OnDevice stream(q);
  const auto in = inputs_of<Element>(q, k, v, spec.scale);
  AttentionResult result{at::empty({q.size(0), q.size(2), q.size(1), q.size(3)}, q.options()),
                         make_statistics(q, needs)};
  auto& s = result.statistics;
  auto lse = at::empty({q.size(0), q.size(1), q.size(2)}, q.options().dtype(at::kFloat));
  check(cuda::attention_forward<Element>(
      in,
      {data_of<Element>(result.output), data_of<float>(lse), data_of<float>(s.entropy), data_of<float>(s.sum_squares)},
      stream));
  // exp(score - infinity) = 0: the kernels that follow see nothing of a masked row
  for (const auto& row : spec.rows) lse.select(2, row.query).fill_(INFINITY);
  collect(in, lse, s, stream);
  for (const auto& row : spec.rows) replace_row(masked_probabilities(q, k, row, spec.scale), v, row.query, result);
  return result;
}

// ---- RMSNorm

/// x [N, D] as it is in memory: float32 (y float32 or bfloat16), or bfloat16 both.
class CudaRmsNorm : public torch::autograd::Function<CudaRmsNorm> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& gain, double eps, int64_t type) {
    const auto x = input.contiguous(), g = gain.contiguous();
    const OnDevice stream(x);
    const auto width = static_cast<int>(g.numel());
    const auto rows = x.numel() / width;
    auto y = at::empty(x.sizes(), x.options().dtype(static_cast<at::ScalarType>(type)));
    auto inverse = at::empty({rows}, g.options());
    with_element(y.scalar_type(), [&]<typename Element>(Element*) {
      const auto epsilon = static_cast<float>(eps);
      const auto* gains = data_of<float>(g);
      auto* to = data_of<Element>(y);
      auto* inverses = data_of<float>(inverse);
      check(is_of_heads(x, y)
                ? cuda::head_rms_norm<Element>(data_of<Element>(x), gains, to, inverses, rows, width, epsilon, stream)
                : cuda::rms_norm<Element>(
                      {data_of<float>(x), nullptr, gains, nullptr, to, inverses, rows, width, epsilon}, stream));
    });
    context->save_for_backward({x, g, inverse});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &gain = saved[1], &inverse = saved[2];
    const auto dy = gradients[0].contiguous();
    const OnDevice stream(x);
    const auto width = static_cast<int>(gain.numel());
    const auto rows = inverse.numel();
    auto dx = at::empty_like(x), dgain = at::empty_like(gain);
    const auto floats =
        is_of_heads(x, dy) ? cuda::head_rms_norm_workspace(rows, width) : cuda::rms_norm_workspace(rows, width);
    const auto workspace = at::empty({floats}, gain.options());
    with_element(dy.scalar_type(), [&]<typename Element>(Element*) {
      const auto *gains = data_of<float>(gain), *inverses = data_of<float>(inverse);
      auto *to_gain = data_of<float>(dgain), *parts = data_of<float>(workspace);
      check(is_of_heads(x, dy)
                ? cuda::head_rms_norm_backward<Element>(data_of<Element>(x), gains, inverses, data_of<Element>(dy),
                                                        data_of<Element>(dx), to_gain, parts, rows, width, stream)
                : cuda::rms_norm_backward<Element>({data_of<float>(x), gains, inverses, data_of<Element>(dy), nullptr,
                                                    data_of<float>(dx), nullptr, to_gain, parts, rows, width},
                                                   stream));
    });
    return {dx, dgain, Tensor(), Tensor()};
  }

 private:
  /// A warp or less a row: where rows are short, and where the stream is not float32.
  static bool is_of_heads(const Tensor& x, const Tensor& y) {
    constexpr int64_t kShort = 256;
    return x.scalar_type() == y.scalar_type() && (x.size(-1) <= kShort || x.scalar_type() != at::kFloat);
  }
};

/// The residual stream x [N, D] float32 and what a branch adds to it.
class CudaAddRmsNorm : public torch::autograd::Function<CudaAddRmsNorm> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& input, const Tensor& added, const Tensor& gain,
                               double eps) {
    const auto x = input.contiguous(), branch = added.contiguous(), g = gain.contiguous();
    const OnDevice stream(x);
    const auto width = static_cast<int>(g.numel());
    const auto rows = x.numel() / width;
    auto sum = at::empty_like(x), y = at::empty_like(branch), inverse = at::empty({rows}, g.options());
    with_element(y.scalar_type(), [&]<typename Element>(Element*) {
      check(
          cuda::rms_norm<Element>({data_of<float>(x), data_of<Element>(branch), data_of<float>(g), data_of<float>(sum),
                                   data_of<Element>(y), data_of<float>(inverse), rows, width, static_cast<float>(eps)},
                                  stream));
    });
    context->save_for_backward({sum, g, inverse});
    return {sum, y};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const auto saved = context->get_saved_variables();
    const auto &sum = saved[0], &gain = saved[1], &inverse = saved[2];
    const auto dsum = gradients[0].contiguous(), dy = gradients[1].contiguous();
    const OnDevice stream(sum);
    const auto width = static_cast<int>(gain.numel());
    const auto rows = inverse.numel();
    const bool one_type = dy.scalar_type() == at::kFloat;
    auto dx = at::empty_like(sum), dgain = at::empty_like(gain);
    const auto dbranch = one_type ? dx : at::empty_like(dy);
    const auto workspace = at::empty({cuda::rms_norm_workspace(rows, width)}, gain.options());
    with_element(dy.scalar_type(), [&]<typename Element>(Element*) {
      check(cuda::rms_norm_backward<Element>(
          {data_of<float>(sum), data_of<float>(gain), data_of<float>(inverse), data_of<Element>(dy),
           data_of<float>(dsum), data_of<float>(dx), one_type ? nullptr : data_of<Element>(dbranch),
           data_of<float>(dgain), data_of<float>(workspace), rows, width},
          stream));
    });
    return {dx, dbranch, dgain, Tensor()};
  }
};

// ---- SwiGLU

/// Any tensor as rows [N, F], which may lie apart.
Tensor as_rows(const Tensor& x) { return with_whole_rows(x.flatten(0, -2)); }

template <typename Element>
cuda::Rows<Element> rows_of(const Tensor& x) {
  return {data_of<std::remove_const_t<Element>>(x), x.stride(0)};
}

// ---- cross-entropy

class CudaCrossEntropy : public torch::autograd::Function<CudaCrossEntropy> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& targets, int64_t ids) {
    const auto x = logits.contiguous(), wanted = targets.contiguous();
    const OnDevice stream(x);
    const cuda::LogitRows shape{x.size(0), ids, x.size(1)};
    auto losses = at::empty({shape.rows}, x.options().dtype(at::kFloat)), lse = at::empty_like(losses);
    with_element(x.scalar_type(), [&]<typename Element>(Element*) {
      check(cuda::cross_entropy<Element>(data_of<Element>(x), wanted.const_data_ptr<int64_t>(), data_of<float>(losses),
                                         data_of<float>(lse), shape, stream));
    });
    context->save_for_backward({x, wanted, lse});
    context->saved_data["ids"] = ids;
    return losses.mean();
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    TORCH_CHECK(context->saved_data.count("spent") == 0, "the logits have been overwritten by their gradient already");
    context->saved_data["spent"] = true;
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &targets = saved[1], &lse = saved[2];
    const cuda::LogitRows shape{x.size(0), context->saved_data["ids"].toInt(), x.size(1)};
    const auto scale = gradients[0].to(at::kFloat).contiguous();
    const OnDevice stream(x);
    with_element(x.scalar_type(), [&]<typename Element>(Element*) {
      check(cuda::cross_entropy_backward<Element>(data_of<Element>(x), targets.const_data_ptr<int64_t>(),
                                                  data_of<float>(lse), data_of<float>(scale),
                                                  1 / static_cast<float>(shape.rows), shape, stream));
    });
    x.unsafeGetTensorImpl()->bump_version();  // who has kept the logits for its own gradient must find out
    return {x, Tensor(), Tensor()};
  }
};

}  // namespace

AttentionResult attend_cuda(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionSpec& spec,
                            const AttentionNeeds& needs) {
  const auto queries = with_aligned_rows(q), keys = with_aligned_rows(k), values = with_aligned_rows(v);
  return with_element(q.scalar_type(), [&]<typename Element>(Element*) {
    return attend_as<Element>(queries, keys, values, spec, needs);
  });
}

Tensor cuda_rms_norm(const Tensor& x, const Tensor& gain, double eps, at::ScalarType type) {
  TORCH_CHECK(gain.dim() == 1 && x.size(-1) == gain.size(0) && gain.scalar_type() == at::kFloat, "a gain of ",
              gain.sizes(), " for x of ", x.sizes());
  const bool has_kernel = x.scalar_type() == at::kFloat || x.scalar_type() == type;
  return CudaRmsNorm::apply(has_kernel ? x : x.to(at::kFloat), gain, eps, static_cast<int64_t>(type));
}

SumAndNorm cuda_add_rms_norm(const Tensor& x, const Tensor& branch, const Tensor& gain, double eps) {
  TORCH_CHECK(x.sizes() == branch.sizes() && x.scalar_type() == at::kFloat && gain.dim() == 1 &&
                  x.size(-1) == gain.size(0) && gain.scalar_type() == at::kFloat,
              "a branch of ", branch.sizes(), " and a gain of ", gain.sizes(), " for ", x.sizes());
  const auto both = CudaAddRmsNorm::apply(x, branch, gain, eps);
  return {both[0], both[1]};
}

void cuda_rotary(const Tensor& x, const Tensor& cosine, const Tensor& sine, const Tensor& y, float direction) {
  const OnDevice stream(x);
  const cuda::RotaryShape shape{x.size(0), x.size(2), static_cast<int>(x.size(1)), static_cast<int>(x.size(3)),
                                static_cast<int>(cosine.size(-1))};
  with_element(x.scalar_type(), [&]<typename Element>(Element*) {
    check(cuda::rotary<Element>(strided<const Element>(x), data_of<float>(cosine), data_of<float>(sine),
                                strided<Element>(y), shape, direction, stream));
  });
}

void cuda_swiglu(const Tensor& gate, const Tensor& up, const Tensor& y) {
  TORCH_CHECK(gate.scalar_type() == up.scalar_type(), "a gate of ", gate.scalar_type(), " for ", up.scalar_type());
  const OnDevice stream(gate);
  const auto g = as_rows(gate), u = as_rows(up), to = as_rows(y);
  with_element(y.scalar_type(), [&]<typename Element>(Element*) {
    check(cuda::swiglu<Element>(rows_of<const Element>(g), rows_of<const Element>(u), rows_of<Element>(to), to.size(0),
                                to.size(1), stream));
  });
}

void cuda_swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& gradient, const Tensor& dgate,
                          const Tensor& dup) {
  const OnDevice stream(gate);
  const auto g = as_rows(gate), u = as_rows(up), dy = as_rows(gradient);
  const auto to_gate = as_rows(dgate), to_up = as_rows(dup);
  with_element(g.scalar_type(), [&]<typename Element>(Element*) {
    check(cuda::swiglu_backward<Element>(rows_of<const Element>(g), rows_of<const Element>(u),
                                         rows_of<const Element>(dy), rows_of<Element>(to_gate), rows_of<Element>(to_up),
                                         g.size(0), g.size(1), stream));
  });
}

Tensor cuda_cross_entropy(const Tensor& logits, const Tensor& targets, int64_t ids) {
  return CudaCrossEntropy::apply(logits, targets, ids);
}

}  // namespace replicate

#endif
