// When do super neuron, spike, sink and rank drop appear in training, and which comes first? (Beyond the paper, which
// looks at finished models.) Also, in models of 8 layers or more: does a layer that has a selective neuron early have
// the sink after it late? What is known is known at the kept states alone. Cost: one forward pass for every kept state
// of every run.

#include "harness/study/claim.h"
#include "harness/study/measures/effective_rank.h"
#include "harness/study/measures/largest_selectivity.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

constexpr int64_t kLeastLayers = 8;  // a rank correlation over fewer layers says nothing

/// What is observed of one kept state.
struct State {
  std::shared_ptr<LargestSelectivity> neurons;
  std::shared_ptr<Watch> column;  // [B, L, 1, T]
  std::shared_ptr<Watch> norms;   // [B, L + 1, 3]
  std::shared_ptr<StackedRank> rank;

  std::vector<double> selectivity() const { return neurons->layers(); }
  std::vector<double> norm_growth() const {
    const auto means = norms->layers().mean(0);
    const auto ratio = means.select(1, 0) / means.select(1, 2);
    return to_vector<double>(ratio.slice(0, 1) / ratio.slice(0, 0, -1));
  }
  std::vector<double> excess() const {
    const auto first = column->layers().select(2, 0);  // [B, L, T]
    return to_vector<double>(excess_attention(first, 0, first.size(-1)).mean(0));
  }
  std::vector<double> rank_drop() const {
    const auto ranks = rank->residual();
    return to_vector<double>(1 - ranks.slice(0, 1) / ranks.slice(0, 0, -1));
  }
};

/// By layer of a kept state; it is there when its largest value reaches the threshold.
struct Sign {
  std::string what, words, series, parameter;
  std::vector<double> (State::*by_layer)() const;
};

const std::vector<Sign> kSigns = {
    {"selective_neuron", "the selective neuron", "largest_selectivity", "thresholds.selectivity", &State::selectivity},
    {"spike", "the spike", "largest_norm_growth", "thresholds.norm_growth", &State::norm_growth},
    {"sink", "the sink", "max_excess_attention", "thresholds.excess", &State::excess},
    {"rank_drop", "the drop in rank", "largest_rank_drop", "thresholds.rank_drop", &State::rank_drop},
};

using Along = std::vector<State>;  // in the order of kept steps

std::vector<double> largest_along(const Along& along, const Sign& sign) {
  std::vector<double> largest;
  for (const auto& state : along) largest.push_back(std::ranges::max((state.*sign.by_layer)()));
  return largest;
}

/// Tokens at the first kept state that reaches the threshold; NaN when none does.
double tokens_until(const std::vector<double>& values, const std::vector<double>& tokens, double threshold) {
  const auto reached = std::ranges::find_if(values, [&](double value) { return value >= threshold; });
  return reached == values.end() ? std::numeric_limits<double>::quiet_NaN() : tokens[reached - values.begin()];
}

/// Across layers l < L: early selectivity in l with late excess attention in l + 1.
double early_predicts(const State& early, const State& late) {
  const auto selectivity = early.selectivity(), excess = late.excess();
  return spearman(std::span(selectivity).first(selectivity.size() - 1), std::span(excess).subspan(1));
}

/// Reports when a sign appears; returns the median over the seeds in which it does, NaN where it never does.
double report_sign(const Sign& sign, const std::string& suffix, const std::vector<double>& reached,
                   SeedMeasure& measure) {
  const auto there = present(reached);
  measure.value("seeds_with_" + sign.what + suffix, static_cast<double>(there.size()));
  measure.mean_of_present("tokens_until_" + sign.what + suffix, reached);
  return median(there);
}

/// `order` holds when each sign appears, in tokens (NaN: never), and its words.
std::string in_order(const std::string& arm, std::vector<std::pair<double, std::string>> order) {
  const auto never =
      std::stable_partition(order.begin(), order.end(), [](const auto& one) { return !std::isnan(one.first); });
  std::stable_sort(order.begin(), never, [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text, absent;
  for (auto one = order.begin(); one != never; ++one) {
    text += (text.empty() ? "" : ", then ") + one->second + " (" + brief(one->first / 1e6) + " million tokens)";
  }
  for (auto one = never; one != order.end(); ++one) absent += (absent.empty() ? "" : ", ") + one->second;
  return "In " + arm + (text.empty() ? " none of the signs appears" : " the signs appear in this order: " + text) +
         (absent.empty() || text.empty() ? "" : "; never " + absent) +
         ". Medians over the seeds in which they appear, checked only at the kept states.";
}

/// Of the first kept state after a share of the steps.
void report_prediction(const TrainingClaim& claim, const std::string& suffix, const std::vector<int64_t>& steps,
                       const BySeed<Along>& seeds, SeedMeasure& measure) {
  const auto wanted = claim.parameters.real("early") * static_cast<double>(claim.trained().steps);
  const auto early = std::ranges::find_if(steps, [&](int64_t step) { return static_cast<double>(step) >= wanted; });
  if (early == steps.end() || claim.trained().config.layers < kLeastLayers) return;
  const auto predicts = [&](const Along& along) { return early_predicts(along[early - steps.begin()], along.back()); };
  measure.mean("early_selectivity_predicts_sink" + suffix, per_seed(seeds, predicts), {{"step", *early}});
}

void report_arm(const TrainingClaim& claim, const std::string& arm, const std::vector<int64_t>& steps,
                const BySeed<Along>& seeds, SeedMeasure& measure) {
  if (steps.empty()) return;
  const auto tokens = tokens_at(claim.trained(), steps);
  const auto suffix = arm == kBaseline ? "" : "_" + arm;
  std::vector<std::pair<double, std::string>> order;
  for (const auto& sign : kSigns) {
    const auto largest = [&](const Along& along) { return largest_along(along, sign); };
    const auto rows = rows_per_seed(seeds, tokens.size(), largest);
    measure.curve(sign.series, arm, "tokens", tokens, rows);
    std::vector<double> reached;
    for (const auto& row : rows) reached.push_back(tokens_until(row, tokens, claim.parameters.real(sign.parameter)));
    order.emplace_back(report_sign(sign, suffix, reached, measure), sign.words);
  }
  measure.note(in_order(arm, std::move(order)));
  report_prediction(claim, suffix, steps, seeds, measure);
}

void order_of_signs(TrainingClaim& claim) {
  const auto tokens = claim.trained().validation(claim.parameters.integer("validation.sequences"), Region::measure);
  require_stackable(tokens->sequences() * (tokens->length() - 1), claim.trained().config.width, "emergence");
  for (const auto& arm : claim.arms) {
    const ComparedArms own(claim.trained().own_rate, {arm});  // all its seeds, since arms are not compared here
    if (!own.has(arm)) continue;
    const auto seeds = look_at(own.runs(arm), [&](const TrainedRun& trained) {
      Along along;
      for (const auto& kept : trained.models) {
        auto run = claim.run(kept, tokens);
        along.push_back({run.add(std::make_shared<LargestSelectivity>()), run.add(watch_columns({0})),
                         run.add(watch_norms()), run.add(std::make_shared<StackedRank>())});
      }
      return along;
    });
    claim.report([&claim, arm, seeds, steps = kept_steps(own.runs(arm))](SeedMeasure& measure) {
      report_arm(claim, arm, steps, seeds, measure);
    });
  }
}

REPLICATE_DESCRIPTION(emergence, order_of_signs, "validation.sequences", "thresholds.selectivity",
                      "thresholds.norm_growth", "thresholds.excess", "thresholds.rank_drop", "early");

}  // namespace
}  // namespace replicate
