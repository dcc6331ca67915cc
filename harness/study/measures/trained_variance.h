#pragma once

// How much more a trained model's head outputs vary over random texts at position 0 than at the positions after it,
// before and after a head norm or a gate.

#include <cmath>

#include "harness/study/claim.h"
#include "harness/study/measures/position_variance.h"

namespace replicate {

/// The paper's "layer 1", counted from 0.
inline constexpr int64_t kPaperVarianceLayer = 2;

/// Unbiased variance over sequences of every dimension at positions 0..31 of one site, mean over dimensions. Unlike
/// PositionVariance it keeps no products of sequences: nothing is resampled here.
class VarianceByPosition : public Probe {
 public:
  VarianceByPosition(Site site, std::vector<int64_t> layers) : site_(site), layers_(std::move(layers)) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void finish_layer(int64_t layer) override;

  const std::vector<double>& layer(int64_t layer) const { return variance_.at(layer); }  ///< P values
  double first_to_rest(int64_t layer) const;  ///< position 0 over the mean of the others

 private:
  Site site_;
  std::vector<int64_t> layers_;
  std::vector<Tensor> batches_;  // [b, P, X]
  std::map<int64_t, std::vector<double>> variance_;
};

/// Of one model: what value aggregation returns, and what W_O reads. Without a gate and head norm the two are one.
struct TrainedVariance {
  std::shared_ptr<VarianceByPosition> before, after;

  double log_ratio(int64_t layer) const { return std::log(after->first_to_rest(layer)); }
};

/// Uniform ordinary ids without BOS, also where training had it: a constant first token has no variance. Their number
/// is the claim's parameter `random.sequences`.
Tokens random_ids(const TrainingClaim& claim);

TrainedVariance observe_variance(TrainingClaim& claim, const TrainedModel& kept, const Tokens& tokens,
                                 const std::vector<int64_t>& layers);

/// Whether the models have so many layers; where not, the claim is reported as not applicable.
bool has_layer(TrainingClaim& claim, int64_t layer);

/// The log of the ratio at the end of training, by seed.
class LogVarianceRatios {
 public:
  LogVarianceRatios(TrainingClaim& claim, const ComparedArms& arms, int64_t layer);

  std::vector<double> of(const std::string& arm) const;
  std::vector<std::vector<double>> by_position(const std::string& arm) const;  ///< the variances themselves
  /// A discrepancy can only be removed where there is one. Reports the baseline's ratio (of geometric means over seeds)
  /// as `variance_ratio_untreated`; at most `least` makes the claim inapplicable.
  void require_discrepancy(double least, SeedMeasure& measure) const;

 private:
  int64_t layer_;
  std::map<std::string, BySeed<TrainedVariance>> seen_;
};

}  // namespace replicate
