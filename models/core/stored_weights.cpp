#include "models/core/stored_weights.h"

#include <atomic>
#include <set>

#include "base/error.h"
#include "models/formats/finite.h"
#include "models/formats/mistaken.h"

namespace replicate {
namespace {

using Weight = Tensor BlockWeights::*;

/// A weight's name within its block, in GGUF and in Hugging Face's Llama and its relatives.
struct NamedWeight {
  Weight weight;
  const char* gguf;
  const char* hugging_face;
};

/// The same for GPT-NeoX.
constexpr std::pair<Weight, const char*> kNeoxNames[] = {
    {&BlockWeights::query, "attention.query_key_value.weight"},
    {&BlockWeights::key, "attention.query_key_value.weight"},
    {&BlockWeights::value, "attention.query_key_value.weight"},
    {&BlockWeights::query_bias, "attention.query_key_value.bias"},
    {&BlockWeights::key_bias, "attention.query_key_value.bias"},
    {&BlockWeights::value_bias, "attention.query_key_value.bias"},
    {&BlockWeights::output, "attention.dense.weight"},
    {&BlockWeights::output_bias, "attention.dense.bias"},
    {&BlockWeights::up, "mlp.dense_h_to_4h.weight"},
    {&BlockWeights::up_bias, "mlp.dense_h_to_4h.bias"},
    {&BlockWeights::down, "mlp.dense_4h_to_h.weight"},
    {&BlockWeights::down_bias, "mlp.dense_4h_to_h.bias"},
    {&BlockWeights::attention_norm, "input_layernorm.weight"},
    {&BlockWeights::attention_norm_bias, "input_layernorm.bias"},
    {&BlockWeights::ffn_norm, "post_attention_layernorm.weight"},
    {&BlockWeights::ffn_norm_bias, "post_attention_layernorm.bias"}};

constexpr NamedWeight kNames[] = {
    {&BlockWeights::query, "attn_q.weight", "self_attn.q_proj.weight"},
    {&BlockWeights::key, "attn_k.weight", "self_attn.k_proj.weight"},
    {&BlockWeights::value, "attn_v.weight", "self_attn.v_proj.weight"},
    {&BlockWeights::output, "attn_output.weight", "self_attn.o_proj.weight"},
    {&BlockWeights::query_bias, "attn_q.bias", "self_attn.q_proj.bias"},
    {&BlockWeights::key_bias, "attn_k.bias", "self_attn.k_proj.bias"},
    {&BlockWeights::value_bias, "attn_v.bias", "self_attn.v_proj.bias"},
    {&BlockWeights::output_bias, "attn_output.bias", "self_attn.o_proj.bias"},
    {&BlockWeights::query_norm, "attn_q_norm.weight", "self_attn.q_norm.weight"},
    {&BlockWeights::key_norm, "attn_k_norm.weight", "self_attn.k_norm.weight"},
    {&BlockWeights::gate, "ffn_gate.weight", "mlp.gate_proj.weight"},
    {&BlockWeights::up, "ffn_up.weight", "mlp.up_proj.weight"},
    {&BlockWeights::down, "ffn_down.weight", "mlp.down_proj.weight"},
    {&BlockWeights::attention_norm, "attn_norm.weight", "input_layernorm.weight"},
    {&BlockWeights::attention_post_norm, "post_attention_norm.weight", "post_attention_layernorm.weight"},
    {&BlockWeights::ffn_post_norm, "post_ffw_norm.weight", "post_feedforward_layernorm.weight"},
    {&BlockWeights::head_norm, "", "self_attn.head_norm.weight"},  // the arms that are trained here
    {&BlockWeights::output_gate, "", "self_attn.output_gate.weight"}};

/// Hugging Face calls the norm before the FFN after its place in Llama, until there are two of them.
std::string ffn_norm_name(const ModelConfig& config, bool gguf) {
  if (gguf) return "ffn_norm.weight";
  return config.norm_placement == NormPlacement::around ? "pre_feedforward_layernorm.weight"
                                                        : "post_attention_layernorm.weight";
}

std::string name_in_block(const ModelConfig& config, Weight weight, Storage::Names names) {
  if (names == Storage::Names::gpt_neox) {
    for (const auto& [known, name] : kNeoxNames) {
      if (known == weight) return name;
    }
  } else {
    const bool gguf = names == Storage::Names::gguf;
    if (weight == &BlockWeights::ffn_norm) return ffn_norm_name(config, gguf);
    for (const auto& known : kNames) {
      if (known.weight == weight) return gguf ? known.gguf : known.hugging_face;
    }
  }
  TORCH_CHECK(false, "a weight has no name");
}

bool is_gain(Weight weight) {
  for (auto gain : {&BlockWeights::attention_norm, &BlockWeights::ffn_norm, &BlockWeights::attention_post_norm,
                    &BlockWeights::ffn_post_norm, &BlockWeights::query_norm, &BlockWeights::key_norm}) {
    if (gain == weight) return true;
  }
  return false;
}

/// Moves Q, K and V, and gate and up, to their rows of the fused tensors.
void fuse(std::vector<StoredRows>& block, const ModelConfig& c, const std::string& prefix, bool gguf) {
  const auto hk = c.heads * c.head_width, gk = c.kv_heads * c.head_width;
  const auto move = [&](Weight weight, const char* tensor, int64_t first, int64_t rows) {
    for (auto& stored : block) {
      if (stored.weight != weight) continue;
      stored.tensor = prefix + tensor;
      stored.first = first;
      stored.tensor_rows = rows;
    }
  };
  const auto* qkv = gguf ? "attn_qkv.weight" : "self_attn.qkv_proj.weight";
  const auto* gate_up = gguf ? "ffn_up.weight" : "mlp.gate_up_proj.weight";
  move(&BlockWeights::query, qkv, 0, hk + 2 * gk);
  move(&BlockWeights::key, qkv, hk, hk + 2 * gk);
  move(&BlockWeights::value, qkv, hk + gk, hk + 2 * gk);
  move(&BlockWeights::gate, gate_up, 0, 2 * c.hidden);
  move(&BlockWeights::up, gate_up, c.hidden, 2 * c.hidden);
}

/// Q, K and V take turns in their tensor, head by head.
void fuse_by_head(std::vector<StoredRows>& block, const ModelConfig& c) {
  const auto interleave = [&](Weight weight, Weight bias, int64_t turn) {
    for (auto& stored : block) {
      if (stored.weight != weight && stored.weight != bias) continue;
      stored.first = turn * c.head_width;
      stored.group = c.head_width;
      stored.stride = 3 * c.head_width;
      stored.tensor_rows = 3 * c.heads * c.head_width;
    }
  };
  interleave(&BlockWeights::query, &BlockWeights::query_bias, 0);
  interleave(&BlockWeights::key, &BlockWeights::key_bias, 1);
  interleave(&BlockWeights::value, &BlockWeights::value_bias, 2);
}

/// Half-split order from adjacent pairs, head by head: row i of the first half from row 2 i, row i of the second from
/// 2 i + 1. For a matrix [n K, D] or a bias [n K].
Tensor unpermute(const Tensor& weight, int64_t heads) {
  return weight.reshape({heads, -1, 2, weight.numel() / weight.size(0)}).transpose(1, 2).reshape(weight.sizes());
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const auto n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

class StoredWeights : public WeightSource {
 public:
  StoredWeights(std::shared_ptr<const TensorStore> store, const ModelConfig& config, const Storage& storage,
                at::Device device)
      : store_(std::move(store)), config_(config), storage_(storage), names_(outer_names(storage)), device_(device) {
    std::set<std::string> known;
    for (int64_t layer = 1; layer <= config.layers; ++layer) {
      for (const auto& stored : stored_block(config, storage, layer)) {
        auto shape = stored.shape;
        shape.front() = stored.tensor_rows;
        expect(stored.tensor, shape);
        known.insert(stored.tensor);
      }
    }
    expect(names_.embedding, {config.vocabulary, config.width});
    expect(names_.final_norm, {config.width});
    if (config.layer_norm) expect(names_.final_norm_bias, {config.width});
    if (config.has_own_head()) expect(names_.head, {config.vocabulary, config.width});
    known.insert({names_.embedding, names_.final_norm, names_.final_norm_bias, names_.head});
    refuse_unknown(known);
    if (config.tied_head && storage.names != Storage::Names::gguf) refuse_another_head();
  }

  BlockWeights block(int64_t layer) const override {
    auto w = with_room(config_, device_);
    for (const auto& stored : stored_block(config_, storage_, layer)) put(stored, w.*stored.weight);
    for (auto norm : {&BlockWeights::attention_norm, &BlockWeights::ffn_norm}) {
      if (!(w.*norm).defined()) w.*norm = at::ones({config_.width}, at::TensorOptions(device_));
    }
    return w;
  }

  /// Decodes only the rows that occur: a row that nothing reads may hold anything.
  Tensor embed(const Tensor& ids) const override {
    const auto flat = ids.to(at::kCPU).reshape({-1}).contiguous();
    const auto width = static_cast<size_t>(config_.width);
    auto rows = at::empty({flat.numel(), config_.width}, at::kFloat);
    auto* row = rows.mutable_data_ptr<float>();
    for (int64_t i = 0; i < flat.numel(); ++i, row += width) {
      const auto id = flat.const_data_ptr<int64_t>()[i];
      if (!store_->decode(names_.embedding, id, 1, row)) refuse_not_finite(names_.embedding, id, {row, width});
    }
    return rows.view({ids.size(0), ids.size(1), config_.width}).to(device_);
  }

  Tensor final_norm() const override {
    const auto gain = load(names_.final_norm, {config_.width});
    return storage_.gains_less_one ? gain + 1 : gain;
  }

  Tensor final_norm_bias() const override {
    return config_.layer_norm ? load(names_.final_norm_bias, {config_.width}) : Tensor();
  }

  Tensor head() const override {
    if (!config_.has_head) {
      throw Error("the model has no output head", store_->where(), "measure what needs no logits");
    }
    return load(config_.tied_head ? names_.embedding : names_.head, {config_.vocabulary, config_.width});
  }

  void release(int64_t layer) const override {
    for (const auto& stored : stored_block(config_, storage_, layer)) store_->release(stored.tensor);
  }

 private:
  /// Decodes what is stored, as the block reads it, to where there is room for it, or into a tensor of its own.
  void put(const StoredRows& stored, Tensor& weight) const {
    const auto heads = heads_to_unpermute(stored.weight);
    if (weight.defined() && weight.is_cpu() && stored.stride == 0 && !heads)
      return decode(stored.tensor, stored.first, weight);
    auto values = load(stored);
    if (storage_.gains_less_one && is_gain(stored.weight)) values = values + 1;
    if (heads) values = unpermute(values, *heads);
    if (weight.defined()) {
      weight.copy_(values);
    } else {
      weight = std::move(values);
    }
  }

  std::optional<int64_t> heads_to_unpermute(Weight weight) const {
    if (!storage_.interleaved_rope) return {};
    if (weight == &BlockWeights::query || weight == &BlockWeights::query_bias) return config_.heads;
    if (weight == &BlockWeights::key || weight == &BlockWeights::key_bias) return config_.kv_heads;
    return {};
  }

  Tensor load(const StoredRows& stored) const {
    if (stored.stride == 0) return decoded(stored.tensor, stored.first, stored.shape).to(device_);
    auto shape = stored.shape;
    shape.front() = stored.tensor_rows;
    const auto whole = decoded(stored.tensor, 0, shape).unflatten(0, {-1, stored.stride});
    return whole.slice(1, stored.first, stored.first + stored.group).reshape(stored.shape).to(device_);
  }

  Tensor load(const std::string& name, const std::vector<int64_t>& shape) const {
    return decoded(name, 0, shape).to(device_);
  }

  /// Rows from `first` on, as many as the shape has, decoded in parallel; a vector is one row.
  Tensor decoded(const std::string& name, int64_t first, const std::vector<int64_t>& shape) const {
    const auto tensor = at::empty(shape, at::kFloat);
    decode(name, first, tensor);
    return tensor;
  }

  void decode(const std::string& name, int64_t first, const Tensor& tensor) const {
    const bool vector = tensor.dim() == 1;
    const auto rows = vector ? 1 : tensor.size(0), width = tensor.size(-1);
    const std::span<float> numbers(tensor.mutable_data_ptr<float>(), static_cast<size_t>(tensor.numel()));
    std::atomic<bool> finite = true;
    at::parallel_for(0, rows, std::max<int64_t>(1, 65536 / width), [&](int64_t begin, int64_t end) {
      if (!store_->decode(name, first + begin, end - begin, numbers.data() + begin * width)) finite = false;
    });
    if (!finite) refuse_not_finite(name, first, numbers);
  }

  /// The numbers of a vector, or of a matrix from row `first` on. Names the first one, whatever the threads found
  /// first.
  [[noreturn]] void refuse_not_finite(const std::string& name, int64_t first, std::span<const float> numbers) const {
    const auto shape = *store_->shape(name);
    const auto at = static_cast<int64_t>(*first_not_finite(numbers)), width = shape.back();
    const auto place = shape.size() == 1 ? std::vector{at} : std::vector{first + at / width, at % width};
    throw Error("tensor " + in_quotes(name) + " holds " + (std::isnan(numbers[at]) ? "NaN" : "infinity") + " at " +
                    shape_text(place),
                store_->where_of(name), "the model is damaged: fetch it or convert it again");
  }

  void expect(const std::string& name, const std::vector<int64_t>& shape) const {
    const auto actual = store_->shape(name);
    if (actual == shape) return;
    const auto mistaken = actual ? std::nullopt : mistaken_tensors(store_->names());
    if (mistaken) throw Error("tensor " + name + " is missing: " + mistaken->what, store_->where(), mistaken->remedy);
    throw Error(actual ? "tensor " + name + " has shape " + shape_text(*actual) + " instead of " + shape_text(shape)
                       : "tensor " + name + " is missing",
                store_->where(), "the model is damaged, incomplete or of another architecture");
  }

  /// A head of its own beside the embedding that the configuration makes the head: of the two, one would be thrown
  /// away.
  void refuse_another_head() const {
    if (!store_->shape(names_.head)) return;
    expect(names_.head, {config_.vocabulary, config_.width});
    constexpr int64_t kRows = 256;
    std::vector<float> embedding(kRows * config_.width), head(embedding.size());
    for (int64_t first = 0; first < config_.vocabulary; first += kRows) {
      const auto rows = std::min(kRows, config_.vocabulary - first);
      const bool finite = store_->decode(names_.embedding, first, rows, embedding.data()) &&
                          store_->decode(names_.head, first, rows, head.data());
      const auto end = embedding.begin() + rows * config_.width;
      if (!finite || std::equal(embedding.begin(), end, head.begin()))
        continue;  // what is not finite is told when read
      throw Error("tie_word_embeddings is true, and " + names_.head + " differs from " + names_.embedding,
                  store_->where(), "set it to false in config.json if the model has a head of its own");
    }
  }

  void refuse_unknown(const std::set<std::string>& known) const {
    for (const auto& name : store_->names()) {
      if (known.count(name) || is_of_another_part(name)) continue;
      throw Error("tensor " + in_quotes(name) + " is not part of the " + config_.architecture + " architecture",
                  store_->where(), "use a model without it");
    }
  }

  bool is_of_another_part(const std::string& name) const {
    for (const auto& beginning : storage_.others) {
      if (name.starts_with(beginning)) return true;
    }
    // Tables that old checkpoints carry; the configuration says it all.
    if (storage_.names == Storage::Names::gpt_neox) {
      if (name.ends_with(".attention.bias") || name.ends_with(".attention.masked_bias")) return true;
    }
    return name.ends_with("rotary_emb.inv_freq");
  }

  std::shared_ptr<const TensorStore> store_;
  ModelConfig config_;
  Storage storage_;
  OuterNames names_;
  at::Device device_;
};

}  // namespace

std::vector<StoredRows> stored_block(const ModelConfig& config, const Storage& storage, int64_t layer) {
  const bool gguf = storage.names == Storage::Names::gguf;
  const auto number = std::to_string(layer - 1) + ".";
  const auto prefix = gguf ? "blk." + number : storage.prefix + "layers." + number;
  std::vector<StoredRows> block;
  for (const auto& [weight, shape] : block_weights(config)) {
    block.push_back({weight, prefix + name_in_block(config, weight, storage.names), shape, 0, shape.front()});
  }
  if (storage.fused) fuse(block, config, prefix, gguf);
  if (storage.fused_by_head) fuse_by_head(block, config);
  return block;
}

OuterNames outer_names(const Storage& storage) {
  if (storage.names == Storage::Names::gguf) return {"token_embd.weight", "output_norm.weight", "output.weight"};
  if (storage.names == Storage::Names::gpt_neox) {
    const auto norm = storage.prefix + "final_layer_norm.";
    return {storage.prefix + "embed_in.weight", norm + "weight", "embed_out.weight", norm + "bias"};
  }
  return {storage.prefix + "embed_tokens.weight", storage.prefix + "norm.weight", "lm_head.weight"};
}

std::shared_ptr<WeightSource> stored_weights(std::shared_ptr<const TensorStore> store, const ModelConfig& config,
                                             const Storage& storage, at::Device device) {
  return std::make_shared<StoredWeights>(std::move(store), config, storage, device);
}

}  // namespace replicate
