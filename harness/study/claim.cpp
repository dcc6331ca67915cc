#include "harness/study/claim.h"

#include <algorithm>
#include <stdexcept>

#include "base/error.h"

namespace replicate {
namespace {

/// Ends a claim's function. Thrown by a report, it is that claim's error.
struct Unmet : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::map<std::string, ClaimProcedures>& registry() {
  static std::map<std::string, ClaimProcedures> all;
  return all;
}

/// A condition's name becomes the keys of its shape.
void add_keys(const std::vector<std::string>& parameters, std::vector<std::string>& keys) {
  for (const auto& name : parameters) {
    if (std::ranges::find(kConditions, name) == std::end(kConditions)) {
      keys.push_back(name);
    } else {
      keys.insert(keys.end(), {name + ".sequences", name + ".length"});
    }
  }
}

void register_judged(const std::string& id, bool trains, Claim::Procedure procedure,
                     const std::vector<std::string>& parameters) {
  auto& claim = registry()[id];
  if (claim.judged) {
    throw Error("two claims are registered under the id '" + id + "'", "experiments", "give one of them another id");
  }
  claim.trains = trains;
  claim.judged = std::move(procedure);
  add_keys(parameters, claim.parameters);
}

void register_described(const std::string& id, Claim::Procedure procedure, const std::vector<std::string>& parameters) {
  auto& claim = registry()[id];
  claim.described.push_back(std::move(procedure));
  add_keys(parameters, claim.parameters);
}

Claim::Procedure about_training(void (*procedure)(TrainingClaim&)) {
  return [procedure](Claim& claim) { procedure(dynamic_cast<TrainingClaim&>(claim)); };
}

/// What it reports would be lost on a claim about training.
Claim::Procedure about_a_model(void (*procedure)(Claim&)) {
  return [procedure](Claim& claim) {
    if (claim.training) throw Error("a claim about training has a description about a model", "experiments", kDefect);
    procedure(claim);
  };
}

/// Forward passes that hold the same values at every site.
bool are_equal(const Lane& a, const Lane& b) {
  return a.model == b.model && a.tokens == b.tokens && a.patches == b.patches;
}

}  // namespace

std::string Run::record(Recording recording) {
  auto& own = (*plan_)[lane_];
  if (recording.name.empty()) {
    for (const auto& lane : *plan_) {
      if (!are_equal(lane, own)) continue;
      for (const auto& kept : lane.recordings) {
        recording.name = kept.name;
        if (recording == kept) return kept.name;
      }
    }
    recording.name = "pass" + std::to_string(lane_) + "_" + std::to_string(own.recordings.size());
  }
  return own.recordings.emplace_back(std::move(recording)).name;
}

const std::vector<int64_t>& Claim::sinks() const {
  if (survey.sinks.sink_layers.empty()) {
    unmet("no sink: the survey found no layer with excess attention to position 0");
  }
  return survey.sinks.sink_layers;
}

int64_t Claim::spike() const {
  const auto spike = survey.sinks.dominant_spike;
  if (spike == 0) unmet("no spike: the survey found no layer that blows up position 0's norm");
  return spike;
}

DominantStage Claim::dominant_stage() const {
  sinks();
  const auto spike = survey.sinks.dominant_spike;
  if (spike == 0) unmet("no spike: no layer blows up the norm of position 0");
  auto after = survey.sinks.sink_layers_after(spike);
  if (after.empty()) unmet("no sink after the dominant spike in layer " + std::to_string(spike));
  return {survey.writers_of(spike), std::move(after)};
}

Stage Claim::stage() const {
  if (stages.empty()) unmet("no spike with a sink after it");
  Stage stage;
  for (const auto& one : stages) {
    stage.writers.push_back(survey.stage_writers_of(one.spike));
    stage.sinks.insert(stage.sinks.end(), one.sinks.begin(), one.sinks.end());
  }
  return stage;
}

void Claim::unmet(const std::string& why) { throw Unmet(why); }

Run Claim::run(const Condition& on, std::vector<Patch> patches) {
  if (const auto most = on.model->config.learned_positions; most > 0 && on.length() > most) {
    unmet("the model has " + std::to_string(most) + " positions, and " + std::to_string(on.length()) +
          " are asked for");
  }
  plan_.push_back({on.model, on.tokens, std::move(patches), {}});
  return {plan_, plan_.size() - 1};
}

void Claim::declare(const Procedure& procedure) {
  try {
    procedure(*this);
  } catch (const Unmet& precondition) {
    unmet_ = precondition.what();
  }
  judged_reports_ = reports_.size();
}

void Claim::describe(const Procedure& procedure) {
  try {
    procedure(*this);
  } catch (const Unmet&) {  // what is not judged has no say in the verdict
  }
}

Measurement Claim::measure() const {
  Measure measure(bootstrap);
  for (size_t i = 0; i < reports_.size(); ++i) {
    // What a described function reports is about no stage.
    if (i == judged_reports_ && !stages.empty()) measure.place("spike", spike_of(stages));
    reports_[i](measure);
  }
  if (reports_.size() == judged_reports_ && !stages.empty()) measure.place("spike", spike_of(stages));
  if (unmet_) measure.unmet(*unmet_);
  return measure.take();
}

TrainingClaim::TrainingClaim(Context context) : Claim(std::move(context)) {
  if (!training) throw Error("nothing was trained for a training claim", "training", "correct the runner");
}

ComparedArms TrainingClaim::compared(const std::vector<std::string>& needed) const {
  ComparedArms compared(training->own_rate, needed);
  if (const auto missing = compared.missing(needed); !missing.empty()) unmet(missing);
  return compared;
}

ComparedArms TrainingClaim::all_arms(const RunsByArm& runs) const {
  const auto judged = arms.begin() + std::min<std::ptrdiff_t>(2, std::ssize(arms));
  return {runs, {arms.begin(), judged}, {judged, arms.end()}};
}

Run TrainingClaim::run(const TrainedModel& kept, const Tokens& tokens) { return Claim::run({tokens, kept.model, ""}); }

Measurement TrainingClaim::measure() const {
  SeedMeasure measure;
  for (const auto& report : reports_) report(measure);
  if (unmet_) measure.unmet(*unmet_);
  return measure.take();
}

const std::map<std::string, ClaimProcedures>& claim_registry() { return registry(); }

std::unique_ptr<Claim> declare_claim(const std::string& id, Context context) {
  return declare_claim(registry().at(id), std::move(context));
}

std::unique_ptr<Claim> declare_claim(const ClaimProcedures& procedures, Context context) {
  const bool describes = context.reports_others;
  auto claim = procedures.trains ? std::make_unique<TrainingClaim>(std::move(context))
                                 : std::make_unique<Claim>(std::move(context));
  claim->declare(procedures.judged);
  if (describes) {
    for (const auto& procedure : procedures.described) claim->describe(procedure);
  }
  return claim;
}

void check_parameters(const std::string& id, const Parameters& parameters) {
  parameters.allow(registry().at(id).parameters);
}

void register_claim(const std::string& id, void (*procedure)(Claim&), const std::vector<std::string>& parameters) {
  register_judged(id, false, procedure, parameters);
}

void register_claim(const std::string& id, void (*procedure)(TrainingClaim&),
                    const std::vector<std::string>& parameters) {
  register_judged(id, true, about_training(procedure), parameters);
}

void register_description(const std::string& id, void (*procedure)(Claim&),
                          const std::vector<std::string>& parameters) {
  register_described(id, about_a_model(procedure), parameters);
}

void register_description(const std::string& id, void (*procedure)(TrainingClaim&),
                          const std::vector<std::string>& parameters) {
  register_described(id, about_training(procedure), parameters);
}

}  // namespace replicate
