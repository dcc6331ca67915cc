// Position 0 suffices for a sink, whatever the token there is: neither BOS nor the first token of a text is needed
// (rival accounts of the sink; beyond the paper).
// A factorial on the same passages: BOS at position 0 or not, BOS at a target k in the middle or not, another token
// at position 0 (a random one; the one from k, swapped), one token throughout.
// Control: re-initialised weights. Cost: one forward pass per variant.

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

/// What the vocabulary or --tokens does not allow is missing.
struct Variants {
  Variant plain;
  std::optional<Variant> bos = {}, null = {};                             // judged with it
  std::optional<Variant> random_token = {}, swapped = {}, repeated = {};  // another token at position 0
  std::optional<Variant> bos_at_target = {}, bos_at_both = {};            // BOS in the middle
};

// --- The variants ---------------------------------------------------------------------------------------------

/// The same passages with BOS, which moves them by one position, or without, whatever the model's YAML says of BOS.
Tokens natural(const Claim& claim, const std::string& size, bool bos) {
  return claim.maker->make(InputKind::natural,
                           {claim.parameters.integer(size + ".sequences"), claim.parameters.integer(size + ".length")},
                           bos);
}

/// The tokens at one position of every sequence.
std::vector<int64_t> tokens_at(const TokenIds& tokens, int64_t position) {
  return to_vector<int64_t>(tokens.ids.select(1, position));
}

/// The tokens of positions 0 and k change places.
Tokens swapped(const TokenIds& tokens, int64_t k, const std::string& label) {
  const auto half = replaced(tokens, 0, tokens_at(tokens, k), label + "_half");
  return replaced(*half, k, tokens_at(tokens, 0), label);
}

Variant observe(Claim& claim, const Condition& on) { return {on, watch_target(claim.run(on), on, target_of(claim))}; }

Variants judged_variants(Claim& claim) {
  const Condition plain{claim.given ? claim.given : natural(claim, "natural", false), claim.model, "_plain"};
  check_target(target_of(claim), plain, "sink_source");
  Variants variants{.plain = observe(claim, plain)};
  if (claim.given) return variants;
  variants.null = observe(claim, {natural(claim, "null_model", false), claim.null_model, "_null"});
  if (claim.maker->has_bos()) variants.bos = observe(claim, {natural(claim, "natural", true), claim.model, "_bos"});
  return variants;
}

void replace_tokens(Claim& claim, Variants& variants) {
  const auto k = target_of(claim);
  const auto& plain = *variants.plain.on.tokens;
  const auto variant = [&](const Tokens& tokens, const std::string& suffix) {
    return observe(claim, {tokens, claim.model, suffix});
  };
  const auto ids = claim.maker->ordinary_ids(plain.sequences(), "sink_source/first");
  variants.random_token = variant(replaced(plain, 0, ids, "natural_random_token"), "_random_token");
  variants.swapped = variant(swapped(plain, k, "natural_swapped"), "_swapped");
  if (const auto repeated = claim.condition("repeated")) variants.repeated = variant(repeated->tokens, "_repeated");
  if (!variants.bos) return;
  const std::vector<int64_t> bos{claim.maker->bos()};
  variants.bos_at_target = variant(replaced(plain, k, bos, "natural_bos_at_target"), "");
  variants.bos_at_both = variant(replaced(*variants.bos->on.tokens, k, bos, "natural_bos_at_both"), "_bos_at_both");
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
  for (const auto& one : {std::optional(variants.plain), variants.bos, variants.random_token, variants.swapped,
                          variants.repeated, variants.null}) {
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
    measure.inapplicable(claim.given ? "no BOS: --tokens gives the sequences as they are"
                                     : "no BOS: the vocabulary has no such token");
    return;
  }
  const auto& plain = variants.plain;
  measure.ratio("plain_to_bos_ratio", {plain.on.tokens, plain.on.model, ""}, mean_over_layers(plain.excess(), sinks),
                mean_over_layers(variants.bos->excess(), sinks));
  measure.note("BOS of this vocabulary is token " + std::to_string(claim.maker->bos()) + ".");
}

void sink_source(Claim& claim) {
  const auto sinks = claim.sinks();
  auto variants = judged_variants(claim);
  if (claim.reports_others && !claim.given) replace_tokens(claim, variants);
  claim.report([=, &claim](Measure& measure) {
    report_first(variants, sinks, measure);
    report_target(variants, sinks, measure);
    compare_with_bos(claim, variants, sinks, measure);
  });
}

REPLICATE_CLAIM(sink_source, "natural", "repeated", "null_model", "target");

}  // namespace
}  // namespace replicate
