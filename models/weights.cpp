#include "models/weights.h"

#include <set>

#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/quantization.h"

namespace replicate {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const auto n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

/// Rows first..first+count of a stored matrix (or vector: one row) in float32, decoded in parallel.
void decode_rows(const StoredTensor& stored, int64_t first, int64_t count, float* target) {
  const int64_t width = stored.shape.back();
  const int64_t row_bytes = width / block_elements(stored.type) * block_bytes(stored.type);
  at::parallel_for(0, count, std::max<int64_t>(1, 65536 / width), [&](int64_t begin, int64_t end) {
    dequantize(stored.type,
               stored.bytes.subspan((first + begin) * row_bytes, (end - begin) * row_bytes),
               {target + begin * width, static_cast<size_t>((end - begin) * width)});
  });
}

/// GGUF stores Q and K with each head's rows interleaved for adjacent-pair RoPE; half-split order is
/// row i of the first half from row 2 i, row i of the second from 2 i + 1.
Tensor unpermute(const Tensor& weight, int64_t heads) {
  const auto width = weight.size(1);
  return weight.view({heads, -1, 2, width}).transpose(1, 2).reshape({-1, width});
}

constexpr const char* kBlockTensors[] = {"attn_norm", "attn_q",   "attn_k", "attn_v",  "attn_output",
                                         "ffn_norm",  "ffn_gate", "ffn_up", "ffn_down"};

class GgufWeights : public WeightSource {
 public:
  GgufWeights(std::shared_ptr<const GgufFile> file, const ModelConfig& config, at::Device device)
      : file_(std::move(file)), config_(config), device_(device) {
    for (int64_t layer = 1; layer <= config.layers; ++layer) check_block(layer);
    expect("token_embd.weight", {config.vocabulary, config.width});
    expect("output_norm.weight", {config.width});
    if (!config.tied_head) expect("output.weight", {config.vocabulary, config.width});
    refuse_unknown_tensors();
  }

  BlockWeights block(int64_t layer) const override {
    const auto get = [&](const char* name) { return load(name_of(layer, name)); };
    return {.attention_norm = get("attn_norm"),
            .query = unpermute(get("attn_q"), config_.heads),
            .key = unpermute(get("attn_k"), config_.kv_heads),
            .value = get("attn_v"),
            .output = get("attn_output"),
            .ffn_norm = get("ffn_norm"),
            .gate = get("ffn_gate"),
            .up = get("ffn_up"),
            .down = get("ffn_down")};
  }

  /// Decodes only the rows that occur.
  Tensor embed(const Tensor& ids) const override {
    const auto& stored = file_->tensor("token_embd.weight");
    const auto flat = ids.to(at::kCPU).reshape({-1}).contiguous();
    auto rows = at::empty({flat.numel(), config_.width}, at::kFloat);
    for (int64_t i = 0; i < flat.numel(); ++i) {
      decode_rows(stored, flat.const_data_ptr<int64_t>()[i], 1,
                  rows.mutable_data_ptr<float>() + i * config_.width);
    }
    return rows.view({ids.size(0), ids.size(1), config_.width}).to(device_);
  }

  void release(int64_t layer) const override {
    for (const auto* name : kBlockTensors) file_->release(file_->tensor(name_of(layer, name)));
  }

  Tensor final_norm() const override { return load("output_norm.weight"); }
  Tensor head() const override {
    return load(config_.tied_head ? "token_embd.weight" : "output.weight");
  }

 private:
  static std::string name_of(int64_t layer, const std::string& name) {
    return "blk." + std::to_string(layer - 1) + "." + name + ".weight";
  }

  Tensor load(const std::string& name) const {
    const auto& stored = file_->tensor(name);
    auto tensor = at::empty(stored.shape, at::kFloat);
    decode_rows(stored, 0, stored.elements() / stored.shape.back(),
                tensor.mutable_data_ptr<float>());
    return tensor.to(device_);
  }

  /// A bias or a table of RoPE frequencies that is passed over would give wrong numbers without a word.
  void refuse_unknown_tensors() const {
    for (const auto& tensor : file_->tensors()) {
      if (known_.count(tensor.name)) continue;
      throw Error("tensor " + in_quotes(tensor.name) + " is not part of the plain llama architecture",
                  file_->where(), "use a model without it");
    }
  }

  void expect(const std::string& name, const std::vector<int64_t>& shape) {
    known_.insert(name);
    const auto& stored = file_->tensor(name);
    if (stored.shape != shape) {
      throw Error("tensor " + name + " has shape " + shape_text(stored.shape) + " instead of " +
                      shape_text(shape),
                  file_->where(), "the file is damaged or of another architecture");
    }
  }

  void check_block(int64_t layer) {
    const auto d = config_.width, f = config_.hidden;
    const auto hk = config_.heads * config_.head_width, gk = config_.kv_heads * config_.head_width;
    expect(name_of(layer, "attn_norm"), {d});
    expect(name_of(layer, "attn_q"), {hk, d});
    expect(name_of(layer, "attn_k"), {gk, d});
    expect(name_of(layer, "attn_v"), {gk, d});
    expect(name_of(layer, "attn_output"), {d, hk});
    expect(name_of(layer, "ffn_norm"), {d});
    expect(name_of(layer, "ffn_gate"), {f, d});
    expect(name_of(layer, "ffn_up"), {f, d});
    expect(name_of(layer, "ffn_down"), {d, f});
  }

  std::shared_ptr<const GgufFile> file_;
  ModelConfig config_;
  at::Device device_;
  std::set<std::string> known_;
};

class RandomWeights : public WeightSource {
 public:
  RandomWeights(const ModelConfig& config, uint64_t seed, at::Device device)
      : config_(config), seed_(seed), device_(device) {}

  BlockWeights block(int64_t layer) const override {
    auto generator = generator_for(layer);
    const auto d = config_.width, f = config_.hidden;
    const auto hk = config_.heads * config_.head_width, gk = config_.kv_heads * config_.head_width;
    const double residual = kSpread / std::sqrt(2.0 * static_cast<double>(config_.layers));
    const auto draw = [&](int64_t rows, int64_t columns, double spread) {
      return at::normal(0, spread, {rows, columns}, generator).to(device_);
    };
    BlockWeights w;
    w.attention_norm = w.ffn_norm = at::ones({d}, device_);
    w.query = draw(hk, d, kSpread);
    w.key = draw(gk, d, kSpread);
    w.value = draw(gk, d, kSpread);
    w.output = draw(d, hk, residual);
    w.gate = draw(f, d, kSpread);
    w.up = draw(f, d, kSpread);
    w.down = draw(d, f, residual);
    if (config_.output_gate) w.output_gate = draw(hk, d, kSpread);  // last: the others stay what they are without it
    if (config_.head_rms_norm) w.head_norm = at::ones({config_.head_width}, device_);
    return w;
  }

  Tensor embed(const Tensor& ids) const override {
    return table(0).index_select(0, ids.reshape({-1})).view({ids.size(0), ids.size(1), -1}).to(device_);
  }
  Tensor final_norm() const override { return at::ones({config_.width}, device_); }
  Tensor head() const override {
    return table(config_.tied_head ? 0 : config_.layers + 1).to(device_);
  }

 private:
  static constexpr double kSpread = 0.02;

  /// Every layer has a generator of its own, so that a layer's weights do not depend on what was read before.
  at::Generator generator_for(int64_t index) const {
    auto generator = at::detail::createCPUGenerator();
    generator.set_current_seed(seed_ * 1000003 + static_cast<uint64_t>(index));
    return generator;
  }

  Tensor table(int64_t index) const {
    auto generator = generator_for(index);
    return at::normal(0, kSpread, {config_.vocabulary, config_.width}, generator);
  }

  ModelConfig config_;
  uint64_t seed_;
  at::Device device_;
};

}  // namespace

std::shared_ptr<WeightSource> gguf_weights(std::shared_ptr<const GgufFile> file,
                                           const ModelConfig& config, at::Device device) {
  return std::make_shared<GgufWeights>(std::move(file), config, device);
}

std::shared_ptr<WeightSource> random_weights(const ModelConfig& config, uint64_t seed,
                                             at::Device device) {
  return std::make_shared<RandomWeights>(config, seed, device);
}

}  // namespace replicate
