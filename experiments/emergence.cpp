// When do super neuron, spike, sink and rank drop appear in training, and which comes first? (Beyond the paper, which
// looks at finished models.) Also: does a layer that has a selective neuron early have the sink behind it late?
// Descriptive: nothing is judged. What is known is known at the kept states alone.
// Cost: one forward pass for every kept state of every run.

#include "harness/study/compared_arms.h"
#include "harness/study/experiment.h"
#include "harness/study/measures/effective_rank.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// The largest selectivity of any hidden neuron, by layer: mean over sequences of |z_0| over the mean of the largest
/// |z_t| at positions t >= 1.
class LargestSelectivity : public Probe {
 public:
  ProbeNeeds needs(int64_t layer, int64_t layers) const override {
    ProbeNeeds needs;
    if (layer <= layers) needs.sites = {Site::hidden};
    return needs;
  }
  void observe(const Place&, Site, const Tensor& hidden) override {  // [b, T, F]
    const auto magnitude = hidden.abs();
    add(first_, magnitude.select(1, 0));
    add(rest_, magnitude.slice(1, 1).amax(1));
  }
  void finish_layer(int64_t) override {
    largest_.push_back((first_ / rest_.clamp_min(1e-30)).max().item<double>());
    first_ = rest_ = Tensor();
  }

  const std::vector<double>& layers() const { return largest_; }  ///< L values

 private:
  static void add(Tensor& sum, const Tensor& value) {
    const auto total = value.sum(0, false, at::kDouble);  // [F]
    sum = sum.defined() ? sum + total : total;
  }

  Tensor first_, rest_;  // sums over sequences in the layer at hand
  std::vector<double> largest_;
};

/// What is looked at in one kept state.
struct Seen {
  std::shared_ptr<LargestSelectivity> neurons;
  std::shared_ptr<Watch> column;  // [B, L, 1, T]
  std::shared_ptr<Watch> norms;   // [B, L + 1, 3]
  std::shared_ptr<StackedRank> rank;
  int64_t length = 0;

  std::vector<double> selectivity() const { return neurons->layers(); }
  std::vector<double> norm_growth() const {
    const auto means = norms->layers().mean(0);
    const auto ratio = means.select(1, 0) / means.select(1, 2);
    return numbers(ratio.slice(0, 1) / ratio.slice(0, 0, -1));
  }
  std::vector<double> excess() const {
    return numbers(excess_attention(column->layers().select(2, 0), 0, length).mean(0));
  }
  std::vector<double> rank_drop() const {
    const auto ranks = rank->residual();
    return numbers(1 - ranks.slice(0, 1) / ranks.slice(0, 0, -1));
  }
};

/// One of the four: by layer, of a kept state; it is there when its largest value reaches the threshold.
struct Sign {
  std::string what, words, series, parameter;
  std::vector<double> (Seen::*by_layer)() const;
};

const std::vector<Sign> kSigns = {
    {"selective_neuron", "the selective neuron", "largest_selectivity", "thresholds.selectivity", &Seen::selectivity},
    {"spike", "the spike", "largest_norm_growth", "thresholds.norm_growth", &Seen::norm_growth},
    {"sink", "the sink", "max_excess_attention", "thresholds.excess", &Seen::excess},
    {"rank_drop", "the drop of rank", "largest_rank_drop", "thresholds.rank_drop", &Seen::rank_drop},
};

/// In the order of kept steps.
using Along = std::vector<Seen>;

std::vector<double> largest_along(const Along& along, const Sign& sign) {
  std::vector<double> largest;
  for (const auto& seen : along) largest.push_back(std::ranges::max((seen.*sign.by_layer)()));
  return largest;
}

/// Tokens at the first kept state that reaches the threshold; NaN when none does.
double tokens_until(const std::vector<double>& values, const std::vector<double>& tokens, double threshold) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= threshold) return tokens[i];
  }
  return std::numeric_limits<double>::quiet_NaN();
}

/// Across layers l < L: early selectivity in l with late excess attention in l + 1.
double early_predicts(const Seen& early, const Seen& late) {
  auto selectivity = early.selectivity();
  const auto excess = late.excess();
  selectivity.pop_back();
  return spearman(selectivity, std::span(excess).subspan(1));
}

class Emergence : public Experiment {
 public:
  Plan plan(const Context& context) override {
    const auto& training = training_of(context, "emergence");
    arms_.emplace(training.own_rate, context.arms);
    const auto inputs = training.validation(context.parameters.integer("validation.sequences"), Region::measure);
    require_stackable(inputs.tokens->size(0) * (inputs.tokens->size(1) - 1), training.config.width, "emergence");
    for (const auto& arm : arms_->names()) {
      seen_[arm] = look_at(arms_->runs(arm), [&](const TrainedRun& run) {
        Along along;
        for (const auto& kept : run.models) along.push_back(add(kept.model, inputs));
        return along;
      });
    }
    return std::move(plan_);
  }

  Measurement reduce(const Context& context) override {
    const auto& training = training_of(context, "emergence");
    SeedMeasure measure;
    for (const auto& arm : arms_->names()) describe(training, context.parameters, arm, measure);
    arms_->note_stopped(measure);
    if (const auto missing = arms_->missing({kBaseline}); !missing.empty()) measure.inapplicable(missing);
    return measure.take();
  }

 private:
  Seen add(const std::shared_ptr<const Model>& model, const Inputs& inputs) {
    Seen seen{std::make_shared<LargestSelectivity>(), watch_columns({0}), watch_norms(),
              std::make_shared<StackedRank>(), inputs.tokens->size(1)};
    plan_.push_back({model, inputs.tokens, {}, {seen.neurons, seen.column, seen.norms, seen.rank}});
    return seen;
  }

  void describe(const TrainingResults& training, const Parameters& parameters, const std::string& arm,
                SeedMeasure& measure) const {
    const auto steps = kept_steps(arms_->runs(arm));
    if (steps.empty()) return;
    const auto tokens = tokens_at(training, steps);
    const auto suffix = arm == kBaseline ? "" : "_" + arm;
    const auto& seeds = seen_.at(arm);
    std::vector<std::pair<double, std::string>> order;
    for (const auto& sign : kSigns) {
      const auto rows =
          rows_per_seed(seeds, tokens.size(), [&](const Along& along) { return largest_along(along, sign); });
      measure.curve(sign.series, arm, "tokens", tokens, rows);
      std::vector<double> reached;
      for (const auto& row : rows) reached.push_back(tokens_until(row, tokens, parameters.real(sign.parameter)));
      order.emplace_back(appears(sign, suffix, reached, measure), sign.words);
    }
    measure.note(in_order(arm, std::move(order)));
    prediction(training, parameters.real("early"), arm, suffix, steps, measure);
  }

  /// Reports where a sign appears; returns the median over the seeds in which it does, NaN where it never does.
  static double appears(const Sign& sign, const std::string& suffix, const std::vector<double>& reached,
                        SeedMeasure& measure) {
    std::vector<double> there;
    std::ranges::copy_if(reached, std::back_inserter(there), [](double tokens) { return !std::isnan(tokens); });
    const auto name = "tokens_until_" + sign.what + suffix;
    measure.value("seeds_with_" + sign.what + suffix, static_cast<double>(there.size()));
    if (there.size() == reached.size()) {
      measure.mean(name, reached);
    } else if (!there.empty()) {
      measure.value(name, mean(there));  // of the seeds in which it appears: no interval
    }
    return median(there);
  }

  static std::string in_order(const std::string& arm, std::vector<std::pair<double, std::string>> order) {
    const auto never = std::ranges::stable_partition(order, [](const auto& one) { return !std::isnan(one.first); });
    std::stable_sort(order.begin(), never.begin(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string text;
    for (auto one = order.begin(); one != never.begin(); ++one) {
      text += (text.empty() ? "" : ", then ") + one->second + " (" + brief(one->first / 1e6) + " million tokens)";
    }
    std::string absent;
    for (const auto& one : never) absent += (absent.empty() ? "" : ", ") + one.second;
    return "In " + arm + (text.empty() ? " none of the signs appears" : " first " + text) +
           (absent.empty() || text.empty() ? "" : "; never " + absent) +
           ". Medians over the seeds in which they appear, known at the kept states alone.";
  }

  void prediction(const TrainingResults& training, double early, const std::string& arm, const std::string& suffix,
                  const std::vector<int64_t>& steps, SeedMeasure& measure) const {
    const auto wanted = early * static_cast<double>(training.steps);
    const auto found = std::ranges::find_if(steps, [&](int64_t step) { return static_cast<double>(step) >= wanted; });
    if (found == steps.end() || training.config.layers < 3) return;
    const auto index = found - steps.begin();
    measure.mean(
        "early_selectivity_predicts_sink" + suffix,
        per_seed(seen_.at(arm), [&](const Along& along) { return early_predicts(along[index], along.back()); }),
        {{"step", *found}});
  }

  Plan plan_;
  std::optional<ComparedArms> arms_;
  std::map<std::string, BySeed<Along>> seen_;
};

REPLICATE_TRAINING_EXPERIMENT(emergence, Emergence, "validation.sequences", "thresholds.selectivity",
                              "thresholds.norm_growth", "thresholds.excess", "thresholds.rank_drop", "early");

}  // namespace
}  // namespace replicate
