#include "models/fused_gradients.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "models/kernels/rms_norm_row.h"
#include "models/kernels/softmax_row.h"

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
    const auto saved = context->get_saved_variables()[0];
    const bool alone = gradients[0].item<float>() == 1;  // on the CPU: nobody waits
    return {alone ? saved : saved * gradients[0], Tensor()};
  }
};

}  // namespace

Tensor fused_rms_norm(const Tensor& x, const Tensor& gain, double eps) {
  TORCH_CHECK(gain.dim() == 1 && x.size(-1) == gain.size(0), "a gain of ", gain.sizes(), " for x of ", x.sizes());
  return RmsNorm::apply(x, gain, eps);
}

Tensor fused_cross_entropy(const Tensor& logits, const Tensor& targets) {
  TORCH_CHECK(logits.dim() == 2 && targets.dim() == 1 && logits.size(0) == targets.size(0), "logits ", logits.sizes(),
              " for targets ", targets.sizes());
  return CrossEntropy::apply(logits, targets);
}

}  // namespace replicate
