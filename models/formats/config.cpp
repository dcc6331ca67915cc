#include "models/formats/config.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace replicate {
namespace {

void require(bool holds, const std::string& what, const std::string& where) {
  if (!holds) throw Error(what, where, "the file is damaged or not a model of this kind");
}

/// Sizes far beyond any model: a file that claims more is damaged, and products of two stay below 2^63.
constexpr int64_t kLargest = int64_t{1} << 24;
constexpr int64_t kMostLayers = 10'000;  // each is described: a number in a file must not make that long

void check_size(int64_t value, const std::string& name, const std::string& where, int64_t largest = kLargest) {
  require(value >= 1 && value <= largest, name + " is " + std::to_string(value), where);
}

void check_rope(const Rope& rope, int64_t head_width, const std::string& where) {
  const auto width = rope.width == 0 ? head_width : rope.width;
  require(rope.theta > 1 && rope.theta < 1e12, "the RoPE base is out of range", where);
  require(width >= 2 && width <= head_width && width % 2 == 0, "RoPE turns no whole pairs of a head", where);
  require(rope.divisors.empty() || static_cast<int64_t>(rope.divisors.size()) == width / 2,
          "the RoPE divisors are not one a pair", where);
  for (const auto divisor : rope.divisors)
    require(divisor > 0 && divisor < 1e9, "a RoPE divisor is out of range", where);
}

void check_layers(const std::vector<bool>& flags, int64_t layers, const std::string& where) {
  require(flags.empty() || static_cast<int64_t>(flags.size()) == layers, "a list is not one entry a layer", where);
}

}  // namespace

void check_counts(const ModelConfig& c, const std::string& where) {
  check_size(c.layers, "the number of layers", where, kMostLayers);
  check_size(c.width, "the model width", where);
  check_size(c.heads, "the number of heads", where);
  check_size(c.kv_heads, "the number of key/value heads", where);
  check_size(c.hidden, "the hidden width", where);
  check_size(c.vocabulary, "the vocabulary size", where);
}

void check(const ModelConfig& c, const std::string& where) {
  check_counts(c, where);
  check_size(c.head_width, "the head width", where);
  check_size(c.heads * c.head_width, "the width of all heads", where);
  require(c.heads % c.kv_heads == 0, "key/value heads do not divide the query heads", where);
  require(c.head_width % 2 == 0 || !c.rotates(), "the head width is odd, RoPE needs pairs", where);
  require(c.norm_eps >= 0 && c.norm_eps < 1, "the norm's epsilon is out of range", where);
  require(!c.layer_norm || c.norm_placement == NormPlacement::before, "LayerNorm stands elsewhere than before", where);
  require(c.embedding_scale > 0 && c.embedding_scale < 1e6, "the scale of the embedding is out of range", where);
  require(!c.score_scale || (*c.score_scale > 0 && *c.score_scale < 1e3), "the scale of scores is out of range", where);
  require(c.learned_positions >= 0 && c.learned_positions <= kLargest, "the number of positions is out of range",
          where);
  if (c.rotates()) check_rope(c.rope, c.head_width, where);
  if (c.sliding_rope) check_rope(*c.sliding_rope, c.head_width, where);
  check_layers(c.unrotated, c.layers, where);
  check_layers(c.sliding, c.layers, where);
  require(c.sliding.empty() || c.window >= 1, "the sliding window sees nothing", where);
}

bool ModelConfig::rotates() const {
  return std::cmp_less(std::ranges::count(unrotated, true), std::max<int64_t>(layers, 1));
}

std::optional<Rope> ModelConfig::rope_of(int64_t layer) const {
  const auto at = static_cast<size_t>(layer - 1);
  if (!unrotated.empty() && unrotated[at]) return {};
  return sliding_rope && !sliding.empty() && sliding[at] ? *sliding_rope : rope;
}

std::optional<int64_t> ModelConfig::window_of(int64_t layer) const {
  return !sliding.empty() && sliding[static_cast<size_t>(layer - 1)] ? std::optional(window) : std::nullopt;
}

double block_flops(const ModelConfig& c, int64_t sequences, int64_t length) {
  const double tokens = static_cast<double>(sequences) * static_cast<double>(length);
  const double weights = 2.0 * c.width * c.head_width * (c.heads + c.kv_heads) +
                         (c.gated_ffn ? 3.0 : 2.0) * c.width * c.hidden +
                         (c.output_gate ? 1.0 * c.width * c.head_width * c.heads : 0);
  const double attention = 2.0 * c.heads * c.head_width * (length + 1) / 2;  // scores and values
  return 2 * tokens * (weights + attention);
}

}  // namespace replicate
