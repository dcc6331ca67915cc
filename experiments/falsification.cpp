// If the dominant spike's super neurons and what they write make the sink, then taking that away at position 0 has
// to make it go, or move, and taking it away elsewhere must not (what the referee asked for; the paper has no
// figure of it). What the super neurons write is edited at position 0, at all others, everywhere; and at position 0
// for the writers of all spikes, because a second route may open. Controls: the same edit elsewhere, and as many
// neurons of that layer that contribute alike at other positions.
// Cost: one forward pass; 17 edits that cost the layers from their spike on; the head for eleven lanes.

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// max|h| / mean|h| of position 0: [b, T, D] -> [b].
Tensor first_dominance(const Tensor& hidden) {
  const auto magnitude = hidden.select(1, 0).abs();
  return magnitude.amax(-1).to(at::kDouble) / magnitude.mean(-1, false, at::kDouble);
}

/// Mean attention, over heads and the queries behind it, that each column gets which at least `queries` of them
/// see: [b, T - queries].
Watch::OnAttention received_from(int64_t queries) {
  return [queries](const AttentionStatistics& statistics) {
    const auto received = statistics.received.mean(1, false, at::kDouble);  // [b, T]
    const auto length = received.size(1);
    const auto seen_by = at::arange(length - 1, queries - 1, -1, received.options());
    return received.slice(1, 0, length - queries) / seen_by;
  };
}

/// Mean cross-entropy of the next token, per sequence. One sequence at a time, so that nothing as large as the
/// batch's logits is made beside them.
class TextLoss : public Probe {
 public:
  explicit TextLoss(Tokens tokens) : tokens_(std::move(tokens)) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override {
    return layer == layers + 1 ? ProbeNeeds{.sites = {Site::logits}} : ProbeNeeds{};
  }

  void observe(const Place& place, Site, const Tensor& logits) override {
    for (int64_t b = 0; b < logits.size(0); ++b) {
      const auto next = tokens_->select(0, place.first_sequence + b).slice(0, 1).to(logits.device());
      const auto predicted = logits.select(0, b).slice(0, 0, -1).to(at::kFloat);  // [T - 1, V]
      const auto right = predicted.gather(1, next.unsqueeze(1)).squeeze(1);
      losses_.push_back((predicted.logsumexp(1) - right).mean(0, false, at::kDouble));
    }
  }

  Tensor values() const { return at::stack(losses_).cpu(); }  // [B]

 private:
  Tokens tokens_;
  std::vector<Tensor> losses_;
};

/// One lane and what is seen of it.
struct Observed {
  std::string suffix;                   // "" untouched, "_zero", "_mean_elsewhere", ...
  std::shared_ptr<Watch> received;      // [B, L, C] mean attention to each column
  std::shared_ptr<Watch> dominance;     // [B, L] of position 0
  std::shared_ptr<TextLoss> loss = {};  // of some lanes

  Tensor to_first() const { return received->layers().select(2, 0); }
  Tensor largest() const { return received->layers().amax(2); }  // [B, L]
  /// The column that gets most in each layer, median over sequences: [L].
  Tensor position() const { return std::get<0>(received->layers().argmax(2).median(0)).to(at::kDouble); }
};

/// The untouched lane of some inputs first, then its edits.
struct Compared {
  Condition condition;
  std::vector<Observed> lanes;
};

/// What the edits change in one spike's layer.
struct Writes {
  int64_t layer = 0;
  std::vector<int64_t> neurons;
  std::shared_ptr<Recording> elsewhere;  // their activations at positions 1..T-1 of the untouched lane
  Tensor columns;                        // [neurons, D] of W_down
};

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
    const auto row = matrix[i].contiguous();
    rows.emplace_back(row.const_data_ptr<float>(), row.const_data_ptr<float>() + row.numel());
  }
  return rows;
}

/// "13, 14, 16"
std::string listed(const std::vector<int64_t>& layers) {
  std::string text;
  for (const auto layer : layers) text += (text.empty() ? "" : ", ") + std::to_string(layer);
  return text;
}

class Falsification : public Experiment {
 public:
  Plan plan(const Context& context) override {
    if (!unmet(context).empty()) return {};
    queries_ = context.parameters.integer("queries");
    const auto primary = context.primary();
    compare(primary, context);
    if (context.reports_others) report_edits(primary, context);
    if (const auto random = context.condition("random")) compare(*random, context);
    return std::move(plan_);
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    if (const auto why = unmet(context); !why.empty()) {
      measure.unmet(why);
      return measure.take();
    }
    const auto& sinks = context.survey.sinks;
    const auto layers = sinks.sink_layers_after(sinks.dominant_spike);
    for (const auto& one : compared_) {
      for (const auto& lane : one.lanes) series(one.condition, lane, measure);
      for (const auto& lane : one.lanes) over_sink_layers(one, lane, layers, measure);
    }
    const auto& judged = compared_.front();
    for (const auto& lane : judged.lanes) {
      if (lane.suffix == "_zero") remark(judged.condition, lane, "Super neurons of the dominant spike", measure);
      if (lane.suffix == "_zero_all") remark(judged.condition, lane, "Super neurons of all spikes", measure);
    }
    return measure.take();
  }

 private:
  static std::string unmet(const Context& context) {
    const auto& sinks = context.survey.sinks;
    if (sinks.sink_layers.empty()) {
      return "no sink: the survey found no layer with excess attention to position 0";
    }
    if (sinks.dominant_spike == 0) return "no spike: no layer blows up the norm of position 0";
    if (sinks.sink_layers_after(sinks.dominant_spike).empty()) {
      return "no sink behind the dominant spike in layer " + std::to_string(sinks.dominant_spike);
    }
    return {};
  }

  static std::vector<int64_t> elsewhere(const Condition& condition) {
    std::vector<int64_t> positions(condition.inputs.record.length - 1);
    std::iota(positions.begin(), positions.end(), 1);
    return positions;
  }

  // --- What runs ------------------------------------------------------------------------------------------

  void add(Compared& to, const std::string& suffix, std::vector<Patch> patches, bool loss = false) {
    const auto& tokens = to.condition.inputs.tokens;
    Observed one{suffix, watch_attention({.received = true}, received_from(queries_)),
                 watch(Site::block_input, first_dominance)};
    plan_.push_back({to.condition.model, tokens, std::move(patches), {one.received, one.dominance}});
    if (loss) plan_.back().probes.push_back(one.loss = std::make_shared<TextLoss>(tokens));
    to.lanes.push_back(std::move(one));
  }

  static Patch zero(int64_t layer, const std::vector<int64_t>& neurons, const std::vector<int64_t>& positions) {
    if (neurons.empty()) throw Error("no neuron is named", "falsification", "correct the survey");
    return AffinePatch{Site::hidden, {layer, layer}, positions, neurons, 0, {}};
  }

  /// What is judged: the untouched lane, the edit, and its two controls.
  void compare(const Condition& condition, const Context& context) {
    const auto length = condition.inputs.record.length;
    if (queries_ < 1 || length < queries_ + 2) {
      throw Error("no column but the first is seen by " + std::to_string(queries_) + " queries in sequences of " +
                      std::to_string(length),
                  "falsification", "use longer sequences or fewer queries");
    }
    const auto& writers = context.survey.writers_of(context.survey.sinks.dominant_spike);
    const auto zeroed = [&](const std::vector<int64_t>& neurons, const std::vector<int64_t>& positions) {
      return std::vector<Patch>{zero(writers.layer, neurons, positions)};
    };
    const bool loss = context.reports_others && compared_.empty();  // random ids are no text
    auto& one = compared_.emplace_back(Compared{condition, {}});
    add(one, "", {}, loss);
    add(one, "_zero", zeroed(writers.neurons, {0}), loss);
    add(one, "_zero_elsewhere", zeroed(writers.neurons, elsewhere(condition)), loss);
    add(one, "_zero_matched", zeroed(writers.matched_neurons, {0}));
  }

  /// The other edits, and each of them everywhere and for all spikes.
  void report_edits(const Condition& primary, const Context& context) {
    auto& one = compared_.front();
    std::vector<Writes> spikes;
    for (const auto& writers : context.survey.writers) spikes.push_back(writes(writers, primary, context));
    const auto& dominant = *std::find_if(spikes.begin(), spikes.end(), [&](const Writes& spike) {
      return spike.layer == context.survey.sinks.dominant_spike;
    });
    const std::vector<int64_t> everywhere;  // no position named: all of them
    for (const std::string edit : {"zero", "mean", "densify", "permute"}) {
      const auto patch = [&](const Writes& writes, const std::vector<int64_t>& positions) {
        return edited(edit, writes, positions, context);
      };
      const auto name = "_" + edit;
      const bool judged = edit == "zero";  // and planned by `compare`
      if (!judged) add(one, name, {patch(dominant, {0})}, /*loss=*/true);
      if (!judged) add(one, name + "_elsewhere", {patch(dominant, elsewhere(primary))});
      add(one, name + "_everywhere", {patch(dominant, everywhere)}, judged);
      if (spikes.size() < 2) continue;
      std::vector<Patch> patches;
      for (const auto& spike : spikes) patches.push_back(patch(spike, {0}));
      add(one, name + "_all", std::move(patches), /*loss=*/true);
    }
  }

  Writes writes(const SpikeWriters& writers, const Condition& primary, const Context& context) {
    Writes one{writers.layer, writers.neurons, nullptr, {}};
    one.elsewhere =
        std::make_shared<Recording>(Site::hidden, LayerRange{one.layer, one.layer}, elsewhere(primary), one.neurons);
    plan_.front().probes.push_back(one.elsewhere);                                   // the untouched lane
    const auto down = widened(context.model->weights->block(one.layer).down).cpu();  // [D, F]
    one.columns = down.index_select(1, at::tensor(one.neurons, at::kLong)).t().contiguous();
    context.model->weights->release(one.layer);
    return one;
  }

  static Patch edited(const std::string& edit, const Writes& writes, const std::vector<int64_t>& positions,
                      const Context& context) {
    const LayerRange here{writes.layer, writes.layer};
    if (edit == "zero") return zero(writes.layer, writes.neurons, positions);
    if (edit == "mean") {
      return Transplant{.site = Site::hidden,
                        .layers = here,
                        .positions = positions,
                        .dimensions = writes.neurons,
                        .source = writes.elsewhere,
                        .combine = Combine::position_mean};
    }
    const auto seed = derive_seed(context.seed, "falsification/" + edit + "/" + std::to_string(here.first));
    const auto wanted = (edit == "densify" ? dense : permuted)(writes.columns, seed);
    return WriteEdit{here, positions, writes.neurons, to_rows(wanted - writes.columns)};
  }

  // --- What comes of it -----------------------------------------------------------------------------------

  static void series(const Condition& condition, const Observed& lane, Measure& measure) {
    const auto layers = condition.model->config.layers;
    measure.by_layer("attention_to_first" + lane.suffix, condition, lane.to_first(), layers);
    measure.by_layer("max_column_attention" + lane.suffix, condition, lane.largest(), layers);
    measure.by_layer("dominance_ratio" + lane.suffix, condition, lane.dominance->layers(), layers);
    std::vector<double> x(layers);
    std::iota(x.begin(), x.end(), 1.0);
    measure.curve("sink_position" + lane.suffix, condition, "layer", x, lane.position());
  }

  /// Edits that leave position 0's super neurons alone are no reason for the sink to go anywhere.
  static bool may_move(const std::string& suffix) {
    return !suffix.ends_with("_elsewhere") && !suffix.ends_with("_matched");
  }

  /// Which position is the sink, if any, and how much of one.
  static void where(const Condition& condition, const Observed& lane, const std::vector<int64_t>& layers,
                    Measure& measure) {
    const auto position = mean_over_layers(lane.received->layers(), layers).argmax(1);  // [B]
    measure.mean("max_column_attention" + lane.suffix, condition, mean_over_layers(lane.largest(), layers));
    measure.value("sink_position" + lane.suffix, condition, position.median().item<double>());
    measure.mean("sink_at_first" + lane.suffix, condition, position.eq(0).to(at::kDouble));
  }

  static void over_sink_layers(const Compared& all, const Observed& lane, const std::vector<int64_t>& layers,
                               Measure& measure) {
    const auto& condition = all.condition;
    const auto first = mean_over_layers(lane.to_first(), layers);
    if (lane.suffix.empty()) {
      measure.mean("attention_to_first", condition, first);
    } else {
      const auto name = "attention_to_first" + lane.suffix;
      const auto before = mean_over_layers(all.lanes.front().to_first(), layers);
      measure.of_means({"attention_drop" + lane.suffix, name}, condition, {{name + "_untouched"}, {name}},
                       at::stack({before, first}, 1), [](std::span<const double> means) {
                         return std::vector<double>{1 - means[1] / means[0], means[1]};
                       });
    }
    if (may_move(lane.suffix)) where(condition, lane, layers, measure);
    if (lane.loss) measure.mean("loss" + lane.suffix, condition, lane.loss->values());
  }

  /// Where the sink is when nothing is written at position 0: gone, elsewhere, or back in some layers.
  static void remark(const Condition& condition, const Observed& lane, const std::string& what, Measure& measure) {
    const double uniform = uniform_attention(0, condition.inputs.record.length);
    const auto excess = (lane.to_first().mean(0) - uniform) / (1 - uniform);  // [L]
    std::vector<int64_t> left;
    for (int64_t layer = 1; layer <= excess.size(0); ++layer) {
      if (excess[layer - 1].item<double>() >= kSinkExcess) left.push_back(layer);
    }
    measure.note(
        what + " zeroed at position 0: " +
        (left.empty() ? "no layer has a sink there any more." : "layers " + listed(left) + " have a sink there."));
  }

  Plan plan_;
  int64_t queries_ = 0;  // that must see a column for it to count
  std::vector<Compared> compared_;
};

REPLICATE_EXPERIMENT(falsification, Falsification, "natural", "random", "queries");

}  // namespace
}  // namespace replicate
