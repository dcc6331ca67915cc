#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.h"
#include "base/json_section.h"
#include "base/python_json.h"
#include "models/formats/description.h"

namespace replicate {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const std::string& what, const std::string& where) {
  throw Error(what + " is not supported", where, "use a model without it");
}

/// A value that may be left out or null.
template <typename T>
T value_or(const Json& json, const char* key, T otherwise) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? otherwise : found->get<T>();
}

bool is_given(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && !found->is_null();
}

/// What the library assumes where a config.json is silent, for every model type that is known here. The text model
/// inside a Gemma that sees images is saved without the sizes that are as here.
const Json& defaults_by_type() {
  static const Json defaults = Json::parse(R"({
      "llama": {},
      "mistral": {"num_key_value_heads": 8, "sliding_window": 4096},
      "qwen2": {"num_key_value_heads": 32, "sliding_window": 4096},
      "qwen3": {"num_key_value_heads": 32, "sliding_window": 4096, "head_dim": 128},
      "smollm3": {"num_key_value_heads": 4, "rope_theta": 2000000, "tie_word_embeddings": true},
      "olmo2": {"rms_norm_eps": 1e-5},
      "gemma3_text": {"num_hidden_layers": 26, "hidden_size": 2304, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
                      "intermediate_size": 9216, "vocab_size": 262208, "hidden_activation": "gelu_pytorch_tanh", "rope_theta": 1000000,
                      "rope_local_base_freq": 10000, "sliding_window": 4096, "tie_word_embeddings": true},
      "phi3": {"rms_norm_eps": 1e-5},
      "gpt_neox": {"layer_norm_eps": 1e-5, "hidden_act": "gelu"},
      "gpt2": {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "vocab_size": 50257,
               "max_position_embeddings": 1024, "layer_norm_epsilon": 1e-5, "hidden_act": "gelu_new", "tie_word_embeddings": true},
      "opt": {"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
              "vocab_size": 50272, "max_position_embeddings": 2048, "hidden_act": "relu", "tie_word_embeddings": true}})");
  return defaults;
}

/// Wavelengths beyond the original context are stretched, short ones stay, those between are blended.
std::vector<double> llama3_divisors(const Json& scaling, const Rope& rope, int64_t width) {
  const auto factor = scaling.at("factor").get<double>();
  const auto low = scaling.at("low_freq_factor").get<double>(), high = scaling.at("high_freq_factor").get<double>();
  const auto context = scaling.at("original_max_position_embeddings").get<double>();
  std::vector<double> divisors;
  for (int64_t i = 0; i < width / 2; ++i) {
    const double frequency = std::pow(rope.theta, -2.0 * static_cast<double>(i) / static_cast<double>(width));
    const double turns = context * frequency / (2 * std::numbers::pi);  // within the original context
    const double smooth = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    divisors.push_back(1 / ((1 - smooth) / factor + smooth));
  }
  return divisors;
}

/// `scaling`: rope_scaling of old files, rope_parameters of new ones, or nothing.
Rope rope_from(const Json& scaling, double theta, double partial, int64_t head_width, const std::string& where) {
  if (!scaling.is_object()) refuse("RoPE scaling that is not an object", where);
  Rope rope{.theta = value_or(scaling, "rope_theta", theta)};
  const auto turning = value_or(scaling, "partial_rotary_factor", partial);
  if (!(turning > 0 && turning <= 1)) refuse("partial_rotary_factor " + std::to_string(turning), where);
  const auto width = static_cast<int64_t>(static_cast<double>(head_width) * turning);
  if (width < 2) refuse("partial_rotary_factor " + std::to_string(turning), where);
  if (width != head_width) rope.width = width;
  const auto type = value_or<std::string>(scaling, "rope_type", value_or<std::string>(scaling, "type", "default"));
  if (type == "llama3") {
    rope.divisors = llama3_divisors(scaling, rope, width);
  } else if (type == "linear") {
    rope.divisors.assign(static_cast<size_t>(width / 2), scaling.at("factor").get<double>());
  } else if (type != "default") {
    refuse("RoPE scaling " + in_quotes(type), where);
  }
  return rope;
}

void add_rope(ModelConfig& c, const Json& json, const std::string& where) {
  const bool neox = c.architecture == "gpt_neox";
  const auto theta = value_or(json, neox ? "rotary_emb_base" : "rope_theta", 10000.0);
  const auto partial = neox ? value_or(json, "rotary_pct", 0.25) : value_or(json, "partial_rotary_factor", 1.0);
  auto scaling = value_or(json, "rope_parameters", value_or(json, "rope_scaling", Json::object()));
  if (is_given(scaling, "full_attention")) {  // one for each kind of layer
    c.sliding_rope = rope_from(scaling.at("sliding_attention"), 10000, partial, c.head_width, where);
    scaling = scaling.at("full_attention");
  } else if (is_given(json, "rope_local_base_freq")) {
    c.sliding_rope = Rope{.theta = json.at("rope_local_base_freq").get<double>()};
  }
  c.rope = rope_from(scaling, theta, partial, c.head_width, where);
}

/// Whether layer 1..L has a window: as listed, by a pattern (Gemma 3 of old), where it does not rotate (SmolLM 3), from
/// some layer on (Qwen), or as all others (Mistral, Phi-3).
bool slides(const ModelConfig& c, const Json& json, int64_t layer, const std::string& where) {
  const auto& type = c.architecture;
  const auto at = static_cast<size_t>(layer - 1);
  if (is_given(json, "layer_types")) {
    const auto& kind = json.at("layer_types").at(at);
    if (kind != "sliding_attention" && kind != "full_attention")
      refuse("a layer of type " + in_quotes(kind.get<std::string>()), where);
    return kind == "sliding_attention";
  }
  if (type == "gemma3_text") {
    const auto pattern =
        value_or<int64_t>(json, "sliding_window_pattern", value_or<int64_t>(json, "_sliding_window_pattern", 6));
    return pattern > 0 && layer % pattern != 0;
  }
  if (type == "smollm3") return c.unrotated[at];
  if (type == "qwen2" || type == "qwen3") return layer > value_or<int64_t>(json, "max_window_layers", 28);
  return true;
}

void add_windows(ModelConfig& c, const Json& json, const std::string& where) {
  const auto& type = c.architecture;
  const bool chooses = type == "qwen2" || type == "qwen3" || type == "smollm3";
  const bool may_slide = chooses ? value_or(json, "use_sliding_window", false)
                                 : type == "mistral" || type == "phi3" || type == "gemma3_text";
  if (!may_slide) return;
  if (!is_given(json, "sliding_window")) {
    if (c.sliding_rope) refuse("RoPE of sliding layers without a sliding window", where);
    return;
  }
  c.window = json.at("sliding_window").get<int64_t>();
  for (int64_t layer = 1; layer <= c.layers; ++layer) c.sliding.push_back(slides(c, json, layer, where));
}

/// SmolLM 3 lists ones for layers that rotate, or every n-th layer does not.
void add_unrotated(ModelConfig& c, const Json& json) {
  const auto interval = value_or<int64_t>(json, "no_rope_layer_interval", 4);
  for (int64_t layer = 1; layer <= c.layers; ++layer) {
    c.unrotated.push_back(is_given(json, "no_rope_layers")
                              ? json.at("no_rope_layers").at(static_cast<size_t>(layer - 1)) == 0
                              : interval > 0 && layer % interval == 0);
  }
}

void add_gpt_neox(Description& d, const Json& json) {
  auto& c = d.config;
  c.layer_norm = c.ffn_bias = true;
  c.gated_ffn = false;
  c.parallel_residual = value_or(json, "use_parallel_residual", true);
  c.qkv_bias = c.output_bias = value_or(json, "attention_bias", true);
  d.storage.names = Storage::Names::gpt_neox;
  d.storage.prefix = "gpt_neox.";
  d.storage.fused_by_head = true;
}

/// What GPT-2 and OPT have in common.
void add_learned_positions(ModelConfig& c, const std::string& where) {
  if (c.context < 1)
    throw Error("max_position_embeddings is " + std::to_string(c.context), where, "fetch the model again");
  c.learned_positions = c.context;
  c.unrotated.assign(static_cast<size_t>(c.layers), true);
  c.layer_norm = c.qkv_bias = c.output_bias = c.ffn_bias = true;
  c.gated_ffn = false;
}

void add_gpt2(Description& d, const Json& json, const std::string& where) {
  if (!value_or(json, "scale_attn_weights", true)) refuse("scale_attn_weights: false", where);
  if (value_or(json, "scale_attn_by_inverse_layer_idx", false)) refuse("scale_attn_by_inverse_layer_idx", where);
  if (value_or(json, "add_cross_attention", false)) refuse("add_cross_attention", where);
  add_learned_positions(d.config, where);
  d.storage.names = Storage::Names::gpt2;
  d.storage.prefix = "transformer.";
  d.storage.fused = d.storage.transposed = true;
}

void add_opt(Description& d, const Json& json, const std::string& where) {
  if (!value_or(json, "do_layer_norm_before", true)) refuse("do_layer_norm_before: false (OPT-350M)", where);
  if (value_or(json, "word_embed_proj_dim", d.config.width) != d.config.width) refuse("word_embed_proj_dim", where);
  if (!value_or(json, "enable_bias", true)) refuse("enable_bias: false", where);
  if (!value_or(json, "layer_norm_elementwise_affine", true)) refuse("layer_norm_elementwise_affine: false", where);
  if (value_or(json, "_remove_final_layer_norm", false)) refuse("_remove_final_layer_norm", where);
  add_learned_positions(d.config, where);
  d.storage.names = Storage::Names::opt;
  d.storage.prefix = "model.decoder.";
  d.storage.first_position = 2;
}

void add_architecture(Description& d, const Json& json, const std::string& where) {
  auto& c = d.config;
  const auto& type = c.architecture;
  if (type == "gpt_neox") return add_gpt_neox(d, json);
  if (type == "gpt2") return add_gpt2(d, json, where);
  if (type == "opt") return add_opt(d, json, where);
  const bool attention_bias = value_or(json, "attention_bias", false);
  c.qkv_bias = type == "qwen2" || attention_bias;
  c.output_bias = attention_bias;
  if (type == "qwen3") c.query_key_norm = QueryKeyNorm::head;
  if (type == "smollm3") add_unrotated(c, json);
  if (type == "phi3") d.storage.fused = true;
  if (type == "olmo2") {
    c.norm_placement = NormPlacement::after;
    c.query_key_norm = QueryKeyNorm::heads;
  }
  if (type == "gemma3_text") {
    c.begins_with_bos = true;
    c.norm_placement = NormPlacement::around;
    c.query_key_norm = QueryKeyNorm::head;
    c.embedding_scale = std::sqrt(static_cast<double>(c.width));
    c.score_scale = 1 / std::sqrt(value_or(json, "query_pre_attn_scalar", 256.0));
    d.storage.gains_less_one = true;
  }
}

Activation activation_of(const Json& json, const std::string& type, const std::string& where) {
  const auto name = value_or<std::string>(json, type == "gemma3_text" ? "hidden_activation" : "hidden_act", "silu");
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "gelu") return Activation::gelu;
  if (name == "relu") return Activation::relu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") return Activation::gelu_tanh;
  refuse("the activation " + in_quotes(name), where);
}

/// The library's conversion of a real number out of range would be undefined.
void require_whole(const Json& json, const std::string& where) {
  for (const auto* key :
       {"num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "intermediate_size",
        "vocab_size", "max_position_embeddings", "head_dim", "sliding_window", "sliding_window_pattern",
        "_sliding_window_pattern", "max_window_layers", "no_rope_layer_interval", "word_embed_proj_dim"}) {
    if (!is_given(json, key) || json.at(key).is_number_integer()) continue;
    throw Error(std::string(key) + " is not a whole number", where, "fetch the model again");
  }
}

void require_whole_list(const Json& json, const char* key, const std::string& where) {
  if (!is_given(json, key)) return;
  for (const auto& item : json.at(key)) {
    if (!item.is_number_integer())
      throw Error(std::string(key) + " has an item that is not a whole number", where, "fetch the model again");
  }
}

void refuse_quantised(const Json& json, const std::string& where) {
  if (!is_given(json, "quantization_config")) return;
  const auto& config = json.at("quantization_config");
  const auto method = config.is_object() ? value_or<std::string>(config, "quant_method", "") : std::string();
  throw Error("a quantised model (quantization_config" + (method.empty() ? "" : ": " + in_quotes(method)) +
                  ") is not supported",
              where, "use the model that is not quantised, or a GGUF file of it");
}

/// Whether a key is given with another value than the one that leaves the numbers as they are.
bool says_otherwise(const Json& json, const char* key, const Json& neutral) {
  return is_given(json, key) && json.at(key) != neutral;
}

/// Keys that other architectures read, and this one's does not: the library leaves them out without a word, other
/// programs apply them, and so the file does not say which model is meant.
void refuse_what_others_read(const Json& json, const std::string& type, const std::string& where) {
  const auto refuse_unless = [&](const Json& section, const char* key, const Json& neutral) {
    if (!says_otherwise(section, key, neutral)) return;
    throw Error(std::string(key) + " is a key that " + type + " does not read and other architectures do", where,
                "remove it if the model is a " + type + " model all the same");
  };
  const bool turns_in_part = type == "phi3" || type == "gpt_neox";
  for (const auto* section : {"", "rope_parameters", "rope_scaling"}) {
    if (turns_in_part || (*section != 0 && !is_given(json, section))) continue;
    refuse_unless(*section == 0 ? json : json.at(section), "partial_rotary_factor", 1.0);
  }
  if (type != "gpt_neox") {
    for (const auto* key : {"rotary_pct", "rotary_percent"}) refuse_unless(json, key, 1.0);
    for (const auto* key : {"use_parallel_residual", "parallel_attn"}) refuse_unless(json, key, false);
  }
  for (const auto* key : {"embedding_multiplier", "residual_multiplier", "logits_scaling", "logit_scale", "scale_emb"})
    refuse_unless(json, key, 1.0);
  for (const auto* key :
       {"rope_interleaved", "use_mrope", "alibi", "use_qk_norm", "qk_norm", "qk_layernorm", "use_sinks"})
    refuse_unless(json, key, false);
  for (const auto* key : {"attention_multiplier", "clip_qkv", "scale_depth", "rotary_dim", "attention_chunk_size"})
    refuse_unless(json, key, nullptr);
  for (const auto* key : {"num_local_experts", "num_experts", "n_routed_experts"}) refuse_unless(json, key, 0);
}

/// Two keys for one thing must agree. `json` is as the file has it: what is left out contradicts nothing.
void refuse_contradictions(const Json& json, int64_t layers, const std::string& where) {
  const auto agree = [&](const Json& a, const std::string& first, const Json& b, const std::string& second) {
    if (!a.is_null() && !b.is_null() && a != b)
      throw Error(first + " and " + second + " contradict each other", where, "remove the wrong one");
  };
  const auto at = [](const Json& section, const char* key) {
    return section.is_object() ? section.value(key, Json()) : Json();
  };
  const auto parameters = at(json, "rope_parameters"), scaling = at(json, "rope_scaling");
  for (const auto* key : {"rope_type", "type", "factor", "low_freq_factor", "high_freq_factor", "rope_theta",
                          "original_max_position_embeddings", "partial_rotary_factor"})
    agree(at(parameters, key), "rope_parameters." + std::string(key), at(scaling, key),
          "rope_scaling." + std::string(key));
  for (const auto& [name, section] :
       {std::pair<std::string, Json>{"rope_parameters.", parameters}, {"rope_scaling.", scaling}}) {
    agree(at(section, "rope_type"), name + "rope_type", at(section, "type"), name + "type");
    agree(at(json, "rope_theta"), "rope_theta", at(section, "rope_theta"), name + "rope_theta");
  }
  for (const auto* list : {"layer_types", "no_rope_layers"}) {
    if (is_given(json, list) && json.at(list).size() != static_cast<size_t>(layers))
      throw Error(std::string(list) + " has " + std::to_string(json.at(list).size()) + " items for " +
                      std::to_string(layers) + " layers",
                  where, "fetch the model again");
  }
}

/// What would change the numbers and is not applied here.
void refuse_what_is_not_applied(const Json& json, const std::string& where) {
  if (value_or(json, "mlp_bias", false)) refuse("mlp_bias", where);
  for (const auto* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (is_given(json, key)) refuse(key, where);
  }
  refuse_quantised(json, where);
  if (value_or(json, "use_bidirectional_attention", false) || !value_or(json, "is_causal", true))
    refuse("attention to later tokens", where);
}

/// The arms that are trained here.
void add_arm(ModelConfig& c, const Json& json) {
  if (value_or(json, "replicate_begins_with_bos", false)) c.begins_with_bos = true;
  c.head_rms_norm = value_or(json, "replicate_head_rms_norm", false);
  c.output_gate = value_or(json, "replicate_output_gate", false);
  if (is_given(json, "replicate_sigmoid_bias")) c.sigmoid_bias = json.at("replicate_sigmoid_bias").get<double>();
}

/// The keys under which some types have what others have under its usual name.
const std::vector<std::pair<std::string, std::string>>& own_names(const std::string& type) {
  static const std::map<std::string, std::vector<std::pair<std::string, std::string>>> all = {
      {"gpt2",
       {{"n_layer", "num_hidden_layers"},
        {"n_embd", "hidden_size"},
        {"n_head", "num_attention_heads"},
        {"n_inner", "intermediate_size"},
        {"n_positions", "max_position_embeddings"},
        {"activation_function", "hidden_act"}}},
      {"opt", {{"ffn_dim", "intermediate_size"}, {"activation_function", "hidden_act"}}}};
  static const std::vector<std::pair<std::string, std::string>> none;
  const auto found = all.find(type);
  return found == all.end() ? none : found->second;
}

/// The same under the usual names.
Json renamed(const Json& json, const std::string& type, const std::string& where) {
  Json usual = json;
  for (const auto& [own, name] : own_names(type)) {
    if (!is_given(json, own.c_str())) continue;
    if (is_given(json, name.c_str()) && json.at(name) != json.at(own))
      throw Error(own + " and " + name + " contradict each other", where, "remove the wrong one");
    usual[name] = json.at(own);
  }
  return usual;
}

/// The configuration with what the library would add to it.
Json filled(const Json& json, const std::string& where) {
  const auto type = json.at("model_type").get<std::string>();
  const auto& known = defaults_by_type();
  if (!known.contains(type)) {
    throw Error("model type " + in_quotes(type) + " is not supported", where,
                "use a model of llama, mistral, qwen2, qwen3, smollm3, olmo2, gemma3, phi3, gpt_neox, gpt2 or opt");
  }
  Json whole = known.at(type);
  whole.update(renamed(json, type, where));
  // GPT-2 writes n_inner: null for four times its width.
  if (type == "gpt2" && !is_given(whole, "intermediate_size") && whole.at("hidden_size").is_number_integer())
    whole["intermediate_size"] = 4 * std::clamp<int64_t>(whole.at("hidden_size").get<int64_t>(), 0, 1 << 24);
  return whole;
}

double norm_eps_of(const Json& json, const std::string& type) {
  if (type == "opt") return 1e-5;  // that of PyTorch's LayerNorm, and no key says otherwise
  if (type == "gpt2") return value_or(json, "layer_norm_epsilon", 1e-5);
  return value_or(json, type == "gpt_neox" ? "layer_norm_eps" : "rms_norm_eps", 1e-6);
}

Description describe(const Json& given, const std::string& where) {
  const auto json = filled(given, where);
  Description d;
  auto& c = d.config;
  c.architecture = json.at("model_type").get<std::string>();
  require_whole(json, where);
  require_whole_list(json, "no_rope_layers", where);
  refuse_what_is_not_applied(json, where);
  refuse_what_others_read(given, c.architecture, where);
  c.layers = json.at("num_hidden_layers").get<int64_t>();
  c.width = json.at("hidden_size").get<int64_t>();
  c.heads = json.at("num_attention_heads").get<int64_t>();
  c.kv_heads = value_or(json, "num_key_value_heads", c.heads);
  c.hidden = json.at("intermediate_size").get<int64_t>();
  c.vocabulary = json.at("vocab_size").get<int64_t>();
  c.context = value_or<int64_t>(json, "max_position_embeddings", 0);
  c.norm_eps = norm_eps_of(json, c.architecture);
  c.tied_head = value_or(json, "tie_word_embeddings", false);
  check_counts(c, where);
  refuse_contradictions(given, c.layers, where);
  c.head_width = value_or(json, "head_dim", c.width / c.heads);
  if (c.head_width < 2 || c.head_width > kLargestHeadWidth)
    refuse("a head width of " + std::to_string(c.head_width), where);
  c.activation = activation_of(json, c.architecture, where);
  if (c.architecture != "gpt2" && c.architecture != "opt") add_rope(c, json, where);
  add_architecture(d, json, where);
  add_windows(c, json, where);
  add_arm(c, json);
  check(c, where);
  return d;
}

}  // namespace

Description describe_config_json(std::string_view text, const std::string& where) {
  try {
    const auto json = parse_json(quote_python_numbers(text), where);
    if (value_or<std::string>(json, "model_type", "") != "gemma3") return describe(json, where);
    refuse_what_is_not_applied(json, where);
    auto inner = json.at("text_config");  // of a model that sees images, too
    inner["model_type"] = "gemma3_text";
    auto d = describe(inner, where);
    d.storage.others = {"model.vision_tower.", "vision_tower.", "model.multi_modal_projector.",
                        "multi_modal_projector."};
    return d;
  } catch (const Json::exception& e) {
    throw Error("config.json cannot be read, " + in_quotes(e.what()), where, "fetch the model again");
  }
}

}  // namespace replicate
