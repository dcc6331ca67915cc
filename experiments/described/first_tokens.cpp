// Beside the claim sink_source: which token draws the attention, in a factorial on the same passages. BOS at position 0
// or not, BOS at a target k in the middle or not, another token at position 0 (a random one; the one from k, swapped),
// one token throughout; over all sink layers of the model.
// Cost: one forward pass per variant.

#include "harness/study/claim.h"
#include "harness/study/measures/sink_probes.h"
#include "harness/study/measures/target_attention.h"
#include "harness/study/target.h"
#include "models/core/tensor_values.h"

namespace replicate {
namespace {

/// One variant of the passages and what is observed of its attention.
struct Variant {
  Condition on;
  TargetAttention attention;

  Tensor column_of_first() const { return attention.columns->layers().select(2, 0); }  // [B, L, T]
  /// Over all queries after position 0: [B, L].
  Tensor to_first() const { return attention_to(column_of_first(), 0, on.length()); }
  Tensor excess() const { return excess_attention(column_of_first(), 0, on.length()); }
};

/// What the vocabulary or given inputs do not allow is missing.
struct Variants {
  Variant plain;
  std::optional<Variant> bos = {};
  std::optional<Variant> random_token = {}, swapped = {}, repeated = {};  // another token at position 0
  std::optional<Variant> bos_at_target = {}, bos_at_both = {};            // BOS in the middle
};

// --- The variants ---------------------------------------------------------------------------------------------

/// The tokens at one position of every sequence.
std::vector<int64_t> tokens_at(const TokenIds& tokens, int64_t position) {
  return to_vector<int64_t>(tokens.ids.select(1, position));
}

/// The tokens of positions 0 and k change places.
Tokens swapped(const TokenIds& tokens, int64_t k, const std::string& label) {
  const auto half = replaced(tokens, 0, tokens_at(tokens, k), label + "_half");
  return replaced(*half, k, tokens_at(tokens, 0), label);
}

Variant observe(Claim& claim, const Tokens& tokens, const std::string& suffix) {
  const Condition on{tokens, claim.model, suffix};
  check_target(target_of(claim), on, "sink_source");
  return {on, watch_target(claim.run(on), on, target_of(claim))};
}

void add_bos(Claim& claim, Variants& variants) {
  if (!claim.maker->has_bos()) return;
  const auto k = target_of(claim);
  const std::vector<int64_t> bos{claim.maker->bos()};
  const auto before = claim.primary_with_bos().tokens;
  variants.bos = observe(claim, before, "_bos");
  variants.bos_at_target = observe(claim, replaced(*variants.plain.on.tokens, k, bos, "natural_bos_at_target"), "");
  variants.bos_at_both = observe(claim, replaced(*before, k, bos, "natural_bos_at_both"), "_bos_at_both");
}

void add_other_tokens(Claim& claim, Variants& variants) {
  const auto& plain = *variants.plain.on.tokens;
  const auto ids = claim.maker->ordinary_ids(plain.sequences(), "sink_source/first");
  variants.random_token = observe(claim, replaced(plain, 0, ids, "natural_random_token"), "_random_token");
  variants.swapped = observe(claim, swapped(plain, target_of(claim), "natural_swapped"), "_swapped");
  if (const auto repeated = claim.condition("repeated"))
    variants.repeated = observe(claim, repeated->tokens, "_repeated");
}

// --- What is reported of them ---------------------------------------------------------------------------------

/// By layer, and the mean over the layers with a sink.
void report_both(const std::string& name, const Condition& on, const Tensor& values, const std::vector<int64_t>& sinks,
                 Measure& measure) {
  measure.by_layer(name, on, values, on.layers());
  measure.mean(name, on, mean_over_layers(values, sinks));
}

/// Attention to position 0 in the variants that differ in the token there.
void report_first(const Variants& variants, const std::vector<int64_t>& sinks, Measure& measure) {
  for (const auto& one :
       {std::optional(variants.plain), variants.bos, variants.random_token, variants.swapped, variants.repeated}) {
    if (!one) continue;
    report_both("attention_to_first", one->on, one->to_first(), sinks, measure);
    report_both("excess_attention", one->on, one->excess(), sinks, measure);
  }
}

/// BOS in the middle: attention to it, and to position 0 over the same queries.
void report_bos_at_target(const Variant& alone, const Variant& both, const std::vector<int64_t>& sinks,
                          Measure& measure) {
  const auto to_bos = alone.attention.to_target(), to_first = alone.attention.to_first();  // [B, L]
  report_both("attention_to_bos_at_target", alone.on, to_bos, sinks, measure);
  report_both("attention_to_first_bos_at_target", alone.on, to_first, sinks, measure);
  measure.ratio("bos_at_target_to_first_ratio", alone.on, mean_over_layers(to_bos, sinks),
                mean_over_layers(to_first, sinks));
  report_both("attention_to_target", both.on, both.attention.to_target(), sinks, measure);
  report_both("attention_to_first", both.on, both.attention.to_first(), sinks, measure);
}

/// Attention to position k, for the token that is there and for the one that was at position 0.
void report_target(const Variants& variants, const std::vector<int64_t>& sinks, Measure& measure) {
  for (const auto& one : {std::optional(variants.plain), variants.swapped}) {
    if (one) report_both("attention_to_target", one->on, one->attention.to_target(), sinks, measure);
  }
  if (variants.bos_at_target) report_bos_at_target(*variants.bos_at_target, *variants.bos_at_both, sinks, measure);
}

void compare_with_bos(const Claim& claim, const Variants& variants, const std::vector<int64_t>& sinks,
                      Measure& measure) {
  if (!variants.bos) {
    measure.note(claim.given ? "There is no comparison with BOS: given inputs are measured as they are."
                             : "There is no comparison with BOS: the vocabulary has no such token.");
    return;
  }
  const auto& plain = variants.plain.on;
  measure.ratio("plain_to_bos_ratio", {plain.tokens, plain.model, ""}, mean_over_layers(variants.plain.excess(), sinks),
                mean_over_layers(variants.bos->excess(), sinks));
  measure.note("BOS of this vocabulary is token " + std::to_string(claim.maker->bos()) + ".");
}

void which_token_draws_attention(Claim& claim) {
  const auto sinks = claim.sinks();
  Variants variants{.plain = observe(claim, claim.primary_without_bos().tokens, "_plain")};
  if (!claim.given) {
    add_bos(claim, variants);
    add_other_tokens(claim, variants);
  }
  claim.report([=, &claim](Measure& measure) {
    report_first(variants, sinks, measure);
    report_target(variants, sinks, measure);
    compare_with_bos(claim, variants, sinks, measure);
  });
}

REPLICATE_DESCRIPTION(sink_source, which_token_draws_attention, "repeated", "target");

}  // namespace
}  // namespace replicate
