#include "harness/loading.h"

#include "harness/statistics.h"
#include "models/formats/error.h"
#include "models/formats/gguf.h"
#include "models/formats/sha256.h"

namespace replicate {
namespace {

/// The encoding that holds most of the weights.
std::string main_quantization(const GgufFile& file) {
  std::map<std::string, int64_t> elements;
  for (const auto& tensor : file.tensors()) elements[std::string(type_name(tensor.type))] += tensor.elements();
  std::string most;
  for (const auto& [name, count] : elements) {
    if (most.empty() || count > elements[most]) most = name;
  }
  return most;
}

std::string verified_sha256(const ModelSettings& settings) {
  const auto actual = sha256_file(settings.file);
  if (settings.sha256 && *settings.sha256 != actual) {
    throw Error("the model file is not the one that its settings pin (sha256 " + actual + ")",
                settings.file.string(), "run scripts/setup again, or name the file itself with --model");
  }
  return actual;
}

ModelRecord record_of(const ModelSettings& settings, const GgufFile& file, const ModelConfig& c) {
  return {.name = settings.name,
          .sha256 = verified_sha256(settings),
          .architecture = c.architecture,
          .quantization = settings.reinitialised ? "none" : main_quantization(file),
          .parameters = parameters(c),
          .layers = c.layers,
          .width = c.width,
          .heads = c.heads,
          .kv_heads = c.kv_heads,
          .vocabulary = c.vocabulary,
          .reinitialised = settings.reinitialised};
}

}  // namespace

LoadedModel load_model(const ModelSettings& settings, uint64_t seed, at::Device device) {
  if (!std::filesystem::exists(settings.file)) {
    throw Error("the model file does not exist", settings.file.string(),
                "run scripts/setup, or name another file with --model");
  }
  const auto file = std::make_shared<const GgufFile>(GgufFile::open(settings.file));
  const auto config = config_from_gguf(*file, settings.file.string());
  const auto fresh = [=](const std::string& purpose) {
    return random_weights(config, derive_seed(seed, purpose), device);
  };
  const auto null_model = [=, name = settings.name](const std::string& purpose) {
    return std::make_shared<const Model>(Model{name + " (null)", config, fresh(purpose)});
  };
  const auto stored = gguf_weights(file, config, device);  // checks every tensor, for the null model too
  LoadedModel loaded;
  loaded.record = record_of(settings, *file, config);
  loaded.tokenizer = std::make_shared<const Tokenizer>(Tokenizer::from_gguf(*file));
  loaded.model = std::make_shared<const Model>(
      Model{settings.name, config, settings.reinitialised ? fresh("reinitialised") : stored});
  loaded.null_model = null_model("null");
  loaded.reinitialised = [=](uint64_t number) { return null_model("null/" + std::to_string(number)); };
  return loaded;
}

}  // namespace replicate
