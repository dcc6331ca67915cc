#include "models/core/weights.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace replicate {
namespace {

bool is_bias(Tensor BlockWeights::*weight) {
  constexpr Tensor BlockWeights::*kBiases[] = {
      &BlockWeights::query_bias,          &BlockWeights::key_bias,     &BlockWeights::value_bias,
      &BlockWeights::output_bias,         &BlockWeights::up_bias,      &BlockWeights::down_bias,
      &BlockWeights::attention_norm_bias, &BlockWeights::ffn_norm_bias};
  return std::find(std::begin(kBiases), std::end(kBiases), weight) != std::end(kBiases);
}

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
    auto w = with_room(config_, device_);
    w.attention_norm = w.ffn_norm = at::ones({d}, device_);
    w.query.copy_(draw(hk, d, kSpread));
    w.key.copy_(draw(gk, d, kSpread));
    w.value.copy_(draw(gk, d, kSpread));
    w.output = draw(d, hk, residual);
    if (config_.gated_ffn) w.gate.copy_(draw(f, d, kSpread));
    w.up.copy_(draw(f, d, kSpread));
    w.down = draw(d, f, residual);
    if (config_.output_gate) w.output_gate = draw(hk, d, kSpread);  // last: the others stay what they are without it
    for (const auto& [weight, shape] : block_weights(config_)) {
      if (!(w.*weight).defined()) w.*weight = is_bias(weight) ? at::zeros(shape, device_) : at::ones(shape, device_);
    }
    return w;
  }

  /// Draws the whole table, keeps the rows that occur: it may be larger than a block.
  Tensor embed(const Tensor& ids) const override {
    const auto flat = ids.to(at::kCPU).reshape({-1});
    auto rows = at::empty({flat.numel(), config_.width}, at::kFloat);
    int64_t found = 0;
    each_part_of_embedding([&](int64_t first, const Tensor& part) {
      const auto here = at::nonzero((flat >= first).logical_and(flat < first + part.size(0))).flatten();
      found += here.numel();
      rows.index_copy_(0, here, part.index_select(0, flat.index_select(0, here) - first));
    });
    TORCH_CHECK(found == flat.numel(), "ids beyond the table of embeddings");
    const auto embedded = rows.view({ids.size(0), ids.size(1), config_.width});
    return (config_.learned_positions > 0 ? embedded + positions(ids.size(1)) : embedded).to(device_);
  }
  Tensor final_norm() const override { return at::ones({config_.width}, device_); }
  Tensor final_norm_bias() const override {
    return config_.layer_norm ? at::zeros({config_.width}, device_) : Tensor();
  }
  Tensor head() const override {
    auto generator = generator_for(config_.tied_head ? 0 : config_.layers + 1);
    return at::normal(0, kSpread, {config_.vocabulary, config_.width}, generator).to(device_);
  }

 private:
  static constexpr double kSpread = 0.02;

  /// What is added to the first T tokens, drawn as the embedding is: [T, D].
  Tensor positions(int64_t length) const {
    TORCH_CHECK(length <= config_.learned_positions, "positions beyond the table");
    auto generator = generator_for(config_.layers + 2);
    return at::normal(0, kSpread, {config_.learned_positions, config_.width}, generator).narrow(0, 0, length);
  }

  /// Every layer has a generator of its own, so that a layer's weights do not depend on what was read before.
  at::Generator generator_for(int64_t index) const {
    auto generator = at::detail::createCPUGenerator();
    generator.set_current_seed(seed_ * 1000003 + static_cast<uint64_t>(index));
    return generator;
  }

  /// The embedding's rows from `first` on, part after part. LibTorch draws 16 numbers at a time and treats the end of a
  /// tensor apart, so that parts of a multiple of 16 rows, the last one longer, have the numbers of a table that is
  /// drawn at once.
  void each_part_of_embedding(const std::function<void(int64_t first, const Tensor& part)>& use) const {
    constexpr int64_t kRows = 4096;
    auto generator = generator_for(0);
    for (int64_t first = 0; first < config_.vocabulary;) {
      const auto left = config_.vocabulary - first, count = left < 2 * kRows ? left : kRows;
      use(first, at::normal(0, kSpread, {count, config_.width}, generator));
      first += count;
    }
  }

  ModelConfig config_;
  uint64_t seed_;
  at::Device device_;
};

}  // namespace

std::vector<BlockWeight> block_weights(const ModelConfig& c) {
  const auto d = c.width, f = c.hidden, hk = c.heads * c.head_width, gk = c.kv_heads * c.head_width;
  std::vector<BlockWeight> all = {{&BlockWeights::query, {hk, d}}, {&BlockWeights::key, {gk, d}},
                                  {&BlockWeights::value, {gk, d}}, {&BlockWeights::output, {d, hk}},
                                  {&BlockWeights::up, {f, d}},     {&BlockWeights::down, {d, f}}};
  const auto add = [&](Tensor BlockWeights::*weight, std::vector<int64_t> shape) {
    all.push_back({weight, std::move(shape)});
  };
  if (c.gated_ffn) add(&BlockWeights::gate, {f, d});
  if (c.ffn_bias) {
    add(&BlockWeights::up_bias, {f});
    add(&BlockWeights::down_bias, {d});
  }
  if (c.norm_placement != NormPlacement::after) {
    add(&BlockWeights::attention_norm, {d});
    add(&BlockWeights::ffn_norm, {d});
  }
  if (c.layer_norm) {
    add(&BlockWeights::attention_norm_bias, {d});
    add(&BlockWeights::ffn_norm_bias, {d});
  }
  if (c.norm_placement != NormPlacement::before) {
    add(&BlockWeights::attention_post_norm, {d});
    add(&BlockWeights::ffn_post_norm, {d});
  }
  if (c.query_key_norm != QueryKeyNorm::none) {
    const bool each = c.query_key_norm == QueryKeyNorm::head;
    add(&BlockWeights::query_norm, {each ? c.head_width : hk});
    add(&BlockWeights::key_norm, {each ? c.head_width : gk});
  }
  if (c.qkv_bias) {
    add(&BlockWeights::query_bias, {hk});
    add(&BlockWeights::key_bias, {gk});
    add(&BlockWeights::value_bias, {gk});
  }
  if (c.output_bias) add(&BlockWeights::output_bias, {d});
  if (c.head_rms_norm) add(&BlockWeights::head_norm, {c.head_width});
  if (c.output_gate) add(&BlockWeights::output_gate, {hk, d});
  return all;
}

BlockWeights with_room(const ModelConfig& config, at::Device device) {
  BlockWeights w;
  const auto place = [&](const std::vector<std::pair<Tensor BlockWeights::*, int64_t>>& rows) {
    int64_t all = 0;
    for (const auto& [weight, count] : rows) all += count;
    const auto room = at::empty({all, config.width}, at::TensorOptions(at::kFloat).device(device));
    int64_t first = 0;
    for (const auto& [weight, count] : rows) {
      w.*weight = room.narrow(0, first, count);
      first += count;
    }
  };
  const auto hk = config.heads * config.head_width, gk = config.kv_heads * config.head_width;
  place({{&BlockWeights::query, hk}, {&BlockWeights::key, gk}, {&BlockWeights::value, gk}});
  if (config.gated_ffn) {
    place({{&BlockWeights::gate, config.hidden}, {&BlockWeights::up, config.hidden}});
  } else {
    place({{&BlockWeights::up, config.hidden}});
  }
  return w;
}

int64_t parameters(const ModelConfig& c) {
  int64_t block = 0;
  for (const auto& [weight, shape] : block_weights(c)) {
    block += std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  }
  return c.layers * block + c.width * (c.layer_norm ? 2 : 1) + c.learned_positions * c.width +
         c.vocabulary * c.width * (c.has_own_head() ? 2 : 1);
}

std::shared_ptr<WeightSource> random_weights(const ModelConfig& config, uint64_t seed, at::Device device) {
  return std::make_shared<RandomWeights>(config, seed, device);
}

}  // namespace replicate
