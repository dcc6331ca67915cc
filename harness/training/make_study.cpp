#include "harness/training/make_study.h"

#include <cstdio>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/sha256.h"
#include "harness/training/throughput.h"
#include "models/tokenizer/corpus.h"
#include "models/training/backcopy_data.h"
#include "models/training/text_data.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBackcopy = "backcopy";

/// The texts that the settings name.
fs::path texts(const std::string& data, const fs::path& assets) {
  if (data == "prose") return assets / "prose";
  const fs::path path = data.find('/') == std::string::npos ? assets / "text" / data : fs::path(data);
  if (fs::exists(path)) return path;
  throw Error("there is no text to train on", path.string(),
              "run scripts/setup, or name prose, backcopy or a path with training.data");
}

std::string all_text(const fs::path& folder) {
  std::string text;
  for_each_document(folder, [&](std::string_view document) { text += document; });
  return text;
}

/// What was written by an earlier run, and may have been changed since: an id outside the vocabulary would be read as
/// the row of an embedding that is not there.
TokenFile verified(const fs::path& file) {
  try {
    auto tokens = TokenFile::open(file);
    tokens.verify();
    return tokens;
  } catch (const Error& error) {
    throw Error(error.what_happened(), error.where(), "delete the file: the next run creates it again");
  }
}

/// Tokenised once for all runs with these texts and this vocabulary.
TokenFile token_file(const fs::path& text, const Tokenizer& tokenizer, const fs::path& runs) {
  const auto name = text.stem().string() + "-" + hex(corpus_source(text, tokenizer)).substr(0, kShortHashDigits);
  const auto file = runs / "tokens" / (name + ".tokens");
  if (fs::exists(file)) return verified(file);
  fs::create_directories(file.parent_path());
  tokenize_corpus(text, tokenizer, file);
  return TokenFile::open(file);
}

/// Ids of no meaning, to time a step with.
class NoText : public TrainingData {
 public:
  explicit NoText(const Recipes& recipes)
      : vocabulary_(recipes.baseline().model.vocabulary), length_(recipes.length()) {}

  int64_t vocabulary() const override { return vocabulary_; }
  int64_t length() const override { return length_; }
  Batch batch(uint64_t, int64_t, int64_t sequences) const override {
    const auto ids = at::randint(0, vocabulary_, {sequences, length_ + 1}, at::kLong);
    return {ids.slice(1, 0, length_), ids.slice(1, 1)};
  }
  Batch validation(int64_t, int64_t sequences) const override { return batch(0, 0, sequences); }
  int64_t validation_size() const override { return 0; }
  std::optional<int64_t> bos() const override { return {}; }
  std::optional<int64_t> bos_token() const override { return {}; }
  std::string fingerprint() const override { return "no text"; }

 private:
  int64_t vocabulary_, length_;
};

fs::path tokenizer_file(const Recipes& recipes, const fs::path& assets) {
  const auto file = assets / "tokenizers" / recipes.tokenizer() / "tokenizer.json";
  if (fs::exists(file)) return file;
  throw Error("there is no tokenizer " + in_quotes(recipes.tokenizer()), file.string(),
              "run scripts/setup, or put a tokenizer.json there");
}

std::shared_ptr<const TrainingData> data_of(const Recipes& recipes, const fs::path& assets, const fs::path& runs) {
  const auto vocabulary = recipes.baseline().model.vocabulary;
  if (recipes.data() == kBackcopy) {
    return std::make_shared<BackcopyData>(all_text(assets / "prose"), vocabulary, recipes.triggers(), recipes.length(),
                                          recipes.bos());
  }
  const auto json = tokenizer_file(recipes, assets);
  const auto tokenizer = Tokenizer::from_json(json, vocabulary);
  const auto file = std::make_shared<const TokenFile>(token_file(texts(recipes.data(), assets), tokenizer, runs));
  return std::make_shared<TextData>(file, recipes.length(), tokenizer.bos(), recipes.bos(), json);
}

}  // namespace

std::unique_ptr<TrainingStudy> make_study(const Parameters& settings, uint64_t seed, const fs::path& assets,
                                          const fs::path& runs, at::Device device) {
  const Recipes recipes(settings, seed, device);
  return std::make_unique<TrainingStudy>(recipes, data_of(recipes, assets, runs), runs, device);
}

std::unique_ptr<TrainingStudy> make_study_to_time(const Parameters& settings, uint64_t seed, const fs::path& runs,
                                                  at::Device device) {
  const Recipes recipes(settings, seed, device);
  return std::make_unique<TrainingStudy>(recipes, std::make_shared<NoText>(recipes), runs, device);
}

TrainOutcome train_one(const TrainRequest& request, Progress& progress) {
  const Recipes recipes(request.settings, request.seed, request.device);
  const auto& rates = recipes.rates();
  const auto recipe = recipes.run(request.arm, 0, request.rate.value_or(rates[rates.size() / 2]));
  const auto& ranks = request.ranks;
  if (ranks.first() && !request.resume && fs::exists(request.out / "recipe.txt")) {
    throw Error("the folder already holds a training run", request.out.string(),
                "use --resume to continue it, or another --out");
  }
  if (!ranks.first()) ranks.agreed(0);  // the first one makes the token file
  const auto data = data_of(recipes, request.assets, request.out);
  if (ranks.first()) ranks.agreed(0);
  TrainingRun run(request.arm, recipe, recipes.plan(), data, request.out, request.device, ranks);
  if (ranks.first()) run.claim_folder();
  const auto tokens = static_cast<double>(recipe.sequences * recipes.length());
  progress.begin("training " + request.arm, static_cast<double>(run.steps_left()) * tokens);
  const bool whole = run.train([&](int64_t steps) {
    progress.advance(static_cast<double>(steps) * tokens);
    return !interrupted();
  });
  progress.end();
  ranks.part();
  if (!whole) return TrainOutcome::interrupted;
  if (!ranks.first()) return TrainOutcome::finished;
  const auto result = run.result();
  const auto peak = peak_of(request.device, recipe.bfloat16, recipes.plan().threads).of_all(ranks.size());
  if (!result.stopped.empty()) {
    progress.line(request.arm + ": " + result.stopped + "; a lower --rate may help");
    return TrainOutcome::diverged;
  }
  progress.line(request.arm + ": validation loss " + std::to_string(result.final_loss()) + ", " +
                throughput(result, recipes.length(), peak));
  return TrainOutcome::finished;
}

ModelRecord model_record(const Parameters& settings, uint64_t seed, at::Device device) {
  const Recipes recipes(settings, seed, device);
  const auto& c = recipes.baseline().model;
  const auto text = recipes.baseline().text() + recipes.data();
  return {.name = "trained here on " + fs::path(recipes.data()).stem().string(),
          .sha256 = sha256_hex(std::as_bytes(std::span(text))),
          .architecture = c.architecture,
          .quantization = "none",
          .parameters = parameters(c),
          .layers = c.layers,
          .width = c.width,
          .heads = c.heads,
          .kv_heads = c.kv_heads,
          .vocabulary = c.vocabulary};
}

}  // namespace replicate
