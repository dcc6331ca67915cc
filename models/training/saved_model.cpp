#include "models/training/saved_model.h"

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "models/core/stored_weights.h"
#include "models/formats/safetensors.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

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
               {"rope_theta", c.rope.theta},
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
  const Storage storage;
  const auto names = outer_names(storage);
  const auto ids = at::arange(config.vocabulary, at::kLong).unsqueeze(0);
  outputs.add(names.embedding, weights.embed(ids).squeeze(0));
  for (int64_t l = 1; l <= config.layers; ++l) {
    const auto block = weights.block(l);
    for (const auto& stored : stored_block(config, storage, l)) outputs.add(stored.tensor, block.*stored.weight);
  }
  outputs.add(names.final_norm, weights.final_norm());
  if (!config.tied_head) outputs.add(names.head, weights.head());
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

}  // namespace replicate
