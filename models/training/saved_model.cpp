#include "models/training/saved_model.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/safetensors.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kDamaged = "the folder is damaged or of another program: train the model again";
constexpr uintmax_t kLargestConfig = 1 << 20;

/// A weight's name in the file and where it stands in a block.
struct Entry {
  const char* name;
  Tensor BlockWeights::* weight;
};

constexpr Entry kEntries[] = {{"input_layernorm", &BlockWeights::attention_norm},
                              {"self_attn.q_proj", &BlockWeights::query},
                              {"self_attn.k_proj", &BlockWeights::key},
                              {"self_attn.v_proj", &BlockWeights::value},
                              {"self_attn.o_proj", &BlockWeights::output},
                              {"post_attention_layernorm", &BlockWeights::ffn_norm},
                              {"mlp.gate_proj", &BlockWeights::gate},
                              {"mlp.up_proj", &BlockWeights::up},
                              {"mlp.down_proj", &BlockWeights::down},
                              {"self_attn.head_norm", &BlockWeights::head_norm},
                              {"self_attn.output_gate", &BlockWeights::output_gate}};

std::string name_of(int64_t layer, const std::string& name) {
  return "model.layers." + std::to_string(layer - 1) + "." + name + ".weight";
}

/// The shape that a block's weight has in this configuration; empty where it has no such weight.
std::vector<int64_t> shape_of(const ModelConfig& c, Tensor BlockWeights::* weight) {
  const auto d = c.width, f = c.hidden, hk = c.heads * c.head_width, gk = c.kv_heads * c.head_width;
  if (weight == &BlockWeights::query) return {hk, d};
  if (weight == &BlockWeights::key || weight == &BlockWeights::value) return {gk, d};
  if (weight == &BlockWeights::output) return {d, hk};
  if (weight == &BlockWeights::gate || weight == &BlockWeights::up) return {f, d};
  if (weight == &BlockWeights::down) return {d, f};
  if (weight == &BlockWeights::head_norm) return c.head_rms_norm ? std::vector{c.head_width} : std::vector<int64_t>{};
  if (weight == &BlockWeights::output_gate) return c.output_gate ? std::vector{hk, d} : std::vector<int64_t>{};
  return {d};
}

std::string config_json(const ModelConfig& c) {
  const bool plain = !c.head_rms_norm && !c.output_gate && !c.sigmoid_bias;
  Json json = {{"architectures", {plain ? "LlamaForCausalLM" : "none"}},
               {"model_type", "llama"},
               {"num_hidden_layers", c.layers},
               {"hidden_size", c.width},
               {"num_attention_heads", c.heads},
               {"num_key_value_heads", c.kv_heads},
               {"head_dim", c.head_width},
               {"intermediate_size", c.hidden},
               {"vocab_size", c.vocabulary},
               {"max_position_embeddings", c.context},
               {"rms_norm_eps", c.norm_eps},
               {"rope_theta", c.rope_theta},
               {"hidden_act", "silu"},
               {"attention_bias", false},
               {"mlp_bias", false},
               {"tie_word_embeddings", c.tied_head},
               {"torch_dtype", "float32"}};
  if (c.begins_with_bos) json["replicate_begins_with_bos"] = true;
  if (c.head_rms_norm) json["replicate_head_rms_norm"] = true;
  if (c.output_gate) json["replicate_output_gate"] = true;
  if (c.sigmoid_bias) json["replicate_sigmoid_bias"] = *c.sigmoid_bias;
  return json.dump(2) + "\n";
}

ModelConfig config_from(const Json& json, const std::string& where) {
  ModelConfig c;
  c.layers = json.at("num_hidden_layers").get<int64_t>();
  c.width = json.at("hidden_size").get<int64_t>();
  c.heads = json.at("num_attention_heads").get<int64_t>();
  c.kv_heads = json.at("num_key_value_heads").get<int64_t>();
  c.head_width = json.at("head_dim").get<int64_t>();
  c.hidden = json.at("intermediate_size").get<int64_t>();
  c.vocabulary = json.at("vocab_size").get<int64_t>();
  c.context = json.at("max_position_embeddings").get<int64_t>();
  c.norm_eps = json.at("rms_norm_eps").get<double>();
  c.rope_theta = json.at("rope_theta").get<double>();
  c.tied_head = json.at("tie_word_embeddings").get<bool>();
  c.begins_with_bos = json.value("replicate_begins_with_bos", false);
  c.head_rms_norm = json.value("replicate_head_rms_norm", false);
  c.output_gate = json.value("replicate_output_gate", false);
  if (json.contains("replicate_sigmoid_bias")) c.sigmoid_bias = json.at("replicate_sigmoid_bias").get<double>();
  check(c, where);
  return c;
}

ModelConfig read_config(const fs::path& file) {
  std::error_code error;
  if (fs::file_size(file, error) > kLargestConfig || error) {
    throw Error("there is no readable config.json", file.parent_path().string(), kDamaged);
  }
  std::ifstream stream(file);
  try {
    return config_from(Json::parse(stream), file.string());
  } catch (const Json::exception& e) {
    throw Error(std::string("config.json cannot be read: ") + e.what(), file.string(), kDamaged);
  }
}

class SavedWeights : public WeightSource {
 public:
  SavedWeights(const fs::path& file, const ModelConfig& config, at::Device device)
      : file_(SafetensorsFile::open(file)), config_(config), device_(device) {
    for (int64_t l = 1; l <= config.layers; ++l) {
      for (const auto& entry : kEntries) {
        const auto shape = shape_of(config, entry.weight);
        if (!shape.empty()) expect(name_of(l, entry.name), shape);
      }
    }
    expect("model.embed_tokens.weight", {config.vocabulary, config.width});
    expect("model.norm.weight", {config.width});
    if (!config.tied_head) expect("lm_head.weight", {config.vocabulary, config.width});
  }

  BlockWeights block(int64_t layer) const override {
    BlockWeights w;
    for (const auto& entry : kEntries) {
      if (!shape_of(config_, entry.weight).empty()) w.*entry.weight = load(name_of(layer, entry.name));
    }
    return w;
  }

  Tensor embed(const Tensor& ids) const override {
    return at::embedding(load("model.embed_tokens.weight"), ids.to(device_));
  }
  Tensor final_norm() const override { return load("model.norm.weight"); }
  Tensor head() const override { return load(config_.tied_head ? "model.embed_tokens.weight" : "lm_head.weight"); }

 private:
  void expect(const std::string& name, const std::vector<int64_t>& shape) const {
    if (file_.tensor(name).shape == shape) return;
    throw Error("tensor " + name + " has not the shape that config.json says", file_.where(), kDamaged);
  }

  Tensor load(const std::string& name) const {
    const auto& stored = file_.tensor(name);
    auto tensor = at::empty(stored.shape, at::kFloat);
    decode_floats(stored, tensor.mutable_data_ptr<float>());
    return tensor.to(device_);
  }

  SafetensorsFile file_;
  ModelConfig config_;
  at::Device device_;
};

/// Tensors on the CPU with their names, kept alive while they are written.
class Outputs {
 public:
  void add(const std::string& name, const Tensor& tensor) {
    kept_.push_back(tensor.detach().to(at::kCPU, at::kFloat).contiguous());
    const auto& t = kept_.back();
    outputs_.push_back({name, Dtype::f32, t.sizes().vec(),
                        std::as_bytes(std::span(t.const_data_ptr<float>(), static_cast<size_t>(t.numel())))});
  }
  const std::vector<SafetensorsOutput>& all() const { return outputs_; }

 private:
  std::vector<Tensor> kept_;
  std::vector<SafetensorsOutput> outputs_;
};

Outputs outputs_of(const ModelConfig& config, const WeightSource& weights) {
  Outputs outputs;
  const auto ids = at::arange(config.vocabulary, at::kLong).unsqueeze(0);
  outputs.add("model.embed_tokens.weight", weights.embed(ids).squeeze(0));
  for (int64_t l = 1; l <= config.layers; ++l) {
    const auto block = weights.block(l);
    for (const auto& entry : kEntries) {
      if (!shape_of(config, entry.weight).empty()) outputs.add(name_of(l, entry.name), block.*entry.weight);
    }
  }
  outputs.add("model.norm.weight", weights.final_norm());
  if (!config.tied_head) outputs.add("lm_head.weight", weights.head());
  return outputs;
}

}  // namespace

void save_model(const fs::path& folder, const ModelConfig& config, const WeightSource& weights) {
  const fs::path fresh = folder.string() + ".partial";
  fs::remove_all(fresh);
  fs::create_directories(fresh);
  const auto outputs = outputs_of(config, weights);
  write_safetensors(fresh / "model.safetensors", outputs.all(), {{"format", "pt"}});
  AtomicFile file(fresh / "config.json");
  file.write(config_json(config));
  file.put_in_place();
  fs::remove_all(folder);
  fs::rename(fresh, folder);
}

std::shared_ptr<const Model> open_saved_model(const fs::path& folder, const std::string& name, at::Device device) {
  const auto config = read_config(folder / "config.json");
  return std::make_shared<const Model>(
      Model{name, config, std::make_shared<SavedWeights>(folder / "model.safetensors", config, device)});
}

}  // namespace replicate
