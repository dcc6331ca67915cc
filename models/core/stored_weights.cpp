#include "models/core/stored_weights.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <span>

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

/// The same for GPT-2, whose Q, K and V lie in one tensor.
constexpr std::pair<Weight, const char*> kGpt2Names[] = {
    {&BlockWeights::query, "attn.c_attn.weight"},   {&BlockWeights::key, "attn.c_attn.weight"},
    {&BlockWeights::value, "attn.c_attn.weight"},   {&BlockWeights::query_bias, "attn.c_attn.bias"},
    {&BlockWeights::key_bias, "attn.c_attn.bias"},  {&BlockWeights::value_bias, "attn.c_attn.bias"},
    {&BlockWeights::output, "attn.c_proj.weight"},  {&BlockWeights::output_bias, "attn.c_proj.bias"},
    {&BlockWeights::up, "mlp.c_fc.weight"},         {&BlockWeights::up_bias, "mlp.c_fc.bias"},
    {&BlockWeights::down, "mlp.c_proj.weight"},     {&BlockWeights::down_bias, "mlp.c_proj.bias"},
    {&BlockWeights::attention_norm, "ln_1.weight"}, {&BlockWeights::attention_norm_bias, "ln_1.bias"},
    {&BlockWeights::ffn_norm, "ln_2.weight"},       {&BlockWeights::ffn_norm_bias, "ln_2.bias"}};

/// The same for OPT.
constexpr std::pair<Weight, const char*> kOptNames[] = {
    {&BlockWeights::query, "self_attn.q_proj.weight"},
    {&BlockWeights::key, "self_attn.k_proj.weight"},
    {&BlockWeights::value, "self_attn.v_proj.weight"},
    {&BlockWeights::query_bias, "self_attn.q_proj.bias"},
    {&BlockWeights::key_bias, "self_attn.k_proj.bias"},
    {&BlockWeights::value_bias, "self_attn.v_proj.bias"},
    {&BlockWeights::output, "self_attn.out_proj.weight"},
    {&BlockWeights::output_bias, "self_attn.out_proj.bias"},
    {&BlockWeights::up, "fc1.weight"},
    {&BlockWeights::up_bias, "fc1.bias"},
    {&BlockWeights::down, "fc2.weight"},
    {&BlockWeights::down_bias, "fc2.bias"},
    {&BlockWeights::attention_norm, "self_attn_layer_norm.weight"},
    {&BlockWeights::attention_norm_bias, "self_attn_layer_norm.bias"},
    {&BlockWeights::ffn_norm, "final_layer_norm.weight"},
    {&BlockWeights::ffn_norm_bias, "final_layer_norm.bias"}};

/// The table of an architecture whose names are its own; empty for the others.
std::span<const std::pair<Weight, const char*>> own_names(Storage::Names names) {
  switch (names) {
    case Storage::Names::gpt_neox: return kNeoxNames;
    case Storage::Names::gpt2: return kGpt2Names;
    case Storage::Names::opt: return kOptNames;
    case Storage::Names::gguf:
    case Storage::Names::hugging_face: break;
  }
  return {};
}

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
    {&BlockWeights::attention_norm_bias, "attn_norm.bias", ""},  // GPT-2's in GGUF
    {&BlockWeights::ffn_norm_bias, "ffn_norm.bias", ""},
    {&BlockWeights::up_bias, "ffn_up.bias", ""},
    {&BlockWeights::down_bias, "ffn_down.bias", ""},
    {&BlockWeights::head_norm, "", "self_attn.head_norm.weight"},  // the arms that are trained here
    {&BlockWeights::output_gate, "", "self_attn.output_gate.weight"}};

/// Hugging Face calls the norm before the FFN after its place in Llama, until there are two of them.
std::string ffn_norm_name(const ModelConfig& config, bool gguf) {
  if (gguf) return "ffn_norm.weight";
  return config.norm_placement == NormPlacement::around ? "pre_feedforward_layernorm.weight"
                                                        : "post_attention_layernorm.weight";
}

std::string name_in_block(const ModelConfig& config, Weight weight, Storage::Names names) {
  const auto own = own_names(names);
  for (const auto& [known, name] : own) {
    if (known == weight) return name;
  }
  if (own.empty()) {
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

std::string fused_qkv_name(Storage::Names names) {
  if (names == Storage::Names::gguf) return "attn_qkv";
  return names == Storage::Names::gpt2 ? "attn.c_attn" : "self_attn.qkv_proj";
}

/// Moves Q, K and V, and gate and up, to their rows of the fused tensors.
void fuse(std::vector<StoredRows>& block, const ModelConfig& c, const std::string& prefix, Storage::Names names) {
  const auto hk = c.heads * c.head_width, gk = c.kv_heads * c.head_width;
  const auto move = [&](Weight weight, const std::string& tensor, int64_t first, int64_t rows) {
    for (auto& stored : block) {
      if (stored.weight != weight) continue;
      stored.tensor = prefix + tensor;
      stored.first = first;
      stored.tensor_rows = rows;
    }
  };
  const auto qkv = fused_qkv_name(names);
  const auto move_qkv = [&](const std::string& tensor, Weight query, Weight key, Weight value) {
    move(query, tensor, 0, hk + 2 * gk);
    move(key, tensor, hk, hk + 2 * gk);
    move(value, tensor, hk + gk, hk + 2 * gk);
  };
  move_qkv(qkv + ".weight", &BlockWeights::query, &BlockWeights::key, &BlockWeights::value);
  move_qkv(qkv + ".bias", &BlockWeights::query_bias, &BlockWeights::key_bias, &BlockWeights::value_bias);
  if (!c.gated_ffn) return;
  const std::string gate_up = names == Storage::Names::gguf ? "ffn_up.weight" : "mlp.gate_up_proj.weight";
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
    std::set<std::string> known = {names_.head};  // a tied one may be there, too
    const auto need = [&](const std::string& name, const std::vector<int64_t>& shape) {
      expect(name, shape);
      known.insert(name);
    };
    for (int64_t layer = 1; layer <= config.layers; ++layer) {
      for (const auto& stored : stored_block(config, storage, layer)) need(stored.tensor, stored.tensor_shape());
    }
    need(names_.embedding, {config.vocabulary, config.width});
    need(names_.final_norm, {config.width});
    if (config.layer_norm) need(names_.final_norm_bias, {config.width});
    if (config.learned_positions > 0)
      need(names_.positions, {storage.first_position + config.learned_positions, config.width});
    if (config.has_own_head()) need(names_.head, {config.vocabulary, config.width});
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
    const auto embedded = rows.view({ids.size(0), ids.size(1), config_.width}).to(device_);
    return config_.learned_positions > 0 ? embedded + positions(ids.size(1)) : embedded;
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
  /// What is added to the first T tokens: [T, D].
  Tensor positions(int64_t length) const {
    TORCH_CHECK(length <= config_.learned_positions, "positions beyond the table");
    const auto rows = at::empty({length, config_.width}, at::kFloat);
    decode(names_.positions, storage_.first_position, rows);
    return rows.to(device_);
  }

  /// Decodes what is stored, as the block reads it, to where there is room for it, or into a tensor of its own.
  void put(const StoredRows& stored, Tensor& weight) const {
    const auto heads = heads_to_unpermute(stored.weight);
    if (weight.defined() && weight.is_cpu() && stored.stride == 0 && !stored.transposed && !heads)
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
    if (stored.transposed) {
      const auto columns = decoded(stored.tensor, 0, stored.tensor_shape()).t();
      return columns.slice(0, stored.first, stored.first + stored.shape.front()).contiguous().to(device_);
    }
    if (stored.stride == 0 && stored.shape.size() == 1) {  // a vector is decoded whole
      const auto whole = decoded(stored.tensor, 0, stored.tensor_shape());
      return whole.slice(0, stored.first, stored.first + stored.shape.front()).to(device_);
    }
    if (stored.stride == 0) return decoded(stored.tensor, stored.first, stored.shape).to(device_);
    const auto whole = decoded(stored.tensor, 0, stored.tensor_shape()).unflatten(0, {-1, stored.stride});
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
    if (storage_.names == Storage::Names::gpt2) {
      if (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")) return true;
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

std::vector<int64_t> StoredRows::tensor_shape() const {
  auto whole = shape;
  whole.front() = tensor_rows;
  if (transposed) std::ranges::reverse(whole);
  return whole;
}

std::vector<StoredRows> stored_block(const ModelConfig& config, const Storage& storage, int64_t layer) {
  const auto number = std::to_string(layer - 1) + ".";
  const auto prefix = storage.names == Storage::Names::gguf   ? "blk." + number
                      : storage.names == Storage::Names::gpt2 ? storage.prefix + "h." + number
                                                              : storage.prefix + "layers." + number;
  std::vector<StoredRows> block;
  for (const auto& [weight, shape] : block_weights(config)) {
    block.push_back({weight, prefix + name_in_block(config, weight, storage.names), shape, 0, shape.front()});
    block.back().transposed = storage.transposed && shape.size() == 2;
  }
  if (storage.fused) fuse(block, config, prefix, storage.names);
  if (storage.fused_by_head) fuse_by_head(block, config);
  return block;
}

OuterNames outer_names(const Storage& storage) {
  if (storage.names == Storage::Names::gguf) {
    return {"token_embd.weight", "output_norm.weight", "output.weight", "output_norm.bias", "position_embd.weight"};
  }
  if (storage.names == Storage::Names::gpt2) {
    return {storage.prefix + "wte.weight", storage.prefix + "ln_f.weight", "lm_head.weight",
            storage.prefix + "ln_f.bias", storage.prefix + "wpe.weight"};
  }
  if (storage.names == Storage::Names::opt) {
    const auto norm = storage.prefix + "final_layer_norm.";
    return {storage.prefix + "embed_tokens.weight", norm + "weight", "lm_head.weight", norm + "bias",
            storage.prefix + "embed_positions.weight"};
  }
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
