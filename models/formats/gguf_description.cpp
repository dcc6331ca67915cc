#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "models/formats/description.h"
#include "models/formats/gguf.h"

namespace replicate {
namespace {

/// Metadata of one architecture: its keys begin with its name.
class Metadata {
 public:
  explicit Metadata(const GgufFile& file)
      : file_(file), architecture_(file.require_text("general.architecture")), prefix_(architecture_ + ".") {}

  const std::string& architecture() const { return architecture_; }
  bool is(const char* name) const { return architecture_ == name; }
  std::optional<int64_t> integer(const char* key) const { return file_.integer(prefix_ + key); }
  std::optional<double> real(const char* key) const { return file_.real(prefix_ + key); }
  std::optional<bool> boolean(const char* key) const { return file_.boolean(prefix_ + key); }
  std::optional<std::string> text(const char* key) const { return file_.text(prefix_ + key); }
  /// Nothing where the key is absent or a single value.
  std::optional<std::vector<bool>> flags(const char* key) const {
    return file_.is_array(prefix_ + key) ? file_.booleans(prefix_ + key) : std::nullopt;
  }
  int64_t require_integer(const char* key) const { return file_.require_integer(prefix_ + key); }
  double require_real(const char* key) const { return file_.require_real(prefix_ + key); }
  bool has_tensor(const char* name) const { return file_.find(name) != nullptr; }
  const GgufFile& file() const { return file_; }

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(what + " is not supported", file_.where(), "use a model without it");
  }

 private:
  const GgufFile& file_;
  std::string architecture_, prefix_;
};

int64_t rows_of_embedding(const GgufFile& file) {
  const auto& shape = file.tensor("token_embd.weight").shape;
  if (shape.size() == 2) return shape.front();
  throw Error("token_embd.weight is not a matrix", file.where(), "the file is damaged or not a model of this kind");
}

/// Llama 3.1 and later scale RoPE, which GGUF has as a table only: the first converters of such models made none.
bool lacks_table(const Metadata& m) {
  constexpr int64_t kVocabulary = 128256, kContext = 131072;
  constexpr double kTheta = 500000;
  return m.is("llama") && !m.has_tensor("rope_freqs.weight") && rows_of_embedding(m.file()) == kVocabulary &&
         m.integer("context_length") == kContext && m.real("rope.freq_base") == kTheta;
}

/// Llama 3's scaling comes as a table that its converter has computed.
std::vector<double> divisors_of(const GgufFile& file) {
  const auto* stored = file.find("rope_freqs.weight");
  if (!stored) return {};
  if (stored->type != TensorType::f32 || stored->shape.size() != 1 || stored->elements() > kLargestHeadWidth) {
    throw Error("rope_freqs.weight is not a table of float32", file.where(), "the file is damaged");
  }
  std::vector<float> numbers(static_cast<size_t>(stored->elements()));
  dequantize(stored->type, stored->bytes, numbers);
  return {numbers.begin(), numbers.end()};
}

Rope rope_of(const Metadata& m, int64_t head_width) {
  if (const auto scaling = m.text("rope.scaling.type"); scaling && *scaling != "none") {
    if (*scaling != "linear") m.refuse("RoPE scaling " + in_quotes(*scaling));
  }
  if (lacks_table(m)) {
    throw Error("a Llama 3.1 or later without rope_freqs.weight", m.file().where(),
                "convert the model again, with a newer llama.cpp");
  }
  // Older converters of Ollama give Gemma's another name; it is never 10000.
  const double theta = m.is("gemma3") ? m.require_real("rope.freq_base") : m.real("rope.freq_base").value_or(10000);
  Rope rope{.theta = theta, .divisors = divisors_of(m.file())};
  const auto width = m.integer("rope.dimension_count").value_or(head_width);
  if (width < 2 || width > head_width || width % 2 != 0) m.refuse("rope.dimension_count " + std::to_string(width));
  if (width != head_width) rope.width = width;
  const double factor = m.real("rope.scaling.factor").value_or(m.real("rope.scale_linear").value_or(1));
  if (factor != 1) {
    if (!rope.divisors.empty()) m.refuse("RoPE scaling of two kinds");
    rope.divisors.assign(static_cast<size_t>(width / 2), factor);
  }
  return rope;
}

/// Which layers have a window: a flag for each (as Ollama writes it), or the last of every so many has none.
std::vector<bool> windows_of(const Metadata& m, int64_t layers) {
  constexpr const char* kPattern = "attention.sliding_window_pattern";
  if (auto flags = m.flags(kPattern)) {
    if (!std::cmp_equal(flags->size(), layers))
      m.refuse(std::to_string(flags->size()) + " windows for " + std::to_string(layers) + " layers");
    return std::move(*flags);
  }
  const auto pattern = m.integer(kPattern).value_or(6);
  std::vector<bool> windows;
  for (int64_t layer = 1; layer <= layers; ++layer) windows.push_back(pattern > 0 && layer % pattern != 0);
  return windows;
}

/// Every sixth layer sees all positions, unless the file says otherwise; the others have a window and a RoPE of their
/// own.
void add_gemma(ModelConfig& c, const Metadata& m) {
  constexpr int64_t kLargestGemma = 62;  // the 27B model scales by width / heads, which no key says
  c.begins_with_bos = true;
  c.norm_placement = NormPlacement::around;
  c.query_key_norm = QueryKeyNorm::head;
  c.activation = Activation::gelu_tanh;
  c.embedding_scale = std::sqrt(static_cast<double>(c.width));
  if (c.layers == kLargestGemma) c.score_scale = std::sqrt(static_cast<double>(c.heads) / static_cast<double>(c.width));
  c.window = m.require_integer("attention.sliding_window");
  c.sliding_rope = Rope{.theta = m.real("rope.freq_base_swa").value_or(10000)};
  c.sliding = windows_of(m, c.layers);
}

/// SmolLM 3's every fourth layer does not rotate, which no key says.
void add_smollm3(Description& d) {
  constexpr int64_t kPattern = 4;
  d.storage.interleaved_rope = true;
  for (int64_t layer = 1; layer <= d.config.layers; ++layer) d.config.unrotated.push_back(layer % kPattern == 0);
}

void add_gpt2(Description& d, const Metadata& m) {
  auto& c = d.config;
  if (c.context < 1) m.refuse("context_length " + std::to_string(c.context));
  c.layer_norm = c.qkv_bias = c.output_bias = c.ffn_bias = true;
  c.gated_ffn = false;
  c.activation = Activation::gelu_tanh;
  c.unrotated.assign(static_cast<size_t>(c.layers), true);
  c.learned_positions = c.context;
  d.storage.fused = true;
}

void add_architecture(Description& d, const Metadata& m) {
  auto& c = d.config;
  if (m.is("llama")) {
    d.storage.interleaved_rope = true;
  } else if (m.is("qwen2")) {
    c.qkv_bias = true;
  } else if (m.is("qwen3")) {
    c.query_key_norm = QueryKeyNorm::head;
  } else if (m.is("olmo2")) {
    c.norm_placement = NormPlacement::after;
    c.query_key_norm = QueryKeyNorm::heads;
  } else if (m.is("gemma3")) {
    add_gemma(c, m);
  } else if (m.is("phi3")) {
    d.storage.fused = true;
  } else if (m.is("smollm3")) {
    add_smollm3(d);
  } else if (m.is("gpt2")) {
    add_gpt2(d, m);
  }
  const auto window = m.integer("attention.sliding_window").value_or(0);
  if (window > 0 && !m.is("gemma3")) {
    if (m.is("olmo2")) m.refuse("a sliding window in some layers (OLMo 3)");
    c.window = window;
    c.sliding.assign(static_cast<size_t>(c.layers), true);
  }
  if (const auto scale = m.real("attention.scale"); scale && *scale != 0) c.score_scale = *scale;
}

/// What would change the numbers and is not applied here.
void refuse_what_is_not_applied(const Metadata& m) {
  for (const auto* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (m.real(key).value_or(0) != 0) m.refuse(key);
  }
  if (!m.boolean("attention.causal").value_or(true)) m.refuse("attention to later tokens");
  if (m.has_tensor("rope_factors_long.weight")) m.refuse("LongRoPE");
}

}  // namespace

Description describe_gguf(const GgufFile& file) {
  const Metadata m(file);
  const auto& where = file.where();
  constexpr const char* kKnown[] = {"llama", "qwen2", "qwen3", "olmo2", "gemma3", "phi3", "smollm3", "gpt2"};
  if (std::none_of(std::begin(kKnown), std::end(kKnown), [&](const char* name) { return m.is(name); })) {
    throw Error("architecture " + in_quotes(m.architecture()) + " is not supported", where,
                "use a model of llama, qwen2, qwen3, olmo2, gemma3, phi3, smollm3 or gpt2");
  }
  refuse_what_is_not_applied(m);
  Description d;
  auto& c = d.config;
  d.storage.names = Storage::Names::gguf;
  d.storage.others = {"rope_freqs.weight"};  // read into the description
  c.architecture = m.architecture();
  c.layers = m.require_integer("block_count");
  c.width = m.require_integer("embedding_length");
  c.heads = m.require_integer("attention.head_count");
  c.kv_heads = m.integer("attention.head_count_kv").value_or(c.heads);
  c.hidden = m.require_integer("feed_forward_length");
  c.context = m.is("gpt2") ? m.require_integer("context_length") : m.integer("context_length").value_or(0);
  c.norm_eps = m.require_real(m.is("gpt2") ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon");
  c.vocabulary = rows_of_embedding(file);
  c.tied_head = !m.has_tensor("output.weight");
  check_counts(c, where);
  c.head_width = m.integer("attention.key_length").value_or(c.width / c.heads);
  if (c.head_width < 2 || c.head_width > kLargestHeadWidth) m.refuse("a head width of " + std::to_string(c.head_width));
  if (m.integer("attention.value_length").value_or(c.head_width) != c.head_width) {
    m.refuse("attention.value_length different from the head width");
  }
  if (!m.is("gpt2")) c.rope = rope_of(m, c.head_width);
  add_architecture(d, m);
  check(c, where);
  return d;
}

}  // namespace replicate
