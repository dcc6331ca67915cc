#include "harness/study/runner/session.h"

#include "base/error.h"
#include "harness/record/settings/settings_yaml.h"
#include "harness/training/make_study.h"
#include "models/tokenizer/chat_template.h"

namespace replicate {

Session::Session(const RunRequest& run_request)
    : request(run_request),
      settings(run_request.settings),
      loaded(load_model(settings.model, settings.dtype, settings.seed, request.device, settings.weight_noise)),
      maker(make_inputs(settings.seed)) {
  if (request.given) {
    given = read_given(*request.given, *loaded.tokenizer, loaded.model->config.vocabulary,
                       {settings.survey.integer("length"), begins_with_bos()});
  }
  options.device = request.device;
  if (settings.batch_tokens > 0) options.batch_tokens = settings.batch_tokens;
}

std::shared_ptr<InputMaker> Session::make_inputs(uint64_t seed, const std::string& text) const {
  return std::make_shared<InputMaker>(loaded.tokenizer, loaded.model->config.vocabulary, source_of(text), seed);
}

InputMaker& Session::other_maker(uint64_t seed, const std::string& text) {
  auto& maker = other_makers_[{seed, text}];
  if (!maker) maker = make_inputs(seed, text);
  return *maker;
}

TextSource Session::source_of(const std::string& text) const {
  if (text.empty()) return {request.assets / "prose"};
  if (text == "chat") {
    if (!loaded.chat_template)
      throw Error("the model has no chat template", loaded.record.name, "measure another text");
    const auto opening = chat_opening(*loaded.chat_template);
    if (!opening)
      throw Error("its chat template is neither ChatML nor Gemma's", loaded.record.name, "measure another text");
    return {request.assets / "prose", loaded.tokenizer->encode_with_special(*opening)};
  }
  const auto folder = request.assets / "text" / text;
  if (!std::filesystem::exists(folder))
    throw Error("the text is not set up", "assets/text/" + text, "run scripts/setup --with texts");
  return {folder};
}

bool Session::begins_with_bos() const {
  if (given.judged) return given.judged->bos;
  return settings.model.bos.value_or(loaded.model->config.begins_with_bos);
}

std::string Session::config() const {
  auto decided = settings;
  decided.model.bos = begins_with_bos();
  return settings_yaml(decided);
}

std::string Session::noise() const {
  return settings.weight_noise == 0 ? "" : "noise " + std::to_string(settings.weight_noise) + "/";
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
  context.seed = point.seed.value_or(context.seed);
  if (point.seed || !point.text.empty()) context.maker = &other_maker(context.seed, point.text);
  return context;
}

std::string Session::sha256_of(const std::string& text) {
  const auto known = texts_sha256_.find(text);
  if (known != texts_sha256_.end()) return known->second;
  auto& sha256 = texts_sha256_[text];
  try {
    sha256 = other_maker(settings.seed, text).prose_sha256();
  } catch (const Error&) {  // the variation is left out, and says why
  }
  return sha256;
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
