#pragma once

// A small Llama into which the paper's account of the attention sink is written by hand, so that the experiments
// can be held against a model of which we know what is true. Everything else in it is re-initialised noise.
//
// The construction (x^ is the vector after an RMSNorm: |x^| = sqrt(D) = 8; every direction named here is a dense
// unit vector, all orthogonal to each other and to the one axis m, so that only m is sparse):
//
//  0. Embedding of token v: 4 c + 0.5 sum_j s_vj e_j. c is common to all tokens; the s_vj are random signs, p = 28 of
//     them. Its norm is the same for all tokens, about 4.8.
//  1. Layer 1 attends evenly (its W_Q and W_K are noise). Values carry +-1 for each j, and 20 for c:
//     zero mean over tokens but a large norm, beside a large mean. Aggregated over t + 1 tokens the signs average out
//     as 1 / sqrt(t + 1), the mean stays. W_O writes the aggregated signs into other directions f_j, the mean onto c:
//     after the attention the residual is 16 c + 0.5 sum s_j e_j + sum a_j f_j, and |a_j| = 1 at position 0, where
//     nothing is averaged, whatever the token. Since c dominates, scaling the whole head output changes a_j / |x|
//     little: only a larger deviation from the mean looks like a first token.
//  2. Two neurons of layer 1's FFN for each j rectify: silu(y) + silu(-y) = y tanh(y / 2), with y = 8 a_j / 2.1 =
//     3.8 a_j. They write the sum over j along r: 4 at position 0, 2 at position 1 (half of its a_j cancel), less
//     after it.
//  3. One neuron of layer 2, the super neuron: gate and up are both g = 12 (r - 0.2 c) . x^, so that it fires
//     silu(g) g, which is never negative. At position 0 r.x / c.x = 4 / 16, hence g = 12 * 8 * (4 - 3.2) / 17.4 = 4
//     and it fires 16; at position 1 g is about -7 and it fires 0.1, after that nothing.
//  4. Its column of W_down is strength * 17 on the axis m: position 0's residual gets 270 there, against the 17 of
//     all other positions. With strength 0 everything up to here is as before, and nothing follows.
//  5. From layer 3 on RMSNorm makes x^ = 8 m of it, whatever the token was. W_K turns m into the key 8 * 0.65 on the
//     rotary pair that turns slowest (0.0003 rad a position), W_Q turns c, which all other positions have, into the
//     query 7.6 * 0.65 on the same pair: a score of 5.2 * 5 / sqrt(K) = 6.5 against about 0 for all other keys. Keys of
//     other positions vary with their content.

#include "base/statistics.h"
#include "models/core/executor.h"

namespace replicate {

inline constexpr int64_t kPlantedSpike = 2;       ///< the layer with the super neuron
inline constexpr int64_t kPlantedNeuron = 77;     ///< its index in that layer
inline constexpr int64_t kPlantedDimension = 11;  ///< the axis m that it writes to

inline ModelConfig planted_config() {
  ModelConfig config;
  config.layers = 6;
  config.width = 64;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_width = 16;
  config.hidden = 128;
  config.vocabulary = 200;
  config.context = 512;
  return config;
}

/// The construction, or a model in which one link of the chain is known to be missing or to be another one.
enum class Circuit {
  whole,
  spike_without_sink,  ///< step 5 left out: nothing reads the spike
  sink_without_spike,  ///< step 4 left out, and W_K reads r in place of m
  dense_direction,     ///< m is a dense direction, so that no dimension stands out
  backup,              ///< layer 3 has the super neuron, too: silent unless the spike of layer 2 is missing
};

/// Of the construction: c, r and m [D], and the e_j and f_j [D, p].
struct PlantedDirections {
  Tensor common, rectified, axis;
  Tensor content, aggregated;
};

/// Fresh weights with the construction written into them. strength in [0, 1] is that of the super neuron's write.
class PlantedWeights : public WeightSource {
 public:
  PlantedWeights(double strength, uint64_t seed, Circuit circuit = Circuit::whole)
      : config_(planted_config()),
        circuit_(circuit),
        strength_(circuit == Circuit::sink_without_spike ? 0 : strength),
        seed_(seed),
        noise_(random_weights(config_, derive_seed(seed, "noise"), at::kCPU)) {
    const auto dense = dense_directions();  // [D, 2 + 2 p + 1]
    directions_.common = dense.select(1, 0).clone();
    directions_.rectified = dense.select(1, 1).clone();
    directions_.content = dense.slice(1, 2, 2 + kSigns).clone();
    directions_.aggregated = dense.slice(1, 2 + kSigns, 2 + 2 * kSigns).clone();
    directions_.axis = at::zeros({config_.width});
    directions_.axis[kPlantedDimension] = 1;
    if (circuit == Circuit::dense_direction) directions_.axis = dense.select(1, 2 + 2 * kSigns).clone();
    const auto signs = draw("signs", {config_.vocabulary, kSigns}).sign();
    table_ = noise_->head() + 4 * directions_.common + 0.5 * at::matmul(signs, directions_.content.t());
  }

  BlockWeights block(int64_t layer) const override {
    auto weights = noise_->block(layer);
    if (layer == 1) write_aggregation(weights);
    if (layer == 1) write_rectifier(weights);
    const bool has_backup = circuit_ == Circuit::backup && layer == kPlantedSpike + 1;
    if (layer == kPlantedSpike || has_backup) write_super_neuron(weights);
    if (layer > kPlantedSpike && circuit_ != Circuit::spike_without_sink) write_locking(weights, layer);
    return weights;
  }

  Tensor embed(const Tensor& ids) const override {
    return table_.index_select(0, ids.reshape({-1})).view({ids.size(0), ids.size(1), -1});
  }
  const PlantedDirections& directions() const { return directions_; }
  Tensor final_norm() const override { return noise_->final_norm(); }
  Tensor head() const override { return table_; }

 private:
  static constexpr int64_t kSigns = 28;    // p
  static constexpr int64_t kOfAHead = 14;  // signs that one key/value head carries; p = 14 G

  Tensor draw(const std::string& purpose, at::IntArrayRef shape) const {
    auto generator = at::detail::createCPUGenerator();
    generator.set_current_seed(derive_seed(seed_, purpose));
    return at::randn(shape, generator, at::kFloat);
  }

  /// Orthonormal columns that have nothing on the axis m: [D, 2 + 2 p + 1].
  Tensor dense_directions() const {
    const auto square = draw("directions", {config_.width - 1, config_.width - 1}).to(at::kDouble);
    const auto q = std::get<0>(at::linalg_qr(square)).slice(1, 0, 2 + 2 * kSigns + 1).to(at::kFloat);
    return at::cat({q.slice(0, 0, kPlantedDimension), at::zeros({1, q.size(1)}), q.slice(0, kPlantedDimension)});
  }

  /// Step 1. The input is 4 c + 0.5 (+-1) e_j of norm 4.8, so x^ holds 6.7 on c and +-0.83 on each e_j.
  void write_aggregation(BlockWeights& weights) const {
    const auto k = config_.head_width, sharing = config_.heads / config_.kv_heads;
    for (int64_t g = 0; g < config_.kv_heads; ++g) {
      const auto signs = directions_.content.slice(1, g * kOfAHead, (g + 1) * kOfAHead);  // [D, 14]
      weights.value.slice(0, g * k, g * k + kOfAHead).copy_(1.2 * signs.t());
      weights.value[g * k + kOfAHead].copy_(3 * directions_.common);  // 20
    }
    for (int64_t h = 0; h < config_.heads; ++h) {
      const auto g = h / sharing;
      const auto into = directions_.aggregated.slice(1, g * kOfAHead, (g + 1) * kOfAHead);
      weights.output.slice(1, h * k, h * k + kOfAHead).copy_(into / static_cast<double>(sharing));
      weights.output.select(1, h * k + kOfAHead).copy_(0.15 * directions_.common);  // 4 heads write 3 each
    }
  }

  /// Step 2. x^ holds 0.47 a_j on f_j and 7.6 on c, which opens `up` to 1.
  void write_rectifier(BlockWeights& weights) const {
    for (int64_t j = 0; j < kSigns; ++j) {
      for (const auto sign : {1, -1}) {
        const auto neuron = 2 * j + (sign < 0);
        weights.gate[neuron].copy_(8 * sign * directions_.aggregated.select(1, j));
        weights.up[neuron].copy_(directions_.common / 7.6);
        weights.down.select(1, neuron).copy_(4 / (3.6 * kSigns) * directions_.rectified);
      }
    }
  }

  /// Steps 3 and 4.
  void write_super_neuron(BlockWeights& weights) const {
    const auto reads = 12 * (directions_.rectified - 0.2 * directions_.common);
    weights.gate[kPlantedNeuron].copy_(reads);
    weights.up[kPlantedNeuron].copy_(reads);
    weights.down.select(1, kPlantedNeuron).add_(17 * strength_ * directions_.axis);
  }

  /// Step 5. The slowest rotary pair is the last of each half. Without a spike x^ holds 1.9 on r at position 0, where
  /// it would hold 8 on m.
  void write_locking(BlockWeights& weights, int64_t layer) const {
    const auto k = config_.head_width, slowest = k / 2 - 1;
    const auto variety = draw("keys/" + std::to_string(layer), {config_.kv_heads * k, kSigns});
    weights.key.add_(0.4 * at::matmul(variety, directions_.content.t()));
    for (int64_t g = 0; g < config_.kv_heads; ++g) {
      const bool reads_cause = circuit_ == Circuit::sink_without_spike;
      weights.key[g * k + slowest].copy_(reads_cause ? 0.65 * 8 / 1.9 * directions_.rectified
                                                     : 0.65 * directions_.axis);
      weights.key[g * k + slowest + k / 2].zero_();
    }
    for (int64_t h = 0; h < config_.heads; ++h) weights.query[h * k + slowest].copy_(0.65 * directions_.common);
  }

  ModelConfig config_;
  Circuit circuit_;
  double strength_;
  uint64_t seed_;
  std::shared_ptr<const WeightSource> noise_;
  PlantedDirections directions_;
  Tensor table_;  // [V, D]
};

inline std::shared_ptr<const Model> planted_model(double strength, uint64_t seed = 1,
                                                  Circuit circuit = Circuit::whole) {
  return std::make_shared<const Model>(
      Model{"planted", planted_config(), std::make_shared<PlantedWeights>(strength, seed, circuit)});
}

}  // namespace replicate
