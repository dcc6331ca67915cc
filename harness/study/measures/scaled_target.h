#pragma once

// A target position k whose head outputs o_k are scaled, by their deviation from the mean over samples or by their
// norm, in every layer before the sink's onset: shared by the claim variance_scaling and what is described around it.
// k is the claim's parameter `target`.

#include "harness/study/claim.h"
#include "harness/study/measures/target_attention.h"

namespace replicate {

/// How o_k is scaled on one kind of inputs.
struct ScaledTarget {
  Condition on;
  int64_t target = 0;
  LayerRange before;  // the onset
  Recording outputs;  // of k in calibration sequences, whose mean is mu

  Patch variance(int64_t lambda) const;      ///< mu + lambda (o_k - mu)
  Patch norm(int64_t lambda) const;          ///< lambda o_k
  Patch norm_matched(int64_t lambda) const;  ///< o_k with the norm of mu + lambda (o_k - mu)
};

/// Declares the pass for mu. Ends the call where no layer is before the onset.
ScaledTarget scale_target(Claim& claim, const Condition& on);

/// The parameter `lambdas`, sorted, and 1. Error unless they are from 1 on and one is above it.
std::vector<int64_t> lambdas_of(const Claim& claim);

/// Attention in passes that differ in lambda alone; lambda 1 is the untouched model.
using LambdaCurve = std::map<int64_t, TargetAttention>;

/// Declares one pass per lambda. `only`: the layers to look in; all when empty.
LambdaCurve declare_curve(Claim& claim, const ScaledTarget& scaled, Patch (ScaledTarget::*patch)(int64_t) const,
                          const std::vector<int64_t>& lambdas, const std::vector<int64_t>& only = {});

using OfPass = std::function<Tensor(const TargetAttention& pass)>;  ///< [B]

/// The value in each pass of a curve: [B, lambdas].
Tensor along(const LambdaCurve& curve, const OfPass& value);
std::vector<double> lambdas_along(const LambdaCurve& curve);
void report_curve(const std::string& name, const Condition& on, const LambdaCurve& curve, const OfPass& value,
                  Measure& measure);

/// 1 for sequences in which the target is a sink, as the survey's layers are, 0 for others: [B].
Tensor is_sink(const Tensor& attention, const TargetAttention& pass);

}  // namespace replicate
