#pragma once

#include "harness/study/measures/neuron_probes.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/executor.h"

namespace replicate {

/// Makes the survey of a model: attach its probes to one lane over the survey's sequences, run it, reduce.
class Surveyor {
 public:
  explicit Surveyor(const SurveyRules& rules);
  const std::vector<std::shared_ptr<Probe>>& probes() const { return probes_; }
  /// `length`: T of the lane's sequences.
  Survey reduce(int64_t layers, int64_t length) const;

 private:
  SpikeWriters writers(int64_t layer) const;
  StageWriters stage_writers(int64_t spike) const;

  SurveyRules rules_;

  std::shared_ptr<Watch> columns_, norms_;
  std::shared_ptr<Watch> magnitudes_;  // [B, 2, D] per layer: |h| at position 0, mean |h| elsewhere
  std::shared_ptr<NeuronProbe> neurons_;
  std::vector<std::shared_ptr<Probe>> probes_;
};

}  // namespace replicate
