#include "harness/inputs/loading.h"

#include "base/error.h"
#include "base/sha256.h"
#include "base/statistics.h"
#include "base/text_file.h"
#include "models/core/cast_weights.h"
#include "models/core/stored_model.h"
#include "models/core/stored_weights.h"
#include "models/formats/gguf.h"
#include "models/tokenizer/chat_template.h"

namespace replicate {
namespace {

std::string verified_sha256(const std::vector<std::filesystem::path>& files, const ModelSettings& settings) {
  const auto actual = sha256_files(files);
  if (settings.sha256 && *settings.sha256 != actual) {
    throw Error("the model is not the one that its settings pin (sha256 " + actual + ")", settings.file.string(),
                "run scripts/setup again, or name the file itself with --model");
  }
  return actual;
}

ModelRecord record_of(const ModelSettings& settings, const ModelConfig& c, const std::string& sha256,
                      const std::string& encoding) {
  return {.name = settings.name,
          .sha256 = sha256,
          .architecture = c.architecture,
          .quantization = settings.reinitialised ? "none" : encoding,
          .parameters = parameters(c),
          .layers = c.layers,
          .width = c.width,
          .heads = c.heads,
          .kv_heads = c.kv_heads,
          .vocabulary = c.vocabulary,
          .reinitialised = settings.reinitialised,
          .hub = settings.hub};
}

/// What a file or folder holds, before null models are made of it.
struct StoredModel {
  ModelConfig config;
  std::shared_ptr<const WeightSource> weights;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::optional<std::string> chat_template;
  std::string sha256, encoding;
};

/// The tensors as they are stored, or with noise.
std::shared_ptr<const TensorStore> with_noise(std::shared_ptr<const TensorStore> store, uint64_t seed) {
  return seed == 0 ? store : noisy_store(std::move(store), seed);
}

StoredModel open_gguf(const ModelSettings& settings, uint64_t noise, at::Device device) {
  const auto file = std::make_shared<const GgufFile>(GgufFile::open(settings.file));
  const auto [config, storage] = describe_gguf(*file);
  const auto store = with_noise(gguf_store(file), noise);
  return {.config = config,
          .weights = stored_weights(store, config, storage, device),  // checks every tensor, for the null model too
          .tokenizer = std::make_shared<const Tokenizer>(Tokenizer::from_gguf(*file)),
          .chat_template = file->text("tokenizer.chat_template"),
          .sha256 = verified_sha256(file->files(), settings),
          .encoding = main_encoding(*store)};
}

/// Where a model's tokenizer lies: with the model, or with the training run which the model is of.
std::filesystem::path tokenizer_folder(const std::filesystem::path& folder) {
  for (const auto* name : {"tokenizer.json", "tokenizer.model", "vocab.json"}) {
    if (is_there(folder / name)) return folder;
  }
  const auto run = std::filesystem::absolute(folder).lexically_normal().parent_path();
  if (is_there(run / "recipe.txt") && is_there(run / "tokenizer.json")) return run;
  throw Error("the model has neither tokenizer.json, tokenizer.model nor vocab.json", folder.string(),
              "models trained on a task without text have none; others come with one");
}

/// Everything in the folder that decides a number: the weights are the same under another rope_theta, the model is not.
std::vector<std::filesystem::path> identifying_files(const std::filesystem::path& folder) {
  auto files = safetensors_files(folder);
  files.push_back(folder / "config.json");
  const auto tokenizer = tokenizer_folder(folder);
  for (const auto* name :
       {"tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json",
        "special_tokens_map.json", "generation_config.json", "chat_template.jinja"})
    if (is_there(tokenizer / name)) files.push_back(tokenizer / name);
  return files;
}

StoredModel open_folder(const ModelSettings& settings, at::Device device) {
  const auto& folder = settings.file;
  const auto model = open_model_folder(folder, settings.name, device);
  return {.config = model->config,
          .weights = model->weights,
          .tokenizer = std::make_shared<const Tokenizer>(
              Tokenizer::from_folder(tokenizer_folder(folder), model->config.vocabulary)),
          .chat_template = chat_template_of(folder),
          .sha256 = verified_sha256(identifying_files(folder), settings),
          .encoding = main_encoding(*safetensors_store(folder))};
}

}  // namespace

LoadedModel load_model(const ModelSettings& settings, const std::string& dtype, uint64_t seed, at::Device device,
                       uint64_t weight_noise) {
  if (!std::filesystem::exists(settings.file)) {
    throw Error("the model file does not exist", settings.file.string(),
                "run scripts/setup, or name another file with --model");
  }
  const bool is_folder = std::filesystem::is_directory(settings.file);
  if (is_folder && weight_noise != 0) {
    throw Error("weight_noise is for quantised models in GGUF files", settings.file.string(), "measure it without");
  }
  const auto stored = is_folder ? open_folder(settings, device) : open_gguf(settings, weight_noise, device);
  const auto fresh = [=, config = stored.config](const std::string& purpose) {
    return random_weights(config, derive_seed(seed, purpose), device);
  };
  const auto in_type = [=, config = stored.config,
                        weights = settings.reinitialised ? fresh("reinitialised") : stored.weights](
                           const std::string& name, const std::string& dtype) {
    const auto model_of = [=](const std::string& name, std::shared_ptr<const WeightSource> weights) {
      if (dtype != "float32")
        weights = cast_weights(std::move(weights), dtype == "bfloat16" ? at::kBFloat16 : at::kHalf);
      return std::make_shared<const Model>(Model{name, config, std::move(weights)});
    };
    const auto null_model = [=](const std::string& purpose) { return model_of(name + " (null)", fresh(purpose)); };
    return ModelAndNulls{model_of(name, weights), null_model("null"),
                         [=](uint64_t number) { return null_model("null/" + std::to_string(number)); }};
  };
  LoadedModel loaded;
  static_cast<ModelAndNulls&>(loaded) = in_type(settings.name, dtype);
  const auto encoding = stored.encoding + (weight_noise == 0 ? "" : " with noise " + std::to_string(weight_noise));
  loaded.record = record_of(settings, stored.config, stored.sha256, encoding);
  loaded.tokenizer = stored.tokenizer;
  loaded.chat_template = stored.chat_template;
  if (dtype != "float32") loaded.exact = in_type(settings.name + " (float32)", "float32");
  return loaded;
}

}  // namespace replicate
