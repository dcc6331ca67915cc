#include "harness/training/training_run.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/run_folder.h"
#include "base/sha256.h"
#include "base/stopwatch.h"
#include "models/core/stored_model.h"
#include "models/training/saved_model.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

/// Raised when the same recipe comes to mean another training.
constexpr int kTrainingVersion = 1;
constexpr int64_t kAgreeEvery = 8;  // steps between two questions of several ranks to the first one

/// Adds the seconds between start and stop; a device works on after the call that gave it the work.
class StepClock {
 public:
  StepClock(double& seconds, at::Device device) : seconds_(seconds), device_(device) {}
  void start() { watch_.restart(); }
  void stop() {
    if (!device_.is_cpu())
      c10::impl::VirtualGuardImpl(device_.type()).synchronizeDevice(std::max<c10::DeviceIndex>(device_.index(), 0));
    seconds_ += watch_.seconds();
  }

 private:
  double& seconds_;
  at::Device device_;
  Stopwatch watch_;
};

/// All that decides what a run leaves behind.
std::string text_of(const Recipe& recipe, const RunPlan& plan, const TrainingData& data, at::Device device) {
  auto all = "replicate training " + std::to_string(kTrainingVersion) + "\n" + recipe.text() + "data " +
             data.fingerprint() + "\n" + (device.is_cpu() ? "cpu, threads " + std::to_string(plan.threads) : "gpu") +
             "\nlooks every " + std::to_string(plan.validate_every) + " steps at " +
             std::to_string(plan.validation_sequences) + " sequences\nkeeps";
  for (const auto step : plan.keep) all.append(1, ' ').append(std::to_string(step));
  return all + "\n";
}

}  // namespace

std::string TrainingRun::folder_name(const std::string& arm, const Recipe& recipe, const RunPlan& plan,
                                     const TrainingData& data, at::Device device) {
  const auto text = text_of(recipe, plan, data, device);
  return arm + "-" + sha256_hex(std::as_bytes(std::span(text))).substr(0, kShortHashDigits);
}

TrainingRun::TrainingRun(std::string arm, const Recipe& recipe, const RunPlan& plan,
                         std::shared_ptr<const TrainingData> data, fs::path folder, at::Device device,
                         const Ranks& ranks)
    : arm_(std::move(arm)),
      recipe_(recipe),
      plan_(plan),
      data_(std::move(data)),
      folder_(std::move(folder)),
      device_(device),
      ranks_(ranks) {}

std::string TrainingRun::text() const { return text_of(recipe_, plan_, *data_, device_); }

void TrainingRun::claim_folder() const {
  fs::create_directories(folder_);
  const auto file = folder_ / "recipe.txt";
  if (!fs::exists(file)) {
    if (const auto tokenizer = data_->tokenizer(); !tokenizer.empty()) {
      write_atomically(folder_ / "tokenizer.json", read_text(tokenizer));  // where --model looks for it
    }
    return write_atomically(file, text());
  }
  if (read_text(file) == text()) return;
  throw Error("the folder holds another training run", folder_.string(), "name another folder, or remove this one");
}

bool TrainingRun::done() const { return fs::exists(folder_ / "run.json"); }

int64_t TrainingRun::steps_left() const { return done() ? 0 : recipe_.schedule.steps; }

fs::path TrainingRun::model_folder(int64_t step) const {
  char name[32];
  std::snprintf(name, sizeof name, "step-%06lld", static_cast<long long>(step));
  return folder_ / name;
}

/// The first rank's decision. Several ranks exchange it every kAgreeEvery steps only, because it costs a round trip.
TrainingRun::Wish TrainingRun::agreed(int64_t step, Wish mine) const {
  if (!ranks_.alone() && step % kAgreeEvery != 0) return Wish::go_on;
  return static_cast<Wish>(ranks_.agreed(static_cast<int64_t>(mine)));
}

bool TrainingRun::train(const StepsDone& steps_done) {
  if (ranks_.first()) claim_folder();
  if (ranks_.agreed(done())) return true;
  std::optional<RunFolder> lock;
  if (ranks_.first()) lock.emplace(folder_, 8 * static_cast<uintmax_t>(parameters(recipe_.model)) * sizeof(float));
  if (device_.is_cpu()) at::set_num_threads(static_cast<int>(plan_.threads));  // of the calling thread
  Trainer trainer(recipe_, data_, device_, ranks_);
  RunHistory history;
  resume(trainer, history);
  if (trainer.steps_done() > 0) steps_done(trainer.steps_done());
  const auto validation = data_->validation(0, plan_.validation_sequences);
  StepClock clock(history.seconds, device_);
  Stopwatch since_saved;
  bool wanted = true;
  for (;;) {
    const auto step = trainer.steps_done();
    const bool looks = looks_at(step, history), keeps = keeps_at(step), ends = step == recipe_.schedule.steps;
    const bool due = since_saved.seconds() > plan_.checkpoint_seconds;
    const auto wish = agreed(step, !wanted ? Wish::stop : due ? Wish::save : Wish::go_on);
    if (looks || keeps || ends || wish != Wish::go_on) {
      clock.stop();
      if (looks) look(trainer, validation, history);
      const bool diverged = ranks_.agreed(!history.stopped.empty());
      if (keeps && !diverged && ranks_.first())
        save_model(model_folder(step), trainer.model().config(), *trainer.model().frozen());
      if (ends || diverged) break;
      if (wish != Wish::go_on) {
        save(trainer, history);
        since_saved.restart();
      }
      if (wish == Wish::stop) return false;
      clock.start();
    }
    trainer.step();
    wanted = steps_done(1) && wanted;
  }
  if (ranks_.first()) finish(history);
  ranks_.agreed(0);  // the others read what the first has written
  return true;
}

bool TrainingRun::looks_at(int64_t step, const RunHistory& history) const {
  return step % plan_.validate_every == 0 && (history.curve.empty() || history.curve.back().step != step);
}

bool TrainingRun::keeps_at(int64_t step) const {
  return std::binary_search(plan_.keep.begin(), plan_.keep.end(), step);
}

void TrainingRun::resume(Trainer& trainer, RunHistory& history) const {
  const auto state = folder_ / "state.safetensors";
  if (fs::exists(state)) history = history_from_json(trainer.load(state), state.string());
}

/// Loss on text, which the first rank computes alone, and on the batches since the last look. What is not finite ends
/// the run.
void TrainingRun::look(Trainer& trainer, const Batch& validation, RunHistory& history) const {
  CurvePoint point{trainer.steps_done(), history.seconds, NAN, ranks_.first() ? trainer.loss(validation) : 0, NAN};
  if (point.step > 0) {
    const auto report = trainer.report();
    point.train_loss = report.loss;
    point.gradient_norm = report.gradient_norm;
  }
  history.curve.push_back(point);
  if (!std::isfinite(point.validation_loss) || (point.step > 0 && !std::isfinite(point.gradient_norm))) {
    history.stopped = "diverged before step " + std::to_string(point.step) + " (a loss or gradient is not finite)";
  }
}

void TrainingRun::save(Trainer& trainer, const RunHistory& history) const {
  trainer.settle();
  if (!ranks_.first()) return;
  trainer.save(folder_ / "state.safetensors", history_to_json(history));
}

void TrainingRun::finish(const RunHistory& history) const {
  write_atomically(folder_ / "run.json", history_to_json(history));
  fs::remove(folder_ / "state.safetensors");
}

TrainedRun TrainingRun::result() const {
  const auto file = folder_ / "run.json";
  auto history = history_from_json(read_text(file), file.string());
  TrainedRun run{arm_, recipe_, std::move(history.curve), {}, std::move(history.stopped)};
  for (const auto step : plan_.keep) {
    if (!fs::exists(model_folder(step))) continue;  // of a run that diverged
    const auto name = arm_ + " at step " + std::to_string(step);
    run.models.push_back({step, open_model_folder(model_folder(step), name, device_)});
  }
  return run;
}

}  // namespace replicate
