#include "models/training/trainer.h"

#include <cstdio>

#include "models/formats/error.h"
#include "models/formats/safetensors.h"

namespace replicate {
namespace {

constexpr const char* kFormat = "replicate training state 1";

/// The initial weights of constant_gain are matched on the first batch.
Tensor sample_of(const Recipe& recipe, const TrainingData& data) {
  return data.batch(recipe.seed, 0, recipe.sequences).inputs;
}

void check(const Recipe& recipe) {
  if (recipe.sequences % recipe.accumulate != 0) {
    throw Error("a batch of " + std::to_string(recipe.sequences) + " sequences cannot be cut into " +
                    std::to_string(recipe.accumulate) + " equal parts",
                "training", "choose sequences as a multiple of accumulate");
  }
}

}  // namespace

std::string Recipe::text() const {
  char numbers[512];
  std::snprintf(numbers, sizeof numbers,
                "seed %llu\nrate %.17g\nsteps %lld warmup %lld decay %lld\nsequences %lld / %lld\n"
                "weight_decay %.17g beta %.17g %.17g eps %.17g clip %.17g\nbfloat16 %d\n",
                static_cast<unsigned long long>(seed), learning_rate, static_cast<long long>(schedule.steps),
                static_cast<long long>(schedule.warmup), static_cast<long long>(schedule.decay),
                static_cast<long long>(sequences), static_cast<long long>(accumulate), weight_decay, beta1, beta2, eps,
                clip, bfloat16);
  char shape[256];
  std::snprintf(shape, sizeof shape, "L %lld D %lld H %lld G %lld K %lld F %lld V %lld eps %.17g rope %.17g tied %d\n",
                static_cast<long long>(model.layers), static_cast<long long>(model.width),
                static_cast<long long>(model.heads), static_cast<long long>(model.kv_heads),
                static_cast<long long>(model.head_width), static_cast<long long>(model.hidden),
                static_cast<long long>(model.vocabulary), model.norm_eps, model.rope_theta, model.tied_head);
  return "arm " + arm + "\n" + numbers + shape;
}

Trainer::Trainer(const Recipe& recipe, std::shared_ptr<const TrainingData> data, at::Device device)
    : recipe_(recipe),
      data_(std::move(data)),
      device_(device),
      model_(replicate::arm(recipe.arm), recipe.model, recipe.seed, sample_of(recipe, *data_), device) {
  check(recipe);
  first_moment_ = at::zeros_like(model_.parameters().values());
  second_moment_ = at::zeros_like(first_moment_);
  updates_ = at::zeros({}, first_moment_.options());
  loss_sum_ = at::zeros({}, first_moment_.options());
  gradient_norm_ = at::zeros({}, first_moment_.options());
}

Tensor Trainer::micro_loss(const Batch& batch, int64_t part) const {
  const auto count = batch.inputs.size(0) / recipe_.accumulate;
  const auto of = [&](const Tensor& ids) { return ids.narrow(0, part * count, count).to(device_, true); };
  return model_.loss(of(batch.inputs), of(batch.targets), recipe_.bfloat16) / recipe_.accumulate;
}

void Trainer::step() {
  const auto batch = data_->batch(recipe_.seed, done_, recipe_.sequences);
  model_.parameters().gradients().zero_();
  for (int64_t part = 0; part < recipe_.accumulate; ++part) {
    const c10::AutoGradMode gradients(true);
    const auto loss = micro_loss(batch, part);
    loss.backward();
    loss_sum_ += loss.detach();
  }
  const c10::NoGradGuard no_grad;
  clip_gradients();
  optimise();
  ++done_;
}

/// The factor stays on the device: nobody waits for the norm.
void Trainer::clip_gradients() {
  const auto gradients = model_.parameters().gradients();
  gradient_norm_ = at::linalg_vector_norm(gradients);
  gradients.mul_((recipe_.clip / (gradient_norm_ + 1e-6)).clamp_max(1));
}

void Trainer::optimise() {
  const auto& p = model_.parameters();
  const double rate = recipe_.learning_rate * recipe_.schedule.at(done_);
  updates_ += 1;
  const auto update = [&](int64_t first, int64_t count, double decay) {
    if (count == 0) return;
    const auto part = [&](const Tensor& flat) { return std::vector{flat.narrow(0, first, count)}; };
    at::_fused_adamw_(part(p.values()), part(p.gradients()), part(first_moment_), part(second_moment_), {}, {updates_},
                      rate, recipe_.beta1, recipe_.beta2, decay, recipe_.eps, false, false);
  };
  update(0, p.decaying(), recipe_.weight_decay);
  update(p.decaying(), p.values().numel() - p.decaying(), 0);
}

StepReport Trainer::report() {
  const auto steps = static_cast<double>(std::max<int64_t>(1, done_ - reported_));
  const StepReport report{loss_sum_.item<double>() / steps, gradient_norm_.item<double>()};
  loss_sum_.zero_();
  reported_ = done_;
  return report;
}

double Trainer::loss(const Batch& batch) const {
  const c10::NoGradGuard no_grad;
  double sum = 0;
  const auto all = batch.inputs.size(0);
  for (int64_t first = 0; first < all; first += recipe_.sequences) {
    const auto count = std::min(recipe_.sequences, all - first);
    const auto of = [&](const Tensor& ids) { return ids.narrow(0, first, count).to(device_); };
    const auto part = model_.loss(of(batch.inputs), of(batch.targets), recipe_.bfloat16);
    sum += part.item<double>() * static_cast<double>(count);
  }
  return sum / static_cast<double>(all);
}

}  // namespace replicate
