// In the FFN of a spike's layer a few hidden neurons with outlying W_gate and W_up rows fire for position 0 alone and
// write the spike through heavy-tailed W_down columns (paper, figures 8 to 10; Llama-2-7B: neuron 7890 into dimension
// 2533). The survey picks the neurons by a rule; on other sequences, judged is how much of the FFN's output at position
// 0 they write, and whether position 0 points along their W_gate rows more than other positions do (figure 9). Control:
// the same rule in the layer across which position 0's relative norm grows most, away from any spike. Cost: one forward
// pass. experiments/described/super_neurons.cpp has all layers and each neuron.

#include <algorithm>
#include <map>

#include "harness/study/claim.h"
#include "harness/study/measures/neuron_probes.h"
#include "harness/study/measures/neuron_traces.h"

namespace replicate {
namespace {

using Indices = std::vector<int64_t>;

/// The neurons of one layer that met the survey's rule, which may be none.
Indices picked(const StageWriters& writers) { return writers.by_rule ? writers.neurons : Indices{}; }

/// Share of the FFN's output at position 0 that these neurons write together, sum z_0 (w_down . D) / |D|^2: [B].
Tensor written_by(const NeuronProbe& probe, int64_t layer, const Indices& neurons) {
  return probe.written_share(layer).index_select(1, at::tensor(neurons, at::kLong)).sum(1);
}

/// Cosine of the FFN's input with W_gate's row at position 0, minus the mean over the others, mean over the neurons:
/// [B].
Tensor gate_cosine_contrast(const NeuronTraces& traces, int64_t layer) {
  const auto cosine = traces.gate_cosine(layer);  // [B, T, N]
  return (cosine.select(1, 0) - cosine.slice(1, 1).mean(1)).mean(1);
}

/// Positions >= 1 at which some neuron reaches half of its activation at position 0: [B, T - 1].
Tensor fires_elsewhere(const NeuronTraces& traces, int64_t layer) {
  const auto size = traces.activation(layer);  // [B, T, N]
  return (size.slice(1, 1) > size.slice(1, 0, 1) / 2).any(2);
}

std::string listed(const Indices& numbers) {
  std::string text;
  for (const auto number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text.empty() ? "none" : text;
}

std::string what_was_picked(const StageWriters& writers) {
  return "Layer " + std::to_string(writers.spike) +
         ": neurons that meet the survey's rule: " + listed(picked(writers)) + ".";
}

std::string what_stands_in(const StageWriters& writers) {
  return "Other claims use the neurons with the largest |z_0| |w_down| as super neurons: " + listed(writers.neurons) +
         ".";
}

/// The ids at which the neurons fire most often, such as delimiters.
std::string where_they_fire(const Condition& on, const Tensor& elsewhere) {
  constexpr size_t kShown = 5;
  const auto ids = on.tokens->ids.slice(1, 1).masked_select(elsewhere);
  std::map<int64_t, int64_t> times;
  for (int64_t i = 0; i < ids.numel(); ++i) ++times[ids[i].item<int64_t>()];
  std::vector<std::pair<int64_t, int64_t>> ranked(times.begin(), times.end());
  std::ranges::stable_sort(ranked, [](const auto& a, const auto& b) { return a.second > b.second; });
  if (ranked.size() > kShown) ranked.resize(kShown);
  std::string text = "The super neurons reach half of their activation at " + std::to_string(ids.numel()) + " of " +
                     std::to_string(elsewhere.numel()) + " other positions";
  for (const auto& [id, count] : ranked) {
    text += (id == ranked.front().first ? "; most often at token ids " : ", ") + std::to_string(id) + " (" +
            std::to_string(count) + " times)";
  }
  return text + ".";
}

/// What is seen of the picked neurons at every position.
void judge_traces(Claim& claim, const Condition& on, const StageWriters& writers) {
  const auto layer = writers.spike;
  const auto traces =
      claim.run(on).add(std::make_shared<NeuronTraces>(NeuronTraces::NeuronsByLayer{{layer, writers.neurons}}));
  claim.report([=](Measure& measure) {
    measure.judged("super_neurons_gate_cosine_contrast", on, gate_cosine_contrast(*traces, layer));
    const auto elsewhere = fires_elsewhere(*traces, layer);
    measure.mean("super_neurons_fire_elsewhere", on, elsewhere.sum(1).to(at::kDouble));
    measure.note(where_they_fire(on, elsewhere));
  });
}

/// The share that the neurons which the rule picked in one layer write.
void judge_share(Claim& claim, const Condition& on, const std::string& name, const StageWriters& writers) {
  const auto probe = claim.run(on).add(std::make_shared<NeuronProbe>(Indices{writers.spike}));
  claim.report([=](Measure& measure) {
    measure.judged(name, on, written_by(*probe, writers.spike, picked(writers)));
    measure.note(what_was_picked(writers));
  });
}

void super_neuron_alignment(Claim& claim) {
  if (!claim.config().gated_ffn) {
    Claim::unmet("the FFN has no gate: super neurons are defined by rows of W_gate and W_up");
  }
  const auto writers = claim.stage().writers.front();
  const auto on = claim.primary();
  require_other_positions(on, "super_neuron_alignment");
  judge_share(claim, on, "super_neurons_written_share", writers);
  if (writers.by_rule) {
    judge_traces(claim, on, writers);
  } else {
    claim.report([=](Measure& measure) { measure.note(what_stands_in(writers)); });
  }
  if (const auto& apart = claim.survey.writers_apart) {
    judge_share(claim, on, "written_share_apart_from_spikes", *apart);
  } else {
    claim.report(
        [](Measure& measure) { measure.note("Every layer is a spike or next to one, so there is no control."); });
  }
}

REPLICATE_CLAIM(super_neuron_alignment, "natural");

}  // namespace
}  // namespace replicate
