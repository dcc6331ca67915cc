#include "models/training/arm.h"

#include <cmath>

#include "base/error.h"

namespace replicate {
namespace {

const std::vector<Arm>& all_arms() {
  static const std::vector<Arm> arms = {{.name = kBaseline},
                                        {.name = kHeadRmsNorm, .head_rms_norm = true},
                                        {.name = kSigmoidAttention, .sigmoid_attention = true},
                                        {.name = kGatedAttention, .output_gate = true},
                                        {.name = kConstantGain, .constant_gain = true},
                                        {.name = kDenseDown, .dense_down = true}};
  return arms;
}

}  // namespace

ModelConfig Arm::config(ModelConfig base, int64_t length) const {
  base.head_rms_norm = head_rms_norm;
  base.output_gate = output_gate;
  if (sigmoid_attention) base.sigmoid_bias = -std::log(static_cast<double>(length));
  return base;
}

Arm arm(const std::string& name) {
  std::string known;
  for (const auto& one : all_arms()) {
    if (one.name == name) return one;
    known += (known.empty() ? "" : ", ") + one.name;
  }
  throw Error("unknown arm " + in_quotes(name), "training", "use one of " + known);
}

std::vector<std::string> arm_names() {
  std::vector<std::string> names;
  for (const auto& one : all_arms()) names.push_back(one.name);
  return names;
}

}  // namespace replicate
