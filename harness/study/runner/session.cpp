#include "harness/study/runner/session.h"

#include "harness/record/settings/settings_yaml.h"
#include "harness/training/make_study.h"

namespace replicate {

Session::Session(const RunRequest& run_request)
    : request(run_request),
      settings(run_request.settings),
      loaded(load_model(settings.model, settings.dtype, settings.seed, request.device)),
      maker(make_inputs(settings.seed)) {
  if (request.tokens) given = split(read_tokens(*request.tokens, loaded.model->config.vocabulary));
  options.device = request.device;
  if (settings.batch_tokens > 0) options.batch_tokens = settings.batch_tokens;
}

std::shared_ptr<InputMaker> Session::make_inputs(uint64_t seed) const {
  return std::make_shared<InputMaker>(loaded.tokenizer, loaded.model->config.vocabulary, request.assets / "prose",
                                      seed);
}

std::string Session::config() const {
  auto decided = settings;
  decided.model.bos = begins_with_bos();
  return settings_yaml(decided);
}

Context Session::context_for(const ClaimSettings& claim) const {
  Context context(claim.parameters);
  use(loaded, context);
  context.maker = maker.get();
  context.given = given.judged;
  context.set_aside = given.set_aside;
  context.seed = settings.seed;
  context.bootstrap = {settings.bootstrap_resamples, derive_seed(settings.seed, "bootstrap")};
  context.bos = begins_with_bos();
  context.arms = claim.arms;
  return context;
}

Context Session::context_for(const ClaimSettings& claim, const SweepSettings& point) {
  auto context = context_for(claim);
  context.parameters = point.parameters;
  context.reports_others = false;
  context.bos = point.bos.value_or(context.bos);
  if (point.seed) {
    auto& other = other_makers_[*point.seed];
    if (!other) other = make_inputs(*point.seed);
    context.maker = other.get();
    context.seed = *point.seed;
  }
  return context;
}

SurveyInputs Session::survey_for(const Context& context) const {
  if (given.judged) return main_survey();
  const auto kind = context.judged_on();
  return {kind, context.bos && kind == InputKind::natural};
}

TrainingStudy& Session::study() {
  if (!study_) {
    study_ = make_study(settings.training, settings.seed, request.assets, request.training, request.device);
  }
  return *study_;
}

void Session::time_study() {
  study_ = make_study_to_time(settings.training, settings.seed, request.training, request.device);
}

void use(const ModelAndNulls& models, Context& context) {
  context.model = models.model;
  context.null_model = models.null_model;
  context.reinitialised = models.reinitialised;
}

}  // namespace replicate
