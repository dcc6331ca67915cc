#pragma once

// Runs any registered claim on a model that exists in memory only: its YAML, natural inputs made of random letters, the
// survey, passes, reports and verdict, as the runner does it for a file.

#include <functional>

#include "base/error.h"
#include "harness/record/verdict.h"
#include "harness/study/claim.h"
#include "harness/study/surveyor.h"
#include "models/core/cast_weights.h"
#include "models/formats/gguf.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/survey_rules.h"
#include "tests/support/temporary_folder.h"

namespace replicate {

/// Ordinary tokens: the printable ASCII characters and the line feed, then as many as the vocabulary wants that no
/// text spells. The last one is BOS.
inline std::shared_ptr<const Tokenizer> letter_tokenizer(int64_t vocabulary) {
  std::vector<std::string> tokens;
  for (char c = 33; c < 127; ++c) tokens.emplace_back(1, c);
  tokens.emplace_back("\xc4\x8a");  // how byte-level BPE spells the line feed
  const auto size = static_cast<size_t>(vocabulary);
  while (tokens.size() + 1 < size) tokens.push_back("<unspelled" + std::to_string(tokens.size()) + ">");
  tokens.emplace_back("<bos>");
  std::vector<int32_t> types(tokens.size(), 1);
  types.back() = 3;
  const auto bytes = GgufWriter()
                         .text("tokenizer.ggml.model", "gpt2")
                         .text("tokenizer.ggml.pre", "gpt-2")
                         .texts("tokenizer.ggml.tokens", tokens)
                         .integers("tokenizer.ggml.token_type", types)
                         .texts("tokenizer.ggml.merges", {})
                         .unsigned_integer("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(size - 1))
                         .bytes();
  return std::make_shared<const Tokenizer>(Tokenizer::from_gguf(GgufFile::parse(bytes, "letters")));
}

/// Lines of random letters, so that natural inputs are random ids that have passed through all that makes inputs. No
/// letter stands twice in a row: two equal tokens at the start of a text average to one token.
inline const std::filesystem::path& random_prose() {
  static const TemporaryFolder folder;
  static const bool written = [] {
    Random random(1);
    std::string text;
    while (text.size() < (1 << 20)) {
      const auto c = static_cast<char>(33 + random.below(94));
      if (text.empty() || c != text.back()) text += random.below(16) == 0 ? std::string{c, '\n'} : std::string{c};
    }
    folder.write("letters.txt", text);
    return true;
  }();
  (void)written;
  return folder.path();
}

/// The same model with its products in another type, as --dtype has it.
inline std::shared_ptr<const Model> computed_in(at::ScalarType type, const std::shared_ptr<const Model>& model) {
  if (type == at::kFloat) return model;
  return std::make_shared<const Model>(Model{model->name, model->config, cast_weights(model->weights, type)});
}

/// Upper bounds that fit a claim's inputs to a small model and a short test.
struct Sizes {
  int64_t sequences = 12, length = 64;
  int64_t beside = 4;  ///< sequences of conditions that are reported beside the judged ones: repeated, bos
  int64_t calibration = 256, resamples = 300;
  bool bos = false;       ///< natural inputs begin with BOS
  int64_t survey = 8;     ///< sequences
  bool described = true;  ///< claims also report what is around what is judged
};

/// What came of one claim on one model.
struct Trial {
  Measurement measurement;
  Judgement judgement;
  Judging judging = {};
  std::vector<std::string> unread = {};  ///< parameters that the experiment did not read
};

using ChooseStages = std::function<std::vector<SinkStage>(std::vector<SinkStage>)>;

inline std::vector<SinkStage> first_stage(std::vector<SinkStage> stages) {
  if (stages.size() > 1) stages.resize(1);
  return stages;
}

class ExperimentBench {
 public:
  explicit ExperimentBench(const std::shared_ptr<const Model>& model, Sizes sizes = {}, uint64_t seed = 1,
                           at::ScalarType type = at::kFloat)
      : model_(computed_in(type, model)),
        type_(type),
        sizes_(sizes),
        seed_(seed),
        maker_(letter_tokenizer(model_->config.vocabulary), model_->config.vocabulary, {random_prose()}, seed) {
    survey_ = surveyed(InputKind::natural);
  }

  const Survey& survey() const { return survey_; }  ///< of natural inputs
  InputMaker& maker() { return maker_; }

  /// What a claim throws becomes its verdict `error`, with the message as the reason. `overrides` as in
  /// --set claims.<id>.<override>.
  /// A claim that is bound to a spike runs at the first stage, or at those that `choose` makes of the stages that have
  /// a spike and a sink.
  Trial run(const std::string& claim, const std::vector<std::string>& overrides = {},
            const ChooseStages& choose = first_stage) {
    try {
      const auto settings = settings_of(claim, overrides);
      auto context = context_for(settings);
      bind(settings, choose, context);
      const auto where = context.stages.empty() ? std::map<std::string, int64_t>{} : at_spike(spike_of(context.stages));
      const auto declared = declare_claim(claim, std::move(context));
      replicate::run(declared->plan(), {});
      auto measurement = declared->measure();
      auto judgement = judge(measurement, settings.judging, where);
      return {std::move(measurement), std::move(judgement), settings.judging, settings.parameters.unread()};
    } catch (const std::exception& e) {
      return {{}, {Verdict::error, e.what(), {}, {}, {}}};
    }
  }

 private:
  Survey surveyed(InputKind kind) {
    const auto tokens =
        maker_.make(kind, {sizes_.survey, sizes_.length}, sizes_.bos && kind == InputKind::natural, Region::survey);
    const Surveyor surveyor(survey_rules());
    replicate::run({{model_, tokens, {}, surveyor.probes()}}, {});
    return surveyor.reduce(model_->config.layers, sizes_.length);
  }

  void bind(const ClaimSettings& settings, const ChooseStages& choose, Context& context) {
    const auto& requirements = settings.judging.requirements;
    if (!requirements) return;
    if (context.judged_on() == InputKind::random) context.survey = surveyed(InputKind::random);
    if (requirements->stages != StageCalls::once) context.stages = choose(stages_with_sinks(context.survey.stages));
  }

  Context context_for(const ClaimSettings& settings) {
    Context context(settings.parameters);
    context.model = model_;
    context.null_model = fresh("null");
    context.reinitialised = [this](uint64_t number) { return fresh("null/" + std::to_string(number)); };
    context.survey = survey_;
    context.maker = &maker_;
    context.seed = seed_;
    context.bos = sizes_.bos;
    context.reports_others = sizes_.described;
    context.bootstrap = {sizes_.resamples, derive_seed(seed_, "bootstrap")};
    return context;
  }

  std::shared_ptr<const Model> fresh(const std::string& purpose) const {
    const auto weights = random_weights(model_->config, derive_seed(seed_, purpose), at::kCPU);
    return computed_in(type_, std::make_shared<const Model>(Model{"null", model_->config, weights}));
  }

  /// The null model's settings change no threshold; nothing of its file is opened.
  static Settings load(std::vector<std::string> overrides) {
    overrides.emplace_back("sweep_sequences=0");
    return resolve(load_settings({std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs", "", "cpu", "smollm2-null",
                                  "", std::move(overrides), std::nullopt}));
  }

  /// What cuts the claims' cpu sizes down.
  std::vector<std::string> limits() const {
    std::vector<std::string> overrides;
    const auto limit = [&](const ClaimSettings& claim, const std::string& key, int64_t most) {
      if (claim.judging.requirements) most = std::max(most, kPopulationBlocks);  // fewer units can judge nothing
      if (!claim.parameters.has(key) || claim.parameters.integer(key) <= most) return;
      overrides.push_back("claims." + claim.id + "." + key + "=" + std::to_string(most));
    };
    for (const auto& claim : load({}).claims) {
      for (const std::string condition : {"natural", "random", "repeated", "bos", "null_model"}) {
        const bool beside = condition == "repeated" || condition == "bos";
        limit(claim, condition + ".sequences", beside ? sizes_.beside : sizes_.sequences);
        limit(claim, condition + ".length", sizes_.length);
      }
      limit(claim, "calibration.sequences", sizes_.calibration);
      limit(claim, "calibration.length", sizes_.length);
    }
    return overrides;
  }

  ClaimSettings settings_of(const std::string& claim, const std::vector<std::string>& overrides) {
    if (limits_.empty()) limits_ = limits();
    if (settings_.empty() || !overrides.empty()) {
      auto all = limits_;
      for (const auto& text : overrides) all.push_back("claims." + claim + "." + text);
      auto loaded = load(std::move(all)).claims;
      if (!overrides.empty()) return named(loaded, claim);
      settings_ = std::move(loaded);
    }
    return named(settings_, claim);
  }

  static ClaimSettings named(const std::vector<ClaimSettings>& all, const std::string& claim) {
    for (const auto& one : all) {
      if (one.id == claim) return one;
    }
    throw Error("claim '" + claim + "' has no settings", "configs/claims", "add " + claim + ".yaml");
  }

  std::shared_ptr<const Model> model_;
  at::ScalarType type_;  // of the products
  Sizes sizes_;
  uint64_t seed_;
  InputMaker maker_;
  Survey survey_;
  std::vector<std::string> limits_;
  std::vector<ClaimSettings> settings_;  // of all claims, at these limits
};

}  // namespace replicate
