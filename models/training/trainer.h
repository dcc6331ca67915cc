#pragma once

#include <filesystem>

#include "models/training/batches_ahead.h"
#include "models/training/cuda_graph.h"
#include "models/training/ranks.h"
#include "models/training/schedule.h"
#include "models/training/trainable.h"

namespace replicate {

/// Everything that one training run depends on, beside its data.
struct Recipe {
  ModelConfig model;  ///< of the baseline; the arm changes it
  std::string arm = "baseline";
  uint64_t seed = 0;         ///< of the batches
  uint64_t weight_seed = 0;  ///< of the initial weights
  double learning_rate = 1e-3;
  Schedule schedule;
  int64_t sequences = 16;  ///< B of one step, over all ranks
  int64_t accumulate = 1;  ///< parts of the batch, or of a rank's share of it, that are run one after the other
  double weight_decay = 0.1, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, clip = 1;
  bool bfloat16 = false;  ///< matrix products; weights, residual stream and moments stay float32

  std::string text() const;  ///< canonical: two runs with one text and one data fingerprint are the same run
};

/// What the last steps were like; reading it waits for the device.
struct StepReport {
  double loss = 0;           ///< mean over the steps since the last report
  double gradient_norm = 0;  ///< of the last step, before clipping
};

/// One training run: AdamW (Loshchilov and Hutter 2019) on flat tensors, gradients clipped by their global norm. On a
/// GPU a step is replayed as one CUDA graph without waiting for the device. Ranks hold the same weights and moments,
/// bit for bit: each adds the gradient of its share of the batch, and takes the step that all take.
class Trainer {
 public:
  /// Error when the batch cannot be shared out evenly.
  Trainer(const Recipe& recipe, std::shared_ptr<const TrainingData> data, at::Device device, const Ranks& ranks = {});

  void step();  ///< with all ranks
  int64_t steps_done() const { return done_; }
  StepReport report();  ///< with all ranks

  /// Mean cross-entropy over the batch, nats; so many sequences at a time as this rank takes at once in a step.
  double loss(const Batch& batch) const;

  const TrainableModel& model() const { return model_; }
  TrainableModel& model() { return model_; }

  /// Makes the loss so far the same on all ranks, as weights and moments are: before one of them saves; with all ranks.
  void settle();

  /// Weights, moments and step count in one safetensors file, whole or not at all; `notes` travels with them.
  /// Error on a full disk; the file that was there stays.
  void save(const std::filesystem::path& file, const std::string& notes) const;

  /// Goes on from there, bit for bit at one thread count; returns the notes. Error when the file is damaged or of
  /// another run.
  std::string load(const std::filesystem::path& file);

 private:
  std::map<std::string, Tensor> state() const;  ///< what a saved state holds, by name; shared, not copied
  void bring_batch();
  void compute();
  Tensor micro_loss(int64_t part) const;
  void clip_gradients();
  void optimise();

  Recipe recipe_;
  std::shared_ptr<const TrainingData> data_;
  at::Device device_;
  Ranks ranks_;
  TrainableModel model_;
  BatchesAhead batches_;
  CudaGraph compute_graph_;
  // What differs between steps: a graph reads it from where it was when it was recorded.
  Tensor inputs_, targets_;              // [B / ranks, T] int64
  Tensor rate_;                          // scalar, of the type that the fused kernel wants
  Tensor first_moment_, second_moment_;  // [N]
  Tensor updates_;                       // float32 scalar: steps taken, as the fused kernel counts them
  Tensor loss_sum_, gradient_norm_;      // scalars on the device
  int64_t done_ = 0, reported_ = 0;
};

}  // namespace replicate
