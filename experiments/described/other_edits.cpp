// What else the super neurons could write, and where, beside the claim falsification. Zero, their mean over the other
// positions, random vectors of the same norm (densify) and the same entries in another order (permute): at position 0,
// at all others, everywhere; and at position 0 for the writers of all spikes, because a second route may open. The loss
// under an edit tells a lost sink from a broken model.
// Cost: 14 edits that cost the layers from their spike on, and the head for eleven passes; fewer with a single spike.

#include <algorithm>

#include "harness/study/claim.h"
#include "harness/study/measures/sink_under_edits.h"
#include "harness/study/measures/text_loss.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

/// What the edits change in one spike's layer.
struct Writes {
  int64_t layer = 0;
  std::vector<int64_t> neurons;
  std::string elsewhere;  // the recording of their activations at positions 1..T-1 of the untouched pass
  Tensor columns;         // [neurons, D] of W_down
};

Writes writes_of(const SpikeWriters& writers, const Claim& claim, const Condition& on, Run& untouched) {
  const LayerRange here{writers.layer, writers.layer};
  const auto down = widened(claim.model->weights->block(writers.layer).down).cpu();  // [D, F]
  auto columns = down.index_select(1, at::tensor(writers.neurons, at::kLong)).t().contiguous();
  claim.model->weights->release(writers.layer);
  const auto name = "elsewhere_layer" + std::to_string(writers.layer);
  const auto elsewhere = untouched.record({name, Site::hidden, here, all_but_the_first(on.length()), writers.neurons});
  return {writers.layer, writers.neurons, elsewhere, std::move(columns)};
}

/// Random vectors of the columns' norms: [neurons, D].
Tensor dense(const Tensor& columns, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed);
  const auto random = at::randn(columns.sizes(), generator, at::kFloat);
  const auto norm = [](const Tensor& rows) { return at::linalg_vector_norm(rows, 2, {1}, true); };
  return random * (norm(columns) / norm(random));
}

/// Each column's entries in another order: [neurons, D].
Tensor permuted(const Tensor& columns, uint64_t seed) {
  Random random(seed);
  std::vector<Tensor> rows;
  for (int64_t n = 0; n < columns.size(0); ++n) {
    rows.push_back(columns[n].index_select(0, at::tensor(random.permutation(columns.size(1)), at::kLong)));
  }
  return at::stack(rows);
}

std::vector<std::vector<float>> to_rows(const Tensor& matrix) {
  std::vector<std::vector<float>> rows;
  for (int64_t i = 0; i < matrix.size(0); ++i) {
    rows.push_back(to_vector<float>(matrix[i]));
  }
  return rows;
}

Patch edited(const std::string& edit, const Writes& writes, const std::vector<int64_t>& positions, uint64_t seed) {
  const LayerRange here{writes.layer, writes.layer};
  if (edit == "zero") return zero_neurons(writes.layer, writes.neurons, positions);
  if (edit == "mean") {
    return Transplant{.site = Site::hidden,
                      .layers = here,
                      .positions = positions,
                      .dimensions = writes.neurons,
                      .source = writes.elsewhere,
                      .combine = Combine::position_mean};
  }
  const auto drawn = derive_seed(seed, "falsification/" + edit + "/" + std::to_string(here.first));
  const auto wanted = (edit == "densify" ? dense : permuted)(writes.columns, drawn);
  return WriteEdit{here, positions, writes.neurons, to_rows(wanted - writes.columns)};
}

/// Declares passes on one condition and registers their reports.
class Edits {
 public:
  Edits(Claim& claim, const DominantStage& stage)
      : claim_(claim), on_(claim.primary()), layers_(stage.sinks), untouched_(edit_sink(claim, on_, "", {})) {
    auto run = claim.run(on_);
    for (const auto& writers : claim.survey.writers) spikes_.push_back(writes_of(writers, claim, on_, run));
    dominant_ = std::ranges::find(spikes_, stage.writers.layer, &Writes::layer) - spikes_.begin();
  }

  void declare(const std::string& edit) {
    const bool is_judged = edit == "zero";  // declared by the claim: only its loss is missing
    const auto name = "_" + edit;
    const auto elsewhere = all_but_the_first(on_.length());
    if (is_judged) add_loss("", {});
    if (is_judged) add_loss(name + "_elsewhere", {patch(edit, elsewhere)});
    if (!is_judged) add(name + "_elsewhere", {patch(edit, elsewhere)});
    if (!is_judged) add(name, {patch(edit, {0})});
    add_loss(name, {patch(edit, {0})});
    add(name + "_everywhere", {patch(edit, {})});
    if (is_judged) add_loss(name + "_everywhere", {patch(edit, {})});
    if (spikes_.size() > 1) add_all(edit, name + "_all");
  }

 private:
  /// Of the dominant spike's writers; no position means every one.
  Patch patch(const std::string& edit, const std::vector<int64_t>& positions) const {
    return edited(edit, spikes_[dominant_], positions, claim_.seed);
  }

  void add_all(const std::string& edit, const std::string& suffix) {
    std::vector<Patch> patches;
    for (const auto& spike : spikes_) patches.push_back(edited(edit, spike, {0}, claim_.seed));
    const auto one = add(suffix, patches);
    add_loss(suffix, std::move(patches));
    if (edit != "zero") return;
    claim_.report(
        [one, on = on_](Measure& measure) { note_what_is_left(on, one, "Super neurons of all spikes", measure); });
  }

  SinkUnderEdit add(const std::string& suffix, std::vector<Patch> patches) {
    const auto one = edit_sink(claim_, on_, suffix, std::move(patches));
    claim_.report([one, on = on_, untouched = untouched_, layers = layers_](Measure& measure) {
      report_edit(on, one, &untouched, layers, measure);
    });
    return one;
  }

  void add_loss(const std::string& suffix, std::vector<Patch> patches) {
    const auto loss = claim_.run(on_, std::move(patches)).add(std::make_shared<TextLoss>(on_.tokens));
    claim_.report([=, on = on_](Measure& measure) { measure.mean("loss" + suffix, on, loss->values()); });
  }

  Claim& claim_;
  Condition on_;
  std::vector<int64_t> layers_;
  SinkUnderEdit untouched_;
  std::vector<Writes> spikes_;
  int64_t dominant_ = 0;  // index in spikes_
};

void other_edits(Claim& claim) {
  Edits edits(claim, claim.dominant_stage());
  for (const std::string edit : {"zero", "mean", "densify", "permute"}) edits.declare(edit);
}

REPLICATE_DESCRIPTION(falsification, other_edits, "queries");

}  // namespace
}  // namespace replicate
