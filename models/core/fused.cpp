#include "models/core/fused.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "models/kernels/rms_norm_row.h"
#include "models/kernels/rotary_row.h"
#include "models/kernels/softmax_row.h"
#include "models/kernels/swiglu_row.h"

namespace replicate {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kRowsOfPart = 64;  // one partial sum of the gain's gradient each

class RmsNorm : public torch::autograd::Function<RmsNorm> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& gain, double eps) {
    const auto x = input.contiguous(), g = gain.contiguous();
    const auto width = g.numel(), rows = x.numel() / width;
    auto y = at::empty_like(x), inverse = at::empty({rows}, x.options());
    const auto *from = x.const_data_ptr<float>(), *gains = g.const_data_ptr<float>();
    auto *to = y.mutable_data_ptr<float>(), *inverses = inverse.mutable_data_ptr<float>();
    at::parallel_for(0, rows, kRowsOfPart, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        inverses[i] = rms_norm_row(from + i * width, gains, to + i * width, width, static_cast<float>(eps));
      }
    });
    context->save_for_backward({x, g, inverse});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &gain = saved[1], &inverse = saved[2];
    const auto dy = gradients[0].contiguous();
    const auto width = gain.numel(), rows = inverse.numel(), parts = (rows + kRowsOfPart - 1) / kRowsOfPart;
    auto dx = at::empty_like(x), dgain = at::zeros({parts, width}, x.options());
    const auto *from = x.const_data_ptr<float>(), *gains = gain.const_data_ptr<float>();
    const auto *back = dy.const_data_ptr<float>(), *inverses = inverse.const_data_ptr<float>();
    auto *to = dx.mutable_data_ptr<float>(), *sums = dgain.mutable_data_ptr<float>();
    at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * kRowsOfPart; i < std::min(rows, end * kRowsOfPart); ++i) {
        rms_norm_row_backward(from + i * width, gains, back + i * width, inverses[i], to + i * width,
                              sums + i / kRowsOfPart * width, width);
      }
    });
    return {dx, dgain.sum(0), Tensor()};
  }
};

/// Turns every row of x [B, n, T, K] into that of y, whatever their strides; see rotary_row.
void turn(const Tensor& x, const Tensor& cosine, const Tensor& sine, const Tensor& y, float direction) {
  if constexpr (kCudaKernels) {
    if (x.is_cuda()) return cuda_rotary(x, cosine, sine, y, direction);
  }
  const auto heads = x.size(1), length = x.size(2), width = cosine.size(-1);
  const auto *from = x.const_data_ptr<float>(), *c = cosine.const_data_ptr<float>(), *s = sine.const_data_ptr<float>();
  auto* to = y.mutable_data_ptr<float>();
  const auto at_row = [](const Tensor& z, int64_t b, int64_t h, int64_t t) {
    return b * z.stride(0) + h * z.stride(1) + t * z.stride(2);
  };
  at::parallel_for(0, x.size(0) * length, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto b = row / length, t = row % length;
      for (int64_t h = 0; h < heads; ++h) {
        rotary_row(from + at_row(x, b, h, t), c + t * width, s + t * width, to + at_row(y, b, h, t), width, x.size(3),
                   direction);
      }
    }
  });
}

class Rotary : public torch::autograd::Function<Rotary> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& input, const Tensor& cosine, const Tensor& sine) {
    const auto x = with_whole_rows(input);
    auto y = at::empty(x.sizes(), x.options());
    turn(x, cosine, sine, y, 1);
    context->save_for_backward({cosine, sine});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const auto saved = context->get_saved_variables();
    const auto dy = with_whole_rows(gradients[0]);
    auto dx = at::empty({dy.size(0), dy.size(2), dy.size(1), dy.size(3)}, dy.options()).transpose(1, 2);
    turn(dy, saved[0], saved[1], dx, -1);
    return {dx, Tensor(), Tensor()};
  }
};

/// Any tensor as rows [N, F], which may lie apart.
struct FlatRows {
  explicit FlatRows(const Tensor& x)
      : all(with_whole_rows(x.flatten(0, -2))), stride(all.stride(0)), data(all.mutable_data_ptr<float>()) {}
  float* operator[](int64_t i) const { return data + i * stride; }

  Tensor all;
  int64_t stride;
  float* data;
};

template <typename Row>
void for_each_row(const FlatRows& rows, const Row& row) {
  at::parallel_for(0, rows.all.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(i);
  });
}

void swiglu(const Tensor& gate, const Tensor& up, const Tensor& y) {
  if constexpr (kCudaKernels) {
    if (y.is_cuda()) return cuda_swiglu(gate, up, y);
  }
  const FlatRows g(gate), u(up), to(y);
  for_each_row(to, [&](int64_t i) { swiglu_row(g[i], u[i], to[i], y.size(-1)); });
}

void swiglu_backward(const Tensor& gate, const Tensor& up, const Tensor& gradient, const Tensor& dgate,
                     const Tensor& dup) {
  if constexpr (kCudaKernels) {
    if (gate.is_cuda()) return cuda_swiglu_backward(gate, up, gradient, dgate, dup);
  }
  const FlatRows g(gate), u(up), dy(gradient), to_gate(dgate), to_up(dup);
  for_each_row(dy, [&](int64_t i) { swiglu_row_backward(g[i], u[i], dy[i], to_gate[i], to_up[i], dgate.size(-1)); });
}

class SwiGlu : public torch::autograd::Function<SwiGlu> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up) {
    const auto y = at::empty(gate.sizes(), gate.options());
    swiglu(gate, up, y);
    context->save_for_backward({gate, up});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const auto saved = context->get_saved_variables();
    const auto dgate = at::empty(saved[0].sizes(), saved[0].options()), dup = at::empty_like(dgate);
    swiglu_backward(saved[0], saved[1], gradients[0], dgate, dup);
    return {dgate, dup};
  }
};

class CrossEntropy : public torch::autograd::Function<CrossEntropy> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& targets) {
    const auto x = logits.contiguous(), ids = targets.contiguous();
    const auto rows = x.size(0), width = x.size(1);
    auto gradient = at::empty_like(x), losses = at::empty({rows}, x.options());
    const auto* from = x.const_data_ptr<float>();
    const auto* wanted = ids.const_data_ptr<int64_t>();
    auto *to = gradient.mutable_data_ptr<float>(), *loss = losses.mutable_data_ptr<float>();
    const float share = 1 / static_cast<float>(rows);
    at::parallel_for(0, rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        auto* row = to + i * width;
        TORCH_CHECK_INDEX(wanted[i] >= 0 && wanted[i] < width, "target ", wanted[i], " of ", width, " ids");
        std::copy_n(from + i * width, width, row);
        const float logit = row[wanted[i]];
        const auto sums = softmax_row(row, width, 1);
        loss[i] = std::log(sums.total) + (sums.top - logit);
        scale_row(row, width, share / sums.total);
        row[wanted[i]] -= share;
      }
    });
    context->save_for_backward({gradient});
    return losses.mean();
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    refuse_second_derivative();
    const auto saved = context->get_saved_variables()[0];
    const bool alone = gradients[0].item<float>() == 1;  // on the CPU there is nothing to wait for
    return {alone ? saved : saved * gradients[0], Tensor()};
  }
};

}  // namespace

Tensor fused_rms_norm(const Tensor& x, const Tensor& gain, double eps) {
  TORCH_CHECK(gain.dim() == 1 && x.size(-1) == gain.size(0), "a gain of ", gain.sizes(), " for x of ", x.sizes());
  if constexpr (kCudaKernels) {
    if (x.is_cuda()) return cuda_rms_norm(x, gain, eps, at::kFloat);
  }
  return RmsNorm::apply(x, gain, eps);
}

Tensor fused_rotary(const Tensor& x, const Tensor& cosine, const Tensor& sine) {
  TORCH_CHECK(x.dim() == 4 && cosine.sizes() == sine.sizes() && cosine.size(-1) % 2 == 0 &&
                  cosine.size(-1) <= x.size(3) && cosine.size(-2) == x.size(2),
              "heads ", x.sizes(), " for angles ", cosine.sizes());
  return Rotary::apply(x, cosine.contiguous(), sine.contiguous());
}

Tensor fused_swiglu(const Tensor& gate, const Tensor& up) {
  TORCH_CHECK(gate.sizes() == up.sizes(), "a gate of ", gate.sizes(), " for ", up.sizes());
  return SwiGlu::apply(gate, up);
}

Tensor fused_cross_entropy(const Tensor& logits, const Tensor& targets) {
  TORCH_CHECK(logits.dim() == 2 && targets.dim() == 1 && logits.size(0) == targets.size(0), "logits ", logits.sizes(),
              " for targets ", targets.sizes());
  if constexpr (kCudaKernels) {
    if (logits.is_cuda()) return cuda_cross_entropy(logits, targets, logits.size(1));
  }
  return CrossEntropy::apply(logits, targets);
}

}  // namespace replicate
