#pragma once

// From per-sequence tensors to metrics, series and samples with bootstrap intervals (BCa). All intervals of one
// experiment over the same number of sequences use the same resamples, so that differences and ratios of
// its metrics are paired.

#include <limits>

#include "harness/study/context.h"

namespace replicate {

/// What one column of per-sequence values is, for samples.csv.
struct SampleColumn {
  std::string name;
  std::map<std::string, int64_t> where = {};
};

/// From the mean over sequences of X values to one number per metric.
using OfMeans = std::function<std::vector<double>(std::span<const double> means)>;

/// From weights of the sequences [R, B] (rows sum to 1) to one row of numbers for each, [R, M]: for statistics of the
/// population of sequences that are no function of means, such as variances (harness/study/population.h).
using OfWeights = std::function<Tensor(const Tensor& weights)>;

/// How a population's metrics are resampled, where not as all others.
struct Resampling {
  int64_t most = INT64_MAX;  ///< resamples, for what costs much
  bool corrected = true;     ///< BCa; without: percentiles, where calibration on null models says that BCa is wrong
};

/// The values that a quantity can have.
struct Range {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

inline constexpr int64_t kPopulationBlocks = 16;

/// n numbers from `first` on, for the axis of a curve: 1, 2, 3, ...
std::vector<double> counted(int64_t n, double first = 1);
inline std::vector<double> layer_numbers(int64_t layers) { return counted(layers); }

class Measure {
 public:
  explicit Measure(const BootstrapOptions& options) : options_(options) {}

  // What is judged: a mean over units of sampling with the interval of its test (base/mean_test.h). The units are kept
  // as samples, from which the verdict is computed.

  /// One value per sequence, such as a contrast: values [B]. The mean's interval is cut to the range.
  void judged(const std::string& name, const Condition& condition, const Tensor& values,
              std::map<std::string, int64_t> where = {}, Range range = {});
  /// A statistic of the population of sequences (f gives one column), such as the log of a ratio of variances. The
  /// units are its pseudo-values over kPopulationBlocks equal blocks of sequences, of which the last few are left out
  /// where their number is no multiple of it: G theta - (G - 1) theta_without_i. Their mean, and its interval, are cut
  /// to the range; the statistic of all blocks stands beside it as `<name>_plug_in`. Of fewer sequences than
  /// blocks it is the statistic itself, without units: enough for a variation, and too little to be judged.
  void judged_population(const std::string& name, const Condition& condition, const OfWeights& f, Range range = {},
                         std::map<std::string, int64_t> where = {});

  // What is reported, with bootstrap intervals.

  /// The mean over sequences of values [B]. Samples go to samples.csv.
  void mean(const std::string& name, const Condition& condition, const Tensor& values,
            std::map<std::string, int64_t> where = {});

  /// mean(a) / mean(b), resampled together; both [B]. Samples: name_numerator, name_denominator.
  void ratio(const std::string& name, const Condition& condition, const Tensor& a, const Tensor& b);

  /// Metrics that are functions of means over sequences: values [B, X] are averaged over B, then f is
  /// applied, and again on every resample, so that a layer found on the means is found again each time.
  /// `columns` names the X columns, which are kept as samples.
  void of_means(const std::vector<std::string>& names, const Condition& condition,
                const std::vector<SampleColumn>& columns, const Tensor& values, const OfMeans& f);

  /// Metrics of the population of a condition's sequences; f gives one column a name.
  void population(const std::vector<std::string>& names, const Condition& condition, const OfWeights& f,
                  std::map<std::string, int64_t> where = {}, Resampling resampling = {});

  /// A number without sampling: a layer index, a count, a value over all tokens at once.
  void value(const std::string& name, const Condition& condition, double value,
             std::map<std::string, int64_t> where = {});

  /// The mean over sequences of values [B, X] against `axis`: x[i] belongs to values[:, i].
  void series(const std::string& name, const Condition& condition, const std::string& axis,
              const std::vector<double>& x, const Tensor& values);
  /// A series of population statistics: f gives one column for each x.
  void population_series(const std::string& name, const Condition& condition, const std::string& axis,
                         const std::vector<double>& x, const OfWeights& f);
  /// `series` for layers 1..L; values [B, >= L], of which the first L are used.
  void by_layer(const std::string& name, const Condition& condition, const Tensor& values, int64_t layers);
  /// A curve without intervals: y [X].
  void curve(const std::string& name, const Condition& condition, const std::string& axis, const std::vector<double>& x,
             const Tensor& y);

  /// A matrix to look at, values [rows, columns].
  void map(const std::string& name, const Condition& condition, const std::string& title,
           std::map<std::string, int64_t> where, const Tensor& values);

  /// Attention of every head on a few texts, to choose from.
  void head_maps(HeadMaps maps) { measurement_.head_maps = std::move(maps); }

  /// Adds an entry to the `where` of all metrics and samples so far.
  void place(const std::string& key, int64_t value);

  void note(const std::string& text) { measurement_.notes.push_back(text); }
  void unmet(const std::string& why) { measurement_.unmet = why; }
  void inapplicable(const std::string& why) { measurement_.inapplicable = why; }
  Measurement take() { return std::move(measurement_); }

 private:
  void add(const std::string& name, const Condition& condition, const Estimate& estimate,
           std::map<std::string, int64_t> where = {});
  void add_units(const std::string& name, const Condition& condition, std::vector<double> units, Range range,
                 std::map<std::string, int64_t> where);
  /// How much each of n sequences counts where a group of them is left out, and in each resample: [J + R, n].
  const Tensor& weights(int64_t n);
  /// Means of values [B, X] with each of these weights: [J + R, X].
  Tensor weighted_means(const Tensor& values);

  BootstrapOptions options_;
  std::map<int64_t, Tensor> weights_;  // by B
  Measurement measurement_;
};

}  // namespace replicate
