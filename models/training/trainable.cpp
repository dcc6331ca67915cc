#include "models/training/trainable.h"

#include <algorithm>

#include "models/core/fused.h"

namespace replicate {
namespace {

std::string name_of(int64_t layer, const std::string& name) {
  return "model.layers." + std::to_string(layer - 1) + "." + name + ".weight";
}

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kFinalNorm = "model.norm.weight";
constexpr const char* kHead = "lm_head.weight";

std::vector<ParameterShape> shapes_of(const Arm& arm, const ModelConfig& c) {
  const auto d = c.width, f = c.hidden, hk = c.heads * c.head_width, gk = c.kv_heads * c.head_width;
  std::vector<ParameterShape> all = {{kEmbedding, {c.vocabulary, d}}};
  for (int64_t l = 1; l <= c.layers; ++l) {
    const std::vector<ParameterShape> block = {
        {name_of(l, "self_attn.q_proj"), {hk, d}},    {name_of(l, "self_attn.k_proj"), {gk, d}},
        {name_of(l, "self_attn.v_proj"), {gk, d}},    {name_of(l, "self_attn.o_proj"), {d, hk}},
        {name_of(l, "mlp.gate_proj"), {f, d}},        {name_of(l, "mlp.up_proj"), {f, d}},
        {name_of(l, "mlp.down_proj"), {d, f}},        {name_of(l, "input_layernorm"), {d}},
        {name_of(l, "post_attention_layernorm"), {d}}};
    all.insert(all.end(), block.begin(), block.end());
    if (c.output_gate) all.push_back({name_of(l, "self_attn.output_gate"), {hk, d}});
    if (c.head_rms_norm || arm.constant_gain) all.push_back({name_of(l, "self_attn.head_norm"), {c.head_width}});
  }
  all.push_back({kFinalNorm, {d}});
  if (!c.tied_head) all.push_back({kHead, {c.vocabulary, d}});
  return all;
}

/// 1 and -1.
Tensor signs_of(const Tensor& x) { return at::where(x < 0, -1.0, 1.0).to(x.options()); }

/// A matrix [D, F] whose columns are dense whatever `free` [D, F] is: the entries of a column keep their signs and lie
/// between 0.5 and 1.5 of one scale, the RMS of the column of `free`.
Tensor dense_columns(const Tensor& free, const Tensor& signs) {
  constexpr double kNoScale = 1e-12;  // of a column of zeros, whose RMS has no gradient
  const auto scale = (free.square().mean(0, true) + kNoScale).sqrt();  // [1, F]
  return signs * scale * (1 + 0.5 * at::tanh(free * signs / scale));
}

BlockWeights in_bfloat16(BlockWeights w) {
  for (auto* matrix : {&w.query, &w.key, &w.value, &w.output, &w.gate, &w.up, &w.down, &w.output_gate}) {
    if (matrix->defined()) *matrix = matrix->to(at::kBFloat16);
  }
  return w;
}

/// Mean cross-entropy of x [N, D] through a head [V, D].
Tensor head_loss(const Tensor& x, const Tensor& head, const Tensor& targets) {
  if constexpr (kCudaKernels) {
    if (cuda_kernels_take(x)) {
      // Tensor cores want a multiple of 64 of every dimension, and GPT-2 has 50,257 ids.
      constexpr int64_t kColumns = 64;
      const auto ids = head.size(0), padding = (kColumns - ids % kColumns) % kColumns;
      return cuda_cross_entropy(at::linear(x, at::constant_pad_nd(head, {0, 0, 0, padding})), targets, ids);
    }
  }
  const auto logits = at::linear(x, head);
  if (is_fused(logits)) return fused_cross_entropy(logits, targets);
  return at::cross_entropy_loss(widened(logits), targets);
}

/// A copy of all weights as they were.
class FrozenWeights : public WeightSource {
 public:
  explicit FrozenWeights(const TrainableModel& model) {
    const auto copy = [](const Tensor& t) { return t.detach().clone(); };
    for (int64_t l = 1; l <= model.config().layers; ++l) {
      auto w = model.block(l);
      for (auto* one : {&w.attention_norm, &w.query, &w.key, &w.value, &w.output, &w.ffn_norm, &w.gate, &w.up, &w.down,
                        &w.head_norm, &w.output_gate}) {
        if (one->defined()) *one = copy(*one);
      }
      blocks_.push_back(std::move(w));
    }
    embedding_ = copy(model.parameters().at(kEmbedding));
    final_norm_ = copy(model.parameters().at(kFinalNorm));
    head_ = model.config().tied_head ? embedding_ : copy(model.parameters().at(kHead));
  }

  BlockWeights block(int64_t layer) const override { return blocks_.at(layer - 1); }
  Tensor embed(const Tensor& ids) const override { return at::embedding(embedding_, ids.to(embedding_.device())); }
  Tensor final_norm() const override { return final_norm_; }
  Tensor head() const override { return head_; }

 private:
  std::vector<BlockWeights> blocks_;
  Tensor embedding_, final_norm_, head_;
};

/// Keeps the mean square of each head's output: [H].
class HeadSquares : public Hooks {
 public:
  Tensor at(Site site, Tensor value) override {
    if (site == Site::head_output) squares = value.square().mean({0, 1, 3});
    return value;
  }
  AttentionSpec attention_spec(double scale) override { return {.scale = scale}; }
  AttentionNeeds attention_needs() override { return {}; }
  void attention(const AttentionStatistics&) override {}

  Tensor squares;
};

}  // namespace

TrainableModel::TrainableModel(const Arm& arm, const ModelConfig& base, uint64_t seed, const Tensor& sample,
                               const at::TensorOptions& options)
    : arm_(arm), config_(arm.config(base, sample.size(1))), parameters_(shapes_of(arm, config_), options) {
  initialise(seed);
  for (int64_t l = 1; l <= config_.layers; ++l) {
    down_signs_.push_back(arm.dense_down ? signs_of(weight(l, "mlp.down_proj").detach()) : Tensor());
  }
  if (arm.constant_gain) match_head_constants(sample);
}

void TrainableModel::initialise(uint64_t seed) {
  const c10::NoGradGuard no_grad;
  const auto device = parameters_.values().device();
  const auto initial = random_weights(config_, seed, device);
  const auto set = [&](const std::string& name, const Tensor& value) { parameters_.at(name).copy_(value); };
  for (int64_t l = 1; l <= config_.layers; ++l) {
    const auto w = initial->block(l);
    set(name_of(l, "self_attn.q_proj"), w.query);
    set(name_of(l, "self_attn.k_proj"), w.key);
    set(name_of(l, "self_attn.v_proj"), w.value);
    set(name_of(l, "self_attn.o_proj"), w.output);
    set(name_of(l, "mlp.gate_proj"), w.gate);
    set(name_of(l, "mlp.up_proj"), w.up);
    set(name_of(l, "mlp.down_proj"), w.down);
    set(name_of(l, "input_layernorm"), w.attention_norm);
    set(name_of(l, "post_attention_layernorm"), w.ffn_norm);
    if (config_.output_gate) set(name_of(l, "self_attn.output_gate"), w.output_gate);
    if (parameters_.has(name_of(l, "self_attn.head_norm"))) parameters_.at(name_of(l, "self_attn.head_norm")).fill_(1);
  }
  const auto every_id = at::arange(config_.vocabulary, at::kLong).unsqueeze(0);
  set(kEmbedding, initial->embed(every_id).squeeze(0));
  set(kFinalNorm, initial->final_norm());
  if (!config_.tied_head) set(kHead, initial->head());
}

/// Layer by layer, since a layer's constants change what the next one reads.
void TrainableModel::match_head_constants(const Tensor& sample) {
  const c10::NoGradGuard no_grad;
  head_constants_ = at::ones({config_.layers, config_.heads}, parameters_.values().options());
  auto residual = at::embedding(parameters_.at(kEmbedding), sample.to(head_constants_.device()));
  for (int64_t l = 1; l <= config_.layers; ++l) {
    HeadSquares heads;
    block_forward(config_, block(l), positions(l, sample.size(1)), residual, &heads);
    head_constants_.select(0, l - 1).copy_((heads.squares + kHeadNormEps).rsqrt());
    residual = block_forward(config_, block(l), positions(l, sample.size(1)), residual);
  }
}

const Tensor& TrainableModel::weight(int64_t layer, const char* name) const {
  return parameters_.at(name_of(layer, name));
}

/// W_O diag(c_h g): heads times a constant and a gain, seen by W_O.
Tensor TrainableModel::folded_output(int64_t layer) const {
  const auto& output = weight(layer, "self_attn.o_proj");  // [D, H K]
  if (!arm_.constant_gain) return output;
  const auto scale = at::outer(head_constants_.select(0, layer - 1), weight(layer, "self_attn.head_norm"));  // [H, K]
  return output * scale.flatten();
}

Tensor TrainableModel::folded_down(int64_t layer) const {
  const auto& down = weight(layer, "mlp.down_proj");  // [D, F]
  return arm_.dense_down ? dense_columns(down, down_signs(layer)) : down;
}

BlockWeights TrainableModel::block(int64_t layer) const {
  BlockWeights w{.attention_norm = weight(layer, "input_layernorm"),
                 .query = weight(layer, "self_attn.q_proj"),
                 .key = weight(layer, "self_attn.k_proj"),
                 .value = weight(layer, "self_attn.v_proj"),
                 .output = folded_output(layer),
                 .ffn_norm = weight(layer, "post_attention_layernorm"),
                 .gate = weight(layer, "mlp.gate_proj"),
                 .up = weight(layer, "mlp.up_proj"),
                 .down = folded_down(layer)};
  if (config_.head_rms_norm) w.head_norm = weight(layer, "self_attn.head_norm");
  if (config_.output_gate) w.output_gate = weight(layer, "self_attn.output_gate");
  return w;
}

const Positions& TrainableModel::positions(int64_t layer, int64_t length) const {
  auto& of_length = positions_[length];
  if (of_length.empty()) of_length = positions_of(config_, length, parameters_.values().device());
  return of_length[static_cast<size_t>(layer - 1)];
}

Tensor TrainableModel::loss(const Tensor& inputs, const Tensor& targets, bool bfloat16) const {
  auto residual = at::embedding(parameters_.at(kEmbedding), inputs);  // [B, T, D]
  for (int64_t l = 1; l <= config_.layers; ++l) {
    const auto weights = bfloat16 ? in_bfloat16(block(l)) : block(l);
    residual = block_forward(config_, weights, positions(l, inputs.size(1)), residual);
  }
  const auto normed = rms_norm(residual, parameters_.at(kFinalNorm), config_.norm_eps);
  const auto& head = parameters_.at(config_.tied_head ? kEmbedding : kHead);
  const auto type = bfloat16 ? at::kBFloat16 : normed.scalar_type();
  return head_loss(normed.to(type).flatten(0, 1), head.to(type), targets.flatten());
}

std::shared_ptr<const WeightSource> TrainableModel::frozen() const {
  const c10::NoGradGuard no_grad;
  return std::make_shared<FrozenWeights>(*this);
}

}  // namespace replicate
