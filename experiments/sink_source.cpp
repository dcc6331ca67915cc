// The first position makes the sink, whatever token stands there, and needs neither BOS nor a text after it (rival
// accounts of the sink; beyond the paper). Position 0 sees only itself, so whether a token becomes the spike's long
// vector can be asked of the token alone, in a sequence of length one. Of a draw of ordinary ids more than 95% have to
// be many times as long after the stage's spike as other positions of the survey's texts are there. And on passages
// without BOS position 0 has to draw attention in the stage's sink layers, more than half of what BOS draws in its
// place.
// Cost: a forward pass of each drawn id to the spike, and of the passages without and with BOS.
// experiments/described/first_tokens.cpp has other tokens at position 0, and BOS in the middle of a text.

#include <algorithm>

#include "harness/study/claim.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// Norm of position 0 after each spike of the stage: [ids] per layer.
std::shared_ptr<Watch> watch_norm_after_spikes(const Stage& stage) {
  std::vector<int64_t> spikes;
  for (const auto& writers : stage.writers) spikes.push_back(writers.spike);
  return only_in(spikes, watch(Site::block_output, [](const Tensor& hidden) {  // [b, 1, D]
                   return at::linalg_vector_norm(hidden.select(1, 0), 2, {-1}, false, at::kDouble);
                 }));
}

/// 1 for each id that is `times` as long after every spike of the stage as the survey's other positions, else 0.
void judge_tokens_alone(Claim& claim, const Stage& stage) {
  const Condition alone{claim.maker->one_token_each(claim.parameters.integer("most_ids")), claim.model, ""};
  const auto norms = claim.run(alone).add(watch_norm_after_spikes(stage));
  const auto times = claim.parameters.real("times_others");
  claim.report([=, others = claim.survey.rest_norm](Measure& measure) {
    auto is_long = at::ones({alone.tokens->sequences()}, at::kDouble);
    for (const auto& writers : stage.writers) {
      const auto spike = writers.spike;
      is_long *= norms->layer(spike).ge(times * others[static_cast<size_t>(spike)]);
    }
    measure.judged("long_when_alone", alone, is_long, {}, {0, 1});
  });
}

/// Excess attention to position 0, mean over the stage's sink layers: [B], once the passes are over.
std::function<Tensor()> watch_excess(Claim& claim, const Stage& stage, const Condition& on) {
  const auto column = claim.run(on).add(watch_columns({0}));
  return [=] { return mean_over_layers(excess_attention(column->layers().select(2, 0), 0, on.length()), stage.sinks); };
}

void judge_passages(Claim& claim, const Stage& stage) {
  const auto plain = claim.primary_without_bos();
  if (plain.tokens->bos) Claim::unmet("the given sequences begin with BOS");
  require_other_positions(plain, "sink_source");
  const auto without = watch_excess(claim, stage, plain);
  claim.report([=](Measure& measure) { measure.judged("excess_without_bos", plain, without()); });
  if (claim.given || !claim.maker->has_bos()) return;
  const auto with = watch_excess(claim, stage, claim.primary_with_bos());
  const auto share = claim.parameters.real("share_of_bos");
  claim.report(
      [=](Measure& measure) { measure.judged("excess_without_bos_beyond_share", plain, without() - share * with()); });
}

void sink_source(Claim& claim) {
  const auto stage = claim.stage();
  judge_tokens_alone(claim, stage);
  judge_passages(claim, stage);
}

REPLICATE_CLAIM(sink_source, "judged_on", "natural", "random", "most_ids", "times_others", "share_of_bos");

}  // namespace
}  // namespace replicate
