#pragma once

// A claim is one function. It declares the forward passes that it needs and registers what to report of them; the
// runner runs the passes, together with those of other claims, and then calls the reports. A claim measures; it never
// judges.
//
//   void shrinking_values(Claim& claim) {
//     const auto layers = claim.sinks();                          // ends the call where the model has no sink
//     for (const auto& on : claim.conditions()) {
//       const auto norms = claim.run(on).add(watch(Site::value, norm_at_first));
//       claim.report([=](Measure& measure) { measure.mean("value_norm", on, mean_over_layers(norms->layers(), layers));
//       });
//     }
//   }
//   REPLICATE_CLAIM(shrinking_values, "natural", "null_model");
//
// The runner calls the function once per variation: on the judged inputs, and with other inputs, BOS, length, target,
// seed or type of products, each time with a Claim bound to them.

#include "harness/study/compared_arms.h"
#include "harness/study/measure.h"

namespace replicate {

/// A forward pass that a claim has declared. Probes and recordings can be added until the claim's function
/// returns.
class Run {
 public:
  Run(Plan& plan, size_t lane) : plan_(&plan), lane_(lane) {}

  /// Attaches the probe to this pass, and returns it.
  template <typename P>
  std::shared_ptr<P> add(std::shared_ptr<P> probe) {
    (*plan_)[lane_].probes.push_back(probe);
    return probe;
  }
  /// Keeps what the recording says for patches of other passes, and returns its name. One without a name is given one:
  /// that of the same recording of an equal pass, if the claim has declared it before.
  std::string record(Recording recording);

 private:
  Plan* plan_;
  size_t lane_;
};

/// What claims describe beside their stages: the dominant spike, what writes it, and the layers with a sink after it.
struct DominantStage {
  const SpikeWriters& writers;
  std::vector<int64_t> sinks;
};

/// What a claim is bound to in one call: one stage of the model (stages.h), or all of them together.
struct Stage {
  std::vector<StageWriters> writers;  ///< one per spike
  std::vector<int64_t> sinks;         ///< the layers with a sink, in their order

  int64_t first_spike() const { return writers.front().spike; }
  int64_t last_spike() const { return writers.back().spike; }
};

/// What a claim measures on in one call, and what it has declared there.
class Claim : public Context {
 public:
  explicit Claim(Context context) : Context(std::move(context)) {}
  virtual ~Claim() = default;
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  // Each ends the call with a sentence where the model has none; what was declared before is kept.
  const std::vector<int64_t>& sinks() const;  ///< the survey's layers with a sink
  int64_t spike() const;                      ///< the dominant spike's layer
  DominantStage dominant_stage() const;
  Stage stage() const;  ///< that this call is bound to
  [[noreturn]] static void unmet(const std::string& why);

  /// Declares a forward pass: the condition's model on its inputs, changed by the patches. Ends the call where the
  /// model has fewer positions.
  Run run(const Condition& on, std::vector<Patch> patches = {});
  /// Registers what is called once the passes are over.
  void report(std::function<void(Measure&)> report) { reports_.push_back(std::move(report)); }

  // The runner's side.
  using Procedure = std::function<void(Claim&)>;
  void declare(const Procedure& procedure);   ///< calls it; an unmet precondition ends it and is reported
  void describe(const Procedure& procedure);  ///< the same; an unmet precondition ends it and touches no verdict
  const Plan& plan() const { return plan_; }
  virtual Measurement measure() const;  ///< what the reports say; once the plan has run

 protected:
  std::optional<std::string> unmet_;

 private:
  Plan plan_;
  std::vector<std::function<void(Measure&)>> reports_;
  size_t judged_reports_ = 0;  // the first ones; those of described functions come after them
};

/// A claim about training, which is called once its arms are trained. Its metrics have one value per seed.
class TrainingClaim : public Claim {
 public:
  explicit TrainingClaim(Context context);

  const TrainingResults& trained() const { return *training; }
  /// These arms, each at its own best learning rate; ends the call with a sentence where one of them was not trained.
  ComparedArms compared(const std::vector<std::string>& needed) const;
  /// All arms of the YAML, of these runs: its first two, which are the baseline and the arm that is judged, with the
  /// seeds that both have, and the others beside them.
  ComparedArms all_arms(const RunsByArm& runs) const;
  /// Declares a forward pass of one kept state of a run.
  Run run(const TrainedModel& kept, const Tokens& tokens);
  void report(std::function<void(SeedMeasure&)> report) { reports_.push_back(std::move(report)); }
  Measurement measure() const override;

 private:
  std::vector<std::function<void(SeedMeasure&)>> reports_;
};

/// A claim's functions and what they read.
struct ClaimProcedures {
  bool trains = false;
  Claim::Procedure judged = {};
  std::vector<Claim::Procedure> described = {};
  std::vector<std::string> parameters = {};  ///< dotted keys
};

/// By claim id.
const std::map<std::string, ClaimProcedures>& claim_registry();

/// Calls the claim's function and, where more than what is judged is wanted, those that describe what is around it.
std::unique_ptr<Claim> declare_claim(const ClaimProcedures& procedures, Context context);
std::unique_ptr<Claim> declare_claim(const std::string& id, Context context);

/// Error with "did you mean" on the first parameter that the claim's functions do not read.
void check_parameters(const std::string& id, const Parameters& parameters);

/// `parameters` as in REPLICATE_CLAIM. Error if the id is taken: of two claims with one id only one would run.
void register_claim(const std::string& id, void (*procedure)(Claim&), const std::vector<std::string>& parameters);
void register_claim(const std::string& id, void (*procedure)(TrainingClaim&),
                    const std::vector<std::string>& parameters);
void register_description(const std::string& id, void (*procedure)(Claim&), const std::vector<std::string>& parameters);
void register_description(const std::string& id, void (*procedure)(TrainingClaim&),
                          const std::vector<std::string>& parameters);

/// Registers the function `id`, in the file of the claim of that id. After it: the parameters that it reads, by their
/// dotted keys. The name of a condition (natural, random, repeated, bos, null_model) stands for the condition's
/// sequences and length.
#define REPLICATE_CLAIM(id, ...) \
  [[maybe_unused]] static const bool registered_##id = (::replicate::register_claim(#id, &id, {__VA_ARGS__}), true)

/// Registers a second function of the claim `id`, in experiments/described: what it reports stands in the same record,
/// is not judged, and is left out of variations.
#define REPLICATE_DESCRIPTION(id, function, ...)             \
  [[maybe_unused]] static const bool registered_##function = \
      (::replicate::register_description(#id, &function, {__VA_ARGS__}), true)

}  // namespace replicate
