#pragma once

// An experiment says what to run; the executor decides how: each layer's weights are acquired once for all
// lanes, lanes that are still the same computation run once, and a lane stops when its probes need
// nothing deeper.

#include "models/core/block.h"
#include "models/core/patch.h"
#include "models/core/probe.h"
#include "models/core/recording.h"
#include "models/core/tokens.h"

namespace replicate {

/// A model as the executor sees it: a block description and where its weights come from.
struct Model {
  std::string name;
  ModelConfig config;
  std::shared_ptr<const WeightSource> weights;
};

/// The residual stream that enters layer 1: ids [B, T] int64 -> [B, T, D].
inline Tensor embedded(const Model& model, const Tensor& ids) {
  const auto rows = model.weights->embed(ids);
  return model.config.embedding_scale == 1 ? rows : rows * model.config.embedding_scale;
}

/// One forward run: a model, token ids, the patches applied, the probes attached, and the recordings made for patches
/// of other lanes.
struct Lane {
  std::shared_ptr<const Model> model;
  Tokens tokens;
  std::vector<Patch> patches;
  std::vector<std::shared_ptr<Probe>> probes;
  std::vector<Recording> recordings = {};
};

using Plan = std::vector<Lane>;

/// What a plan costs, known before it runs.
struct Cost {
  double flops = 0;
  double bytes = 0;  ///< at the peak: activations and one layer's weights, or the head and logits
};

struct ExecutorOptions {
  int64_t batch_tokens = 2048;  ///< tokens per micro-batch; results do not depend on it beyond rounding
  at::Device device = at::kCPU;
};

/// Progress callback: receives the FLOPs just done and returns false to stop.
using Advance = std::function<bool(double flops)>;

/// Runs every lane. False when `advance` stopped it; the probes then hold partial data.
/// Error when a lane's tokens, patches or model do not fit together, when recordings have one name or are read where
/// they do not fit or in a circle, and when a lane's residual stream is not finite after a layer: what the probes hold
/// is then not to be used.
bool run(const Plan& plan, const ExecutorOptions& options, const Advance& advance = {});

Cost estimate(const Plan& plan, const ExecutorOptions& options);

}  // namespace replicate
