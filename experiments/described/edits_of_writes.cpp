// One table of what becomes of the sink when the super neurons of a spike write something else at position 0, for each
// stage and for all together: nothing; as with their mean activation over the other positions; as with their mean at
// position 0 over all texts, which changes nothing where the write is constant; the same norm in a random dense
// direction (densify); the same norm along another dimension (relocate). The loss tells a lost sink from a broken
// model. Cost: per stage, and once for all, five edits that cost the layers from the spike on, and the head for all of
// them but one.

#include <cmath>

#include "harness/study/claim.h"
#include "harness/study/measures/sink_under_edits.h"
#include "harness/study/measures/super_neuron_writes.h"
#include "harness/study/measures/text_loss.h"

namespace replicate {
namespace {

/// A pass and its loss.
struct TablePass {
  std::string edit;
  SinkUnderEdit sink;
  std::shared_ptr<TextLoss> loss;  // null where it would say nothing
};

/// Of one stage, or of all: its part of the table.
struct TablePart {
  int64_t spike = 0;  // 0: all together
  TablePass untouched;
  std::vector<TablePass> edited;
};

TablePass table_pass(Claim& claim, const Condition& on, const Stage& stage, const std::string& edit,
                     std::vector<Patch> patches) {
  auto run = claim.run(on, std::move(patches));
  // A mean over positions knows what comes later, so its loss would be flattered.
  const bool with_loss = on.model->config.has_head && edit != "mean_over_positions";
  return {edit, watch_sink(run, on, stage.sinks, claim.parameters.integer("queries"), claim.survey.sink_excess),
          with_loss ? run.add(std::make_shared<TextLoss>(on.tokens)) : nullptr};
}

TablePart table_part(Claim& claim, const Condition& on, const Stage& stage) {
  const auto edited = [&](const std::string& edit, const EditOfSpike& of_spike) {
    return table_pass(claim, on, stage, edit, at_each_spike(stage, of_spike));
  };
  const auto spike = stage.writers.size() == 1 ? stage.first_spike() : 0;
  TablePart part{spike, table_pass(claim, on, stage, "untouched", {}), {}};
  const auto untouched = claim.run(on);
  part.edited = {edited("zero", zero_write), edited("mean_over_positions", mean_over_positions(untouched, on.length())),
                 edited("mean_over_texts", mean_over_texts(untouched)), edited("densify", densify(on, claim.seed))};
  if (can_relocate(on, stage)) part.edited.push_back(edited("relocate", relocate(on, stage, claim.seed)));
  return part;
}

std::map<std::string, int64_t> place_of(const TablePart& part) { return {{"spike", part.spike}}; }

/// What every pass has.
void report_pass(const Condition& on, const TablePart& part, const TablePass& pass, Measure& measure) {
  const auto name = [&](const std::string& quantity) { return "table_" + quantity + "_" + pass.edit; };
  measure.value(name("dominance_to_rest"), on, pass.sink.dominance_to_rest(), place_of(part));
  measure.mean(name("largest_column"), on, pass.sink.largest_column(), place_of(part));
  if (pass.loss) measure.mean(name("loss"), on, pass.loss->values(), place_of(part));
}

/// What an edit takes from the sink, and where to.
void report_edit(const Condition& on, const TablePart& part, const TablePass& pass, Measure& measure) {
  report_pass(on, part, pass, measure);
  const auto& untouched = part.untouched.sink;
  const auto taken = removal(untouched, pass.sink);
  const auto share = (taken.mean() / untouched.to_first().mean()).item<double>();
  measure.mean("table_removal_" + pass.edit, on, taken, place_of(part));
  measure.value("table_removed_share_" + pass.edit, on, share, place_of(part));
  if (const auto position = shifted_to(untouched, pass.sink)) {
    measure.value("table_shifted_to_" + pass.edit, on, static_cast<double>(*position), place_of(part));
  }
}

std::string percent(double share) { return std::to_string(std::lround(100 * share)) + "%"; }

/// "Attention to position 0 removed, spike of layer 3: zero 88%, densify 28%."
void note_part(const TablePart& part, Measure& measure) {
  const auto before = part.untouched.sink.to_first().mean();
  std::string text;
  for (const auto& pass : part.edited) {
    const auto share = (removal(part.untouched.sink, pass.sink).mean() / before).item<double>();
    const auto position = shifted_to(part.untouched.sink, pass.sink);
    text += (text.empty() ? " " : ", ") + pass.edit + " " + percent(share) +
            (position ? " (shifted to position " + std::to_string(*position) + ")" : "");
  }
  const auto of = part.spike > 0 ? "spike of layer " + std::to_string(part.spike) : std::string("all spikes");
  measure.note("Attention to position 0 removed, " + of + ":" + text + ".");
}

void report_series(const Condition& on, const TablePart& part, const std::string& ending, Measure& measure) {
  const auto draw = [&](const TablePass& pass) {
    const auto suffix = "_" + pass.edit + ending;
    measure.by_layer("edited_attention_to_first" + suffix, on, pass.sink.received->layers().select(2, 0), on.layers());
    measure.by_layer("edited_dominance" + suffix, on, pass.sink.dominance->layers().select(2, 0), on.layers());
    measure.by_layer("edited_largest_column" + suffix, on, pass.sink.received->layers().amax(2), on.layers());
  };
  if (ending.empty()) draw(part.untouched);
  for (const auto& pass : part.edited) draw(pass);
}

/// The claim's stage alone, each other one, and all together.
std::vector<Stage> table_stages(const Claim& claim) {
  std::vector<Stage> stages;
  Stage all;
  for (const auto& one : stages_with_sinks(claim.survey.stages)) {
    stages.push_back({{claim.survey.stage_writers_of(one.spike)}, one.sinks});
    all.writers.push_back(stages.back().writers.front());
    all.sinks.insert(all.sinks.end(), one.sinks.begin(), one.sinks.end());
  }
  if (stages.size() > 1) stages.push_back(std::move(all));
  return stages;
}

void edits_of_writes(Claim& claim) {
  const auto on = claim.primary();
  const auto stages = table_stages(claim);
  for (size_t i = 0; i < stages.size(); ++i) {
    const auto part = table_part(claim, on, stages[i]);
    claim.report([=](Measure& measure) {
      report_pass(on, part, part.untouched, measure);
      for (const auto& pass : part.edited) report_edit(on, part, pass, measure);
      if (i == 0) report_series(on, part, "", measure);
      if (part.spike == 0) report_series(on, part, "_all", measure);
      note_part(part, measure);
      if (i == 0 && !on.model->config.has_head) measure.note("The model has no output head, so there is no loss.");
    });
  }
}

REPLICATE_DESCRIPTION(falsification, edits_of_writes, "queries");

}  // namespace
}  // namespace replicate
