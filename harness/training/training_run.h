#pragma once

#include "harness/training/recipes.h"
#include "harness/training/results.h"

namespace replicate {

/// Hears of finished optimiser steps; returns false to stop for now.
using StepsDone = std::function<bool(int64_t steps)>;

/// Trains one recipe in a folder of its own:
///   recipe.txt               what the run is: a folder is for one run only
///   tokenizer.json           of a model of text
///   state.safetensors        what an interrupted run goes on from; gone when the run is done
///   step-000100/             the weights that the plan wants kept (saved_model.h)
///   run.json                 the curve; there when the run is done
/// A run that is done is read, not trained; one that was stopped, by kill -9 even, goes on from its last state and
/// ends with the same weights as an uninterrupted one. Several ranks share a folder, into which the first one writes.
class TrainingRun {
 public:
  TrainingRun(std::string arm, const Recipe& recipe, const RunPlan& plan, std::shared_ptr<const TrainingData> data,
              std::filesystem::path folder, at::Device device, const Ranks& ranks = {});

  /// A name that no other run has: what is trained once under it is never trained again.
  static std::string folder_name(const std::string& arm, const Recipe& recipe, const RunPlan& plan,
                                 const TrainingData& data, at::Device device);

  bool done() const;
  const std::filesystem::path& folder() const { return folder_; }
  int64_t steps_left() const;  ///< without reading the state: all of them unless done

  /// Writes down whose folder it is. Error when it is another run's.
  void claim_folder() const;

  /// Sets LibTorch's threads for the calling thread, on a processor. False when `steps_done` stopped it; its state is
  /// then on disk. A loss that is not finite ends the run: its curve says so. Error when the disk is full; the last
  /// state stays.
  bool train(const StepsDone& steps_done);

  TrainedRun result() const;  ///< of a run that is done

 private:
  std::string text() const;
  std::filesystem::path model_folder(int64_t step) const;
  void resume(Trainer& trainer, RunHistory& history) const;
  void look(Trainer& trainer, const Batch& validation, RunHistory& history) const;
  bool looks_at(int64_t step, const RunHistory& history) const;
  bool keeps_at(int64_t step) const;
  enum class Wish : int64_t { go_on, save, stop };
  Wish agreed(int64_t step, Wish mine) const;
  void save(Trainer& trainer, const RunHistory& history) const;
  void finish(const RunHistory& history) const;

  std::string arm_;
  Recipe recipe_;
  RunPlan plan_;
  std::shared_ptr<const TrainingData> data_;
  std::filesystem::path folder_;
  at::Device device_;
  Ranks ranks_;
};

}  // namespace replicate
