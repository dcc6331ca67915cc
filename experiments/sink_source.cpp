// Position 0 suffices for a sink, whatever the token there is: neither BOS nor the first token of a text is needed
// (rival accounts of the sink; beyond the paper).
// A factorial on the same passages: BOS at position 0 or not, BOS at a target k in the middle or not, another token
// at position 0 (a random one; the one from k, swapped), one token throughout.
// Control: re-initialised weights. Cost: one forward pass per variant.

#include "base/error.h"
#include "harness/study/experiment.h"
#include "harness/study/measure.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

/// The tokens at one position of every sequence.
std::vector<int64_t> tokens_at(const TokenIds& tokens, int64_t position) {
  return to_vector<int64_t>(tokens.ids.select(1, position));
}

/// The tokens of positions 0 and k change places.
Tokens swapped(const TokenIds& tokens, int64_t k, const std::string& label) {
  const auto half = replaced(tokens, 0, tokens_at(tokens, k), label + "_half");
  return replaced(*half, k, tokens_at(tokens, 0), label);
}

/// One variant of the inputs and what is seen of its attention.
struct Observed {
  Condition condition;
  int64_t target = 0;
  std::shared_ptr<Watch> columns;  // [B, L, 2, T] attention to positions 0 and k, mean over heads

  int64_t length() const { return condition.tokens->length(); }
  int64_t layers() const { return condition.model->config.layers; }
  Tensor column(int64_t which) const { return columns->layers().select(2, which); }  // [B, L, T]
  /// Over all queries after position 0: [B, L].
  Tensor to_first() const { return attention_to(column(0), 0, length()); }
  Tensor excess() const { return excess_attention(column(0), 0, length()); }
  /// Over the queries after the target: [B, L].
  Tensor to_target() const { return attention_to(column(1), target, length()); }
  Tensor to_first_behind_target() const { return attention_to(column(0), target, length()); }
};

class SinkSource : public Experiment {
 public:
  Plan plan(const Context& context) override {
    if (context.survey.sinks.sink_layers.empty()) return {};
    target_ = context.parameters.integer("target");
    const auto plain = context.given ? context.given : natural(context, "natural", false);
    check_target(plain->length());
    plain_ = add(plain, context.model, "_plain");
    if (context.given) return std::move(plan_);
    null_ = add(natural(context, "null_model", false), context.null_model, "_null");
    if (context.maker->has_bos()) {
      bos_ = add(natural(context, "natural", true), context.model, "_bos");
    }
    if (context.reports_others) plan_others(context, *plain);
    return std::move(plan_);
  }

  Measurement reduce(const Context& context) override {
    Measure measure(context.bootstrap);
    const auto& sinks = context.survey.sinks.sink_layers;
    if (sinks.empty()) {
      measure.unmet("no sink: the survey found no layer with excess attention to position 0");
      return measure.take();
    }
    for (const auto* one : {&plain_, &bos_, &random_token_, &swapped_, &repeated_, &null_}) {
      if (*one) first(**one, sinks, measure);
    }
    at_target(sinks, measure);
    if (bos_) {
      measure.ratio("plain_to_bos_ratio", with_suffix("", plain_->condition), mean_over_layers(plain_->excess(), sinks),
                    mean_over_layers(bos_->excess(), sinks));
      measure.note("BOS of this vocabulary is token " + std::to_string(context.maker->bos()) + ".");
    } else {
      measure.inapplicable(context.given ? "no BOS: --tokens gives the sequences as they are"
                                         : "no BOS: the vocabulary has no such token");
    }
    return measure.take();
  }

 private:
  /// The same passages with BOS, which moves them by one position, or without, whatever the model's YAML says of BOS.
  static Tokens natural(const Context& context, const std::string& size, bool bos) {
    return context.maker->make(
        InputKind::natural,
        {context.parameters.integer(size + ".sequences"), context.parameters.integer(size + ".length")}, bos);
  }

  void check_target(int64_t length) const {
    if (target_ >= 1 && target_ + 2 <= length) return;
    throw Error("target " + std::to_string(target_) + " has no later queries in sequences of " + std::to_string(length),
                "sink_source", "use longer sequences or an earlier target");
  }

  Observed add(const Tokens& tokens, std::shared_ptr<const Model> model, const std::string& suffix) {
    Observed one{{tokens, std::move(model), suffix}, target_, watch_columns({0, target_})};
    plan_.push_back({one.condition.model, tokens, {}, {one.columns}});
    return one;
  }

  void plan_others(const Context& context, const TokenIds& plain) {
    const auto& maker = *context.maker;
    const auto variant = [&](const Tokens& tokens, const std::string& suffix) {
      return add(tokens, context.model, suffix);
    };
    const auto ids = maker.ordinary_ids(plain.sequences(), "sink_source/first");
    random_token_ = variant(replaced(plain, 0, ids, "natural_random_token"), "_random_token");
    swapped_ = variant(swapped(plain, target_, "natural_swapped"), "_swapped");
    if (const auto repeated = context.condition("repeated")) {
      repeated_ = variant(repeated->tokens, "_repeated");
    }
    if (!bos_) return;
    const std::vector<int64_t> bos{maker.bos()};
    bos_at_target_ = variant(replaced(plain, target_, bos, "natural_bos_at_target"), "");
    bos_at_both_ = variant(replaced(*bos_->condition.tokens, target_, bos, "natural_bos_at_both"), "_bos_at_both");
  }

  static Condition with_suffix(const std::string& suffix, Condition condition) {
    condition.suffix = suffix;
    return condition;
  }

  /// Attention to position 0 in the variants that differ in the token there.
  static void first(const Observed& one, const std::vector<int64_t>& sinks, Measure& measure) {
    measure.by_layer("attention_to_first", one.condition, one.to_first(), one.layers());
    measure.by_layer("excess_attention", one.condition, one.excess(), one.layers());
    measure.mean("attention_to_first", one.condition, mean_over_layers(one.to_first(), sinks));
    measure.mean("excess_attention", one.condition, mean_over_layers(one.excess(), sinks));
  }

  /// Attention to k under what may stand there; position 0 beside it over the same queries.
  void at_target(const std::vector<int64_t>& sinks, Measure& measure) const {
    const auto show = [&](const std::string& name, const Condition& condition, const Tensor& values) {
      measure.by_layer(name, condition, values, condition.model->config.layers);
      measure.mean(name, condition, mean_over_layers(values, sinks));
    };
    show("attention_to_target", plain_->condition, plain_->to_target());
    if (swapped_) show("attention_to_target", swapped_->condition, swapped_->to_target());
    if (!bos_at_target_) return;
    const auto& alone = *bos_at_target_;
    const auto& both = *bos_at_both_;
    show("attention_to_bos_at_target", alone.condition, alone.to_target());
    show("attention_to_first_bos_at_target", alone.condition, alone.to_first_behind_target());
    measure.ratio("bos_at_target_to_first_ratio", alone.condition, mean_over_layers(alone.to_target(), sinks),
                  mean_over_layers(alone.to_first_behind_target(), sinks));
    show("attention_to_target", both.condition, both.to_target());
    show("attention_to_first", both.condition, both.to_first_behind_target());
  }

  Plan plan_;
  int64_t target_ = 0;
  std::optional<Observed> plain_, bos_, null_;                 // judged
  std::optional<Observed> random_token_, swapped_, repeated_;  // another token at position 0
  std::optional<Observed> bos_at_target_, bos_at_both_;        // BOS in the middle
};

REPLICATE_EXPERIMENT(sink_source, SinkSource, "natural", "repeated", "null_model", "target");

}  // namespace
}  // namespace replicate
