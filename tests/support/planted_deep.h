#pragma once

// Deeper models whose layers are those of planted models.

#include "tests/support/planted_scaling.h"

namespace replicate {

/// What one layer of a deep planted model is made of: a layer of a planted circuit.
struct Part {
  Circuit circuit;
  int64_t layer;
};

/// Ten layers from parts of planted models of six, which have one embedding.
class DeepWeights : public WeightSource {
 public:
  DeepWeights(std::vector<Part> parts, uint64_t seed) : parts_(std::move(parts)) {
    for (const auto& part : parts_) circuits_.try_emplace(part.circuit, 1, seed, part.circuit);
  }

  BlockWeights block(int64_t layer) const override {
    const auto& part = parts_.at(layer - 1);
    return circuits_.at(part.circuit).block(part.layer);
  }
  Tensor embed(const Tensor& ids) const override { return first().embed(ids); }
  Tensor final_norm() const override { return first().final_norm(); }
  Tensor head() const override { return first().head(); }

 private:
  const PlantedWeights& first() const { return circuits_.begin()->second; }

  std::vector<Part> parts_;
  std::map<Circuit, PlantedWeights> circuits_;
};

inline std::shared_ptr<const Model> model_of(const std::vector<Part>& parts, uint64_t seed = 1) {
  auto config = planted_config();
  config.layers = static_cast<int64_t>(parts.size());
  return std::make_shared<const Model>(Model{"deep", config, std::make_shared<DeepWeights>(parts, seed)});
}

/// The planted model with its last layers doubled. Layers 1 and 2 make the spike, sinks begin in layer `onset`.
inline std::shared_ptr<const Model> deep_model(int64_t onset, Circuit locking = Circuit::whole, uint64_t seed = 1) {
  std::vector<Part> parts;
  for (int64_t layer = 1; layer <= 10; ++layer) {
    const auto planted = layer <= 6 ? layer : layer - 4;
    parts.push_back({layer < onset ? Circuit::spike_without_sink : locking, planted});
  }
  return model_of(parts, seed);
}

/// Layer 3 locks onto the cause of the spike, which layer 4 writes; layers 5 to 8 lock onto the spike.
inline std::shared_ptr<const Model> model_with_an_early_sink(uint64_t seed = 1) {
  using enum Circuit;
  return model_of({{whole, 1},
                   {sink_without_spike, 2},
                   {sink_without_spike, 3},
                   {whole, 2},
                   {whole, 3},
                   {whole, 4},
                   {whole, 5},
                   {whole, 6}},
                  seed);
}

inline constexpr int64_t kSecondSpike = 5;  ///< of the model with two stages

/// Takes off the axis m what the spike wrote there, wherever the axis dominates.
inline void erase_spike(double written, BlockWeights& weights) {
  constexpr int64_t kErasing = 100;
  weights.gate[kErasing].zero_();
  weights.up[kErasing].zero_();
  weights.down.select(1, kErasing).zero_();
  weights.gate[kErasing][kPlantedDimension] = 10;       // x^ holds 8: silu(80)
  weights.up[kErasing][kPlantedDimension] = 1.0 / 640;  // times 1 / 80
  weights.down[kPlantedDimension][kErasing] = -written;
}

/// Eight layers with the super neuron in layers 2 and 5. What the first one writes, 0.4 of what it does in the planted
/// model, is erased in layer 4; a seventh of it is left, so the second one fires at less. Sinks: layers 3 and 4, and 6
/// to 8.
inline std::shared_ptr<const Model> two_stage_model(uint64_t seed = 1) {
  using enum Circuit;
  const auto parts =
      model_of({{whole, 1}, {whole, 2}, {whole, 3}, {whole, 4}, {whole, 2}, {whole, 3}, {whole, 5}, {whole, 6}}, seed);
  return with_change(parts, [directions = PlantedWeights(1, seed).directions()](int64_t layer, BlockWeights& weights) {
    if (layer == kPlantedSpike) weights.down[kPlantedDimension][kPlantedNeuron] -= 0.6 * 17;
    if (layer == kSecondSpike - 1) erase_spike(0.4 * 270, weights);
    if (layer == kSecondSpike) read_deviation(weights, directions, 12, 0.15);
  });
}

}  // namespace replicate
