#pragma once

// Does an intervention at a position make a sink there by way of a few neurons or residual dimensions? The
// intervention runs twice, free and with those held at what they are without it; what is gone then went through
// them. Shared by the claims that differ only in what they hold.

#include "harness/study/measure.h"
#include "models/core/watch.h"

namespace replicate {

/// The hypothesised mediators (neurons or residual dimensions of the spike's layer), and equally many matched controls
/// or none.
struct Mediators {
  Site site = Site::hidden;
  std::vector<int64_t> dimensions;
  std::vector<int64_t> matched;
};

using MediatorsOf = std::function<Mediators(const SpikeWriters& writers, const ModelConfig& config)>;

/// Reads the claim's parameters `target`, `amplification` and `calibration`, and reports the condition `random`.
class Mediation {
 public:
  /// `judged` is held in the dominant spike's layer and, reported, in those of other spikes. `reported` is held in
  /// the dominant one's alone, by the suffix of its metrics ("_top2").
  Mediation(std::string claim, MediatorsOf judged, std::map<std::string, MediatorsOf> reported = {});

  Plan plan(const Context& context);
  Measurement reduce(const Context& context);

 private:
  /// One lane and what is seen of it.
  struct Observed {
    size_t lane = 0;                 // in plan_
    std::shared_ptr<Watch> columns;  // [B, L, 2, T] attention to positions 0 and k, mean over heads
    std::shared_ptr<Watch> norm;     // [B, L + 1] norm of k's residual
  };

  /// The intervention again, with something held.
  struct Held {
    std::string suffix;  // of its metrics: "", "_top2", "_spike3", "_all"
    int64_t spike = 0;   // its metrics are means over the sink layers after this layer
    Observed clamped;
    std::optional<Observed> matched;
  };

  struct Intervention {
    Condition condition;  // its suffix is the intervention's: "" for the mask, "_amplified"
    std::vector<Patch> patches;
    Observed untouched, induced;
    std::vector<Held> held;
  };

  std::string unmet(const Context& context) const;
  const SpikeWriters& dominant(const Context& context) const;
  Observed add(const Condition& condition, std::vector<Patch> patches);
  Intervention intervene(const Condition& condition, std::vector<Patch> patches, const Observed& untouched);
  void hold_dominant(Intervention& one, const std::string& suffix, const MediatorsOf& mediators,
                     const Context& context);
  void hold_other_spikes(Intervention& one, const Context& context);
  std::string record(const Observed& one, Recording recording);
  Patch clamp(const Observed& untouched, Site site, int64_t layer, const std::vector<int64_t>& dimensions);
  void amplify(const Condition& primary, const Observed& untouched, const Context& context);
  void clamp_first(const Condition& primary, const Observed& untouched, const Context& context);

  Tensor to_target(const Observed& one) const;
  Tensor to_first(const Observed& one) const;
  void series(const Intervention& one, Measure& measure) const;
  void removal(const Intervention& one, const Held& held, const SinkProfile& sinks, Measure& measure) const;
  void first_clamped(const Context& context, Measure& measure) const;

  std::string claim_;
  MediatorsOf judged_;
  std::map<std::string, MediatorsOf> reported_;
  int64_t target_ = 0;
  Plan plan_;
  std::vector<Intervention> interventions_;  // the judged one first
  std::optional<Observed> first_;            // position 0 itself clamped
};

}  // namespace replicate
