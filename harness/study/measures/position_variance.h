#pragma once

// How much a site differs from sequence to sequence, position by position: what value aggregation shrinks
// everywhere but at position 0 (paper, figures 1, 4, 7). Positions 0..31 of every sequence are looked at; in a
// causal model they do not depend on what follows.

#include "harness/study/measure.h"

namespace replicate {

inline constexpr int64_t kVariancePositions = 32;  ///< P: position 0 and "the rest", 1..31

inline constexpr int64_t kVarianceLayer = 2;  ///< where variance claims are judged: the paper's "layer 1"

/// The layers that variance claims are measured in: 1, where the values of random tokens are independent, and 2.
std::vector<int64_t> variance_layers(const ModelConfig& config);

/// 0..P-1, the x of series by position.
std::vector<double> variance_positions();

/// The name of a series of one layer: as it is in layer 1, with "_layer2" in layer 2.
std::string in_layer(const std::string& name, int64_t layer);

/// Error unless the condition's sequences have P positions.
void require_positions(const Condition& condition, const std::string& claim);

/// The claim's conditions whose sequences have P positions: given ids may be shorter.
std::vector<Condition> conditions_with_positions(const Context& context);

/// Every sequence begins with the same token: the variance at position 0 is 0 by construction.
bool same_first_token(const Condition& condition);

/// Why the judged layer has nothing to say of how much position 0 varies over random ids; nothing where it has.
std::optional<std::string> why_no_variance(const Context& context, const Condition& condition);

/// [1, n]: every sequence counts alike.
Tensor even_weights(int64_t n);

/// Inner products of the sequences at position 0 and, mean over positions, at 1..31: each [B, B], of deviations from
/// the mean sequence, divided by the number of dimensions.
struct FirstAndRest {
  Tensor first, rest;

  /// x [B, P, X]; with a metric M [X, X] the inner product of a and b is a' M b.
  explicit FirstAndRest(const Tensor& x, const Tensor& metric = {});
  Tensor ratio(const Tensor& weights) const;  ///< variance at position 0 over that of the rest: [R]
};

/// Population variances of one site. Weights [R, B] are those of harness/study/population.h.
class PositionVariance : public Probe {
 public:
  /// By position in `layers`, the ratio of first to rest in these or, if `every_layer`, in all.
  PositionVariance(Site site, std::vector<int64_t> layers, bool every_layer);

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& value) override;
  void finish_layer(int64_t layer) override;

  /// Unbiased, mean over dimensions: [R, P].
  Tensor by_position(int64_t layer, const Tensor& weights) const;
  Tensor ratio(int64_t layer, const Tensor& weights) const;  ///< [R]
  Tensor ratio_by_layer(const Tensor& weights) const;        ///< all observed layers in order: [R, layers]

 private:
  bool chosen(int64_t layer) const;

  Site site_;
  std::vector<int64_t> layers_;
  bool every_layer_;
  std::vector<Tensor> batches_;                      // [b, P, X] of the current layer
  std::map<int64_t, FirstAndRest> first_and_rest_;   // by layer
  std::map<int64_t, std::vector<Tensor>> products_;  // by layer, P times [B, B]
};

/// Spearman's correlation of position and variance [R, P]: [R].
Tensor position_spearman(const Tensor& variances);

/// The ratio of first to rest in layers 1..L, as a series; every layer must have been observed.
void measure_by_layer(const std::string& name, const Condition& condition, const PositionVariance& variance,
                      Measure& measure);

/// The ratio of first to rest minus that of the null model, which saw the same sequences and is resampled together
/// with the trained one; in each of the layers.
void measure_minus_null(const std::string& name, const Condition& condition, const std::vector<int64_t>& layers,
                        const PositionVariance& trained, const PositionVariance& null, Measure& measure);

}  // namespace replicate
