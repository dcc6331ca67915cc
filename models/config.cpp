#include "models/config.h"

#include "models/formats/error.h"
#include "models/formats/gguf.h"

namespace replicate {
namespace {

void require(bool holds, const std::string& what, const std::string& where) {
  if (!holds) throw Error(what, where, "the file is damaged or not a model of this kind");
}

/// Sizes far beyond any model: a file that claims more is damaged, and products of two stay below 2^63.
constexpr int64_t kLargest = int64_t{1} << 24;

void check_size(int64_t value, const std::string& name, const std::string& where) {
  require(value >= 1 && value <= kLargest, name + " is " + std::to_string(value), where);
}

}  // namespace

void check(const ModelConfig& c, const std::string& where) {
  check_size(c.layers, "the number of layers", where);
  check_size(c.width, "the model width", where);
  check_size(c.heads, "the number of heads", where);
  check_size(c.kv_heads, "the number of key/value heads", where);
  check_size(c.head_width, "the head width", where);
  check_size(c.hidden, "the hidden width", where);
  check_size(c.vocabulary, "the vocabulary size", where);
  check_size(c.heads * c.head_width, "the width of all heads", where);
  require(c.heads % c.kv_heads == 0, "key/value heads do not divide the query heads", where);
  require(c.head_width % 2 == 0, "the head width is odd, RoPE needs pairs", where);
  require(c.norm_eps >= 0 && c.norm_eps < 1, "the RMSNorm epsilon is out of range", where);
  require(c.rope_theta > 1 && c.rope_theta < 1e12, "the RoPE base is out of range", where);
}

namespace {

/// What changes the numbers and is not applied here must not be passed over.
void refuse_what_is_not_applied(const GgufFile& file, const ModelConfig& c, const std::string& where) {
  const auto refuse = [&](const std::string& what) {
    throw Error(what + " is not supported", where, "use a model without it");
  };
  if (const auto scaling = file.text("llama.rope.scaling.type"); scaling && *scaling != "none") {
    refuse("RoPE scaling '" + *scaling + "'");
  }
  if (file.real("llama.rope.scale_linear").value_or(1) != 1) refuse("linear RoPE scaling");
  for (const auto* key : {"llama.rope.dimension_count", "llama.attention.value_length"}) {
    if (file.integer(key).value_or(c.head_width) != c.head_width) {
      refuse(std::string(key) + " different from the head width");
    }
  }
}

int64_t rows_of_embedding(const GgufFile& file, const std::string& where) {
  const auto& shape = file.tensor("token_embd.weight").shape;
  require(shape.size() == 2, "token_embd.weight is no matrix", where);
  return shape.front();
}

}  // namespace

ModelConfig config_from_gguf(const GgufFile& file, const std::string& where) {
  ModelConfig c;
  c.architecture = file.require_text("general.architecture");
  if (c.architecture != "llama") {
    throw Error("architecture '" + c.architecture + "' is not supported", where,
                "use a file of the llama architecture");
  }
  c.layers = file.require_integer("llama.block_count");
  c.width = file.require_integer("llama.embedding_length");
  c.heads = file.require_integer("llama.attention.head_count");
  c.kv_heads = file.integer("llama.attention.head_count_kv").value_or(c.heads);
  check_size(c.heads, "the number of heads", where);  // divided by in the next line
  c.head_width = file.integer("llama.attention.key_length").value_or(c.width / c.heads);
  c.hidden = file.require_integer("llama.feed_forward_length");
  c.context = file.integer("llama.context_length").value_or(0);
  c.norm_eps = file.require_real("llama.attention.layer_norm_rms_epsilon");
  c.rope_theta = file.real("llama.rope.freq_base").value_or(10000);
  c.vocabulary = rows_of_embedding(file, where);
  c.tied_head = file.find("output.weight") == nullptr;
  check(c, where);
  refuse_what_is_not_applied(file, c, where);
  return c;
}

int64_t parameters(const ModelConfig& c) {
  const int64_t attention = 2 * c.width * c.head_width * (c.heads + c.kv_heads);
  const int64_t gate = c.output_gate ? c.width * c.head_width * c.heads : 0;
  const int64_t head_norm = c.head_rms_norm ? c.head_width : 0;
  const int64_t block = attention + gate + head_norm + 3 * c.width * c.hidden + 2 * c.width;
  return c.layers * block + c.width + c.vocabulary * c.width * (c.tied_head ? 1 : 2);
}

double block_flops(const ModelConfig& c, int64_t sequences, int64_t length) {
  const double tokens = static_cast<double>(sequences) * static_cast<double>(length);
  const double weights =
      2.0 * c.width * c.head_width * (c.heads + c.kv_heads) + 3.0 * c.width * c.hidden +
      (c.output_gate ? 1.0 * c.width * c.head_width * c.heads : 0);
  const double attention = 2.0 * c.heads * c.head_width * (length + 1) / 2;  // scores and values
  return 2 * tokens * (weights + attention);
}

}  // namespace replicate
