#pragma once

// The arms of a training comparison: the baseline and its rivals, each a setting of the block description or of
// how its weights are parametrised.

#include <vector>

#include "models/formats/config.h"

namespace replicate {

/// The arm that others are compared with, and a second set of its runs with other weights and batches.
inline constexpr const char* kBaseline = "baseline";
inline constexpr const char* kBaselineAgain = "baseline_again";

inline constexpr const char* kHeadRmsNorm = "head_rms_norm";
inline constexpr const char* kSigmoidAttention = "sigmoid_attention";
inline constexpr const char* kGatedAttention = "gated_attention";
inline constexpr const char* kConstantGain = "constant_gain";
inline constexpr const char* kDenseDown = "dense_down";

/// What is trained in place of the plain model.
struct Arm {
  std::string name;
  bool head_rms_norm = false;      ///< heads over their RMS, times a gain [K] (the paper's remedy)
  bool sigmoid_attention = false;  ///< rows need not sum to one; bias -log T
  bool output_gate = false;        ///< heads times sigmoid(x W_g) (Qiu et al.)
  bool constant_gain = false;  ///< heads times a constant each, fixed at initialisation so that their RMS is that of
                               ///< head_rms_norm, and the same gain [K]: its scale without its equal positions
  bool dense_down = false;  ///< the entries of a column of W_down keep the signs that they start with and stay within a
                            ///< factor of 3 of each other: no neuron can write into few dimensions

  /// The block description of the arm's model, trained on texts of `length` tokens. constant_gain and dense_down
  /// leave it as it is: they are folded into W_O and W_down.
  ModelConfig config(ModelConfig base, int64_t length) const;
};

/// baseline, head_rms_norm, sigmoid_attention, gated_attention, constant_gain, dense_down. Error, with what there
/// is, on another name.
Arm arm(const std::string& name);

std::vector<std::string> arm_names();

}  // namespace replicate
