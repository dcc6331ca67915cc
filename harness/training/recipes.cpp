#include "harness/training/recipes.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/statistics.h"
#include "models/training/arm.h"

namespace replicate {
namespace {

void require(bool holds, const std::string& what, const std::string& remedy) {
  if (!holds) throw Error(what, "training settings", remedy);
}

ModelConfig model_of(const Parameters& p) {
  ModelConfig c;
  c.layers = p.integer("model.layers");
  c.width = p.integer("model.width");
  c.heads = c.kv_heads = p.integer("model.heads");
  c.hidden = p.integer("model.hidden");
  c.vocabulary = p.integer("vocabulary");
  c.context = p.integer("length");
  c.begins_with_bos = p.flag("bos");
  require(c.heads > 0 && c.width % c.heads == 0, "training.model.heads does not divide the width",
          "choose a width that is a multiple of the heads");
  c.head_width = c.width / c.heads;
  return c;
}

Recipe recipe_of(const Parameters& p, at::Device device) {
  Recipe r;
  r.model = model_of(p);
  r.schedule = {p.integer("steps"), p.integer("warmup"), p.integer("decay")};
  r.sequences = p.integer("sequences");
  r.accumulate = p.integer("accumulate");
  r.weight_decay = p.real("weight_decay");
  r.clip = p.real("clip");
  r.bfloat16 = p.flag("bfloat16") && !device.is_cpu();  // few processors have it, the others are slow at it
  return r;
}

/// Steps at the given percents of the whole, ascending, each once, both ends among them.
std::vector<int64_t> steps_at(const std::vector<int64_t>& percents, int64_t steps) {
  std::set<int64_t> at = {0, steps};
  for (const auto percent : percents) at.insert(std::clamp<int64_t>(percent, 0, 100) * steps / 100);
  return {at.begin(), at.end()};
}

}  // namespace

Recipes::Recipes(const Parameters& settings, uint64_t seed, at::Device device)
    : settings_(settings),
      seed_(seed),
      baseline_(recipe_of(settings, device)),
      rates_(settings.reals("rates")),
      data_(settings.text("data")),
      length_(settings.integer("length")),
      rate_steps_(settings.integer("rate_steps")),
      lowest_known_loss_(settings.real("lowest_known_loss")),
      bos_(settings.flag("bos")),
      shared_rate_(settings.flag("shared_rate")) {
  std::sort(rates_.begin(), rates_.end());
  plan_ = {settings.integer("validation.sequences"), settings.integer("validation.every"),
           steps_at(settings.integers("keep"), baseline_.schedule.steps), settings.real("checkpoint_seconds"),
           settings.integer("threads")};
  check();
}

void Recipes::check() const {
  const auto& s = baseline_.schedule;
  replicate::check(baseline_.model, "training settings");
  require(s.steps > 0 && s.warmup >= 0 && s.decay >= 0 && s.warmup + s.decay < s.steps,
          "training.warmup and training.decay leave no step of constant rate", "lower them or raise training.steps");
  require(rate_steps_ > 0 && rate_steps_ <= s.steps, "training.rate_steps is outside 1.." + std::to_string(s.steps),
          "choose it so that a trial is no longer than a run");
  require(!rates_.empty() && rates_.front() > 0, "training.rates has no positive rates", "give at least one");
  require(baseline_.sequences > 0 && baseline_.accumulate > 0 && baseline_.sequences % baseline_.accumulate == 0,
          "training.accumulate does not divide training.sequences", "choose a multiple");
  require(length_ >= 2, "training.length is below 2", "sequences need something to predict");
  require(plan_.validation_sequences > 0 && plan_.validate_every > 0 && s.steps % plan_.validate_every == 0,
          "training.validation.every does not divide training.steps",
          "choose a divisor, so the last step is validated");
  require(plan_.threads > 0 && plan_.threads <= 1024, "training.threads is outside 1..1024", "give a sensible number");
  require(lowest_known_loss_ >= 0 && std::isfinite(lowest_known_loss_), "training.lowest_known_loss is not a loss",
          "give nats per token, or 0 if none is known");
  require(baseline_.clip > 0 && baseline_.weight_decay >= 0, "training.clip or training.weight_decay is out of range",
          "give a positive clip and no negative decay");
}

int64_t Recipes::seeds(const std::string& arm) const { return settings_.integer("seeds." + arm); }

Recipe Recipes::run(const std::string& arm, int64_t index, double rate) const {
  auto recipe = baseline_;
  recipe.arm = replicate::arm(arm == kBaselineAgain ? kBaseline : arm).name;
  recipe.learning_rate = rate;
  recipe.seed = derive_seed(seed_, "training/" + std::to_string(index));
  recipe.weight_seed = arm == kBaselineAgain ? derive_seed(seed_, "again/" + std::to_string(index)) : recipe.seed;
  return recipe;
}

/// Warm-up as long as in a run, decay in proportion.
Recipe Recipes::trial(const std::string& arm, double rate) const {
  auto recipe = run(arm, 0, rate);
  recipe.seed = recipe.weight_seed = derive_seed(seed_, "training/rates");
  auto& schedule = recipe.schedule;
  schedule.decay = schedule.decay * rate_steps_ / schedule.steps;
  schedule.warmup = std::min(schedule.warmup, rate_steps_ / 4);
  schedule.steps = rate_steps_;
  return recipe;
}

RunPlan Recipes::trial_plan() const {
  auto plan = plan_;
  plan.validate_every = rate_steps_;
  plan.keep = {};
  return plan;
}

}  // namespace replicate
