#include "models/training/trainer.h"

#include <charconv>
#include <cstdio>

#include "base/error.h"
#include "models/formats/safetensors.h"

namespace replicate {
namespace {

constexpr const char* kFormat = "replicate training state 1";

/// The initial weights of constant_gain are matched on the first batch.
Tensor sample_of(const Recipe& recipe, const TrainingData& data) {
  return data.batch(recipe.seed, 0, recipe.sequences).inputs;
}

void check(const Recipe& recipe, const Ranks& ranks) {
  const auto parts = recipe.accumulate * ranks.size();
  if (recipe.sequences % parts != 0) {
    throw Error("a batch of " + std::to_string(recipe.sequences) + " sequences cannot be cut into " +
                    std::to_string(parts) + " equal parts",
                "training", "choose sequences as a multiple of accumulate and of the number of processes");
  }
}

}  // namespace

std::string Recipe::text() const {
  char numbers[512];
  std::snprintf(numbers, sizeof numbers,
                "seed %llu weights %llu\nrate %.17g\nsteps %lld warmup %lld decay %lld\nsequences %lld / %lld\n"
                "weight_decay %.17g beta %.17g %.17g eps %.17g clip %.17g\nbfloat16 %d\n",
                static_cast<unsigned long long>(seed), static_cast<unsigned long long>(weight_seed), learning_rate,
                static_cast<long long>(schedule.steps), static_cast<long long>(schedule.warmup),
                static_cast<long long>(schedule.decay), static_cast<long long>(sequences),
                static_cast<long long>(accumulate), weight_decay, beta1, beta2, eps, clip, bfloat16);
  char shape[256];
  std::snprintf(shape, sizeof shape, "L %lld D %lld H %lld G %lld K %lld F %lld V %lld eps %.17g rope %.17g tied %d\n",
                static_cast<long long>(model.layers), static_cast<long long>(model.width),
                static_cast<long long>(model.heads), static_cast<long long>(model.kv_heads),
                static_cast<long long>(model.head_width), static_cast<long long>(model.hidden),
                static_cast<long long>(model.vocabulary), model.norm_eps, model.rope.theta, model.tied_head);
  return "arm " + arm + "\n" + numbers + shape;
}

Trainer::Trainer(const Recipe& recipe, std::shared_ptr<const TrainingData> data, at::Device device, const Ranks& ranks)
    : recipe_(recipe),
      data_(std::move(data)),
      device_(device),
      ranks_(ranks),
      model_(replicate::arm(recipe.arm), recipe.model, recipe.weight_seed, sample_of(recipe, *data_), device),
      batches_(data_, recipe.seed, recipe.sequences, device.is_cuda()),
      compute_graph_(model_.parameters().values().device()) {
  check(recipe, ranks);
  const auto of_device = at::TensorOptions().device(device);
  inputs_ = at::empty({recipe.sequences / ranks.size(), data_->length()}, of_device.dtype(at::kLong));
  targets_ = at::empty_like(inputs_);
  rate_ = at::zeros({}, of_device.dtype(device.is_cpu() ? at::kDouble : at::kFloat));
  first_moment_ = at::zeros_like(model_.parameters().values());
  second_moment_ = at::zeros_like(first_moment_);
  updates_ = at::zeros({}, first_moment_.options());
  loss_sum_ = at::zeros({}, first_moment_.options());
  gradient_norm_ = at::zeros({}, first_moment_.options());
}

/// This rank's share of the batch, where the device reads it.
void Trainer::bring_batch() {
  const auto batch = batches_.take(done_);
  const auto count = inputs_.size(0);
  const auto bring = [&](const Tensor& ids, Tensor& to) {
    to.copy_(ids.narrow(0, ranks_.rank() * count, count), true);
  };
  bring(batch.inputs, inputs_);
  bring(batch.targets, targets_);
}

Tensor Trainer::micro_loss(int64_t part) const {
  const auto count = inputs_.size(0) / recipe_.accumulate;
  const auto of = [&](const Tensor& ids) { return ids.narrow(0, part * count, count); };
  return model_.loss(of(inputs_), of(targets_), recipe_.bfloat16) / recipe_.accumulate;
}

void Trainer::step() {
  bring_batch();
  rate_.fill_(recipe_.learning_rate * recipe_.schedule.at(done_));
  compute_graph_.run([this] { compute(); });
  ++done_;
}

/// All that a step does on the device, in place.
void Trainer::compute() {
  model_.parameters().gradients().zero_();
  for (int64_t part = 0; part < recipe_.accumulate; ++part) {
    const c10::AutoGradMode gradients(true);
    const auto loss = micro_loss(part);
    loss.backward();
    loss_sum_ += loss.detach();
  }
  const c10::NoGradGuard no_grad;
  ranks_.average(model_.parameters().gradients());
  clip_gradients();
  optimise();
}

/// The factor stays on the device, so that the host does not wait for the norm.
void Trainer::clip_gradients() {
  const auto gradients = model_.parameters().gradients();
  gradient_norm_.copy_(at::linalg_vector_norm(gradients));
  gradients.mul_((recipe_.clip / (gradient_norm_ + 1e-6)).clamp_max(1));
}

void Trainer::optimise() {
  const auto& p = model_.parameters();
  updates_ += 1;
  const auto update = [&](int64_t first, int64_t count, double decay) {
    if (count == 0) return;
    const auto part = [&](const Tensor& flat) { return std::vector{flat.narrow(0, first, count)}; };
    at::_fused_adamw_(part(p.values()), part(p.gradients()), part(first_moment_), part(second_moment_), {}, {updates_},
                      rate_, recipe_.beta1, recipe_.beta2, decay, recipe_.eps, false, false);
  };
  update(0, p.decaying(), recipe_.weight_decay);
  update(p.decaying(), p.values().numel() - p.decaying(), 0);
}

void Trainer::settle() { ranks_.average(loss_sum_.view({1})); }

StepReport Trainer::report() {
  settle();
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
  // No more at a time than a step takes: the logits of a whole batch may not fit.
  const auto most = std::max<int64_t>(1, recipe_.sequences / (recipe_.accumulate * ranks_.size()));
  for (int64_t first = 0; first < all; first += most) {
    const auto count = std::min(most, all - first);
    const auto of = [&](const Tensor& ids) { return ids.narrow(0, first, count).to(device_); };
    const auto part = model_.loss(of(batch.inputs), of(batch.targets), recipe_.bfloat16);
    sum += part.item<double>() * static_cast<double>(count);
  }
  return sum / static_cast<double>(all);
}

// --- States ---------------------------------------------------------------------------------------------------

namespace {

SafetensorsOutput output(const std::string& name, const Tensor& tensor) {
  return {name, Dtype::f32, tensor.sizes().vec(),
          std::as_bytes(std::span(tensor.const_data_ptr<float>(), static_cast<size_t>(tensor.numel())))};
}

[[noreturn]] void refuse(const std::string& what, const std::filesystem::path& file) {
  throw Error(what, file.string(), "remove the file to begin this run again");
}

/// Nothing where it is not all of the text.
std::optional<int64_t> whole_number(const std::string& text) {
  int64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

}  // namespace

std::map<std::string, Tensor> Trainer::state() const {
  std::map<std::string, Tensor> all = {{"values", model_.parameters().values()},
                                       {"first_moment", first_moment_},
                                       {"second_moment", second_moment_},
                                       {"loss_sum", loss_sum_}};
  if (model_.head_constants().defined()) all["head_constants"] = model_.head_constants();
  return all;
}

void Trainer::save(const std::filesystem::path& file, const std::string& notes) const {
  std::map<std::string, Tensor> on_cpu;
  std::vector<SafetensorsOutput> outputs;
  for (const auto& [name, tensor] : state()) {
    on_cpu[name] = tensor.to(at::kCPU).contiguous();
    outputs.push_back(output(name, on_cpu[name]));
  }
  write_safetensors(file, outputs,
                    {{"format", kFormat},
                     {"recipe", recipe_.text() + data_->fingerprint()},
                     {"steps", std::to_string(done_)},
                     {"reported", std::to_string(reported_)},
                     {"notes", notes}});
}

std::string Trainer::load(const std::filesystem::path& file) {
  const auto stored = SafetensorsFile::open(file);
  const auto note = [&](const std::string& key) {
    const auto found = stored.metadata().find(key);
    if (found == stored.metadata().end()) refuse("the training state lacks " + in_quotes(key), file);
    return found->second;
  };
  if (note("format") != kFormat) refuse("this is not a training state", file);
  if (note("recipe") != recipe_.text() + data_->fingerprint()) refuse("the training state is of another run", file);
  const auto steps = whole_number(note("steps")), reported = whole_number(note("reported"));
  // Batches and rates are there for the steps of the schedule only.
  if (!steps || !reported || *reported < 0 || *reported > *steps || *steps > recipe_.schedule.steps) {
    refuse("the training state is at step " + in_quotes(note("steps")) + ", reported to " +
               in_quotes(note("reported")) + ", of " + std::to_string(recipe_.schedule.steps),
           file);
  }
  const c10::NoGradGuard no_grad;
  for (auto& [name, tensor] : state()) {
    const auto& from = stored.tensor(name);
    if (from.shape != tensor.sizes().vec()) refuse("the training state's " + name + " has another shape", file);
    auto on_cpu = at::empty(from.shape, at::kFloat);
    decode_floats(from, on_cpu.mutable_data_ptr<float>());
    tensor.copy_(on_cpu);
  }
  done_ = *steps;
  reported_ = *reported;
  updates_.fill_(static_cast<double>(done_));
  return note("notes");
}

}  // namespace replicate
