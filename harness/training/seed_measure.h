#pragma once

// From one value a training run to metrics and series. The unit of sampling is the seed: intervals are Student's t
// over seeds, and two arms are compared by values that are paired before they come here.

#include "harness/record/record.h"

namespace replicate {

std::vector<double> present(const std::vector<double>& values);  ///< those that are not NaN

class SeedMeasure {
 public:
  /// `inputs`: the label that metrics carry.
  explicit SeedMeasure(std::string inputs = "validation") : inputs_(std::move(inputs)) {}
  void measured_on(std::string inputs) { inputs_ = std::move(inputs); }  ///< the label from here on

  /// What is judged: one value per seed, such as a contrast of two arms. Their mean has the interval of its test
  /// (base/mean_test.h); the values are kept as samples, from which the verdict is computed. A seed without a value
  /// (NaN) is kept, too, and left out of the mean; how it counts is the claim's business
  /// (harness/record/requirement.h).
  void judged(const std::string& name, const std::vector<double>& values, std::map<std::string, int64_t> where = {});

  /// The mean of one value per seed with its 95% t interval; values[i] belongs to seed i and goes to samples.csv. A
  /// seed without a value (NaN) leaves none at all.
  void mean(const std::string& name, const std::vector<double>& values, std::map<std::string, int64_t> where = {});

  /// The same over the seeds that have a value; without an interval where one lacks it, and none where all do.
  void mean_of_present(const std::string& name, const std::vector<double>& values);

  /// A number without sampling.
  void value(const std::string& name, double value, std::map<std::string, int64_t> where = {});

  /// The mean over seeds of y[seed][point] against `axis`, with a t band where there are two seeds at least; `label`
  /// names the arm, by which panels pick it. One row is a curve without band.
  void curve(const std::string& name, const std::string& label, const std::string& axis, const std::vector<double>& x,
             const std::vector<std::vector<double>>& y);

  /// A matrix to look at.
  void map(const std::string& name, const std::string& label, const std::string& title,
           std::map<std::string, int64_t> where, std::vector<std::vector<double>> values);

  void note(const std::string& text) { measurement_.notes.push_back(text); }
  void unmet(const std::string& why) { measurement_.unmet = why; }
  void inapplicable(const std::string& why) { measurement_.inapplicable = why; }

  /// With a note on the metrics that have no value.
  Measurement take();

 private:
  std::string inputs_;
  std::vector<std::string> without_value_;
  Measurement measurement_;
};

}  // namespace replicate
