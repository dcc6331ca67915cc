// Every architecture against `transformers` on the same weights and token ids: tests/reference/make_architectures.py
// made the models and what is expected of them, and contains none of this project's code.

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "base/run_folder.h"
#include "harness/study/measures/sink_probes.h"
#include "models/core/cast_weights.h"
#include "models/core/stored_model.h"
#include "models/core/stored_weights.h"
#include "models/core/watch.h"
#include "models/formats/description.h"
#include "models/formats/gguf.h"
#include "models/formats/safetensors.h"
#include "tests/support/assets.h"
#include "tests/support/expect_error.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/small_file.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

std::filesystem::path golden() { return source_folder() / "tests/golden/architectures"; }

Tensor floats(const SafetensorsFile& file, const char* name) {
  const auto& stored = file.tensor(name);
  auto tensor = at::empty(stored.shape, at::kFloat);
  decode_floats(stored, tensor.mutable_data_ptr<float>());
  return tensor;
}

Tensor ids_of(const SafetensorsFile& file) {
  const auto& stored = file.tensor("ids");
  auto tensor = at::empty(stored.shape, at::kLong);
  std::memcpy(tensor.mutable_data_ptr<int64_t>(), stored.bytes.data(), stored.bytes.size());
  return tensor;
}

double relative_difference(const Tensor& ours, const Tensor& expected) {
  EXPECT_EQ(ours.sizes(), expected.sizes());
  return ((ours - expected).abs() / expected.abs().max()).max().item<double>();
}

Tensor everything(const Tensor& x) { return x; }

/// Residual stream and attention of `model` against the library's, all heads, and the logits where it has a head.
void expect_as_transformers(const std::shared_ptr<const Model>& model, const std::filesystem::path& folder) {
  const auto expected = SafetensorsFile::open(folder / "expected.safetensors");
  const auto logits = watch(Site::logits, everything), residual = watch(Site::block_output, everything);
  const auto attention = watch_attention({.columns = {0}}, [](const AttentionStatistics& s) { return s.column(0); });
  const auto tokens = make_tokens(ids_of(expected));
  Lane lane{model, tokens, {}, {residual, attention}};
  if (model->config.has_head) lane.probes.push_back(logits);
  ASSERT_TRUE(run({lane}, {}));
  const auto layers = model->config.layers;
  if (model->config.has_head) {
    EXPECT_LT(relative_difference(logits->layer(layers + 1), floats(expected, "logits").to(at::kDouble)), 1e-5);
  }
  const auto streams = residual->layers().slice(1, 0, layers - 1).transpose(0, 1);
  EXPECT_LT(relative_difference(streams, floats(expected, "residual").to(at::kDouble)), 1e-5);
  const auto columns = attention->layers().transpose(0, 1);
  EXPECT_LT(relative_difference(columns, floats(expected, "attention_to_first").to(at::kDouble)), 1e-5);
}

class Architecture : public testing::TestWithParam<std::string> {};

TEST_P(Architecture, ComputesWhatTransformersComputes) {
  const auto folder = golden() / GetParam();
  expect_as_transformers(open_model_folder(folder, GetParam(), at::kCPU), folder);
}

/// Norms, biases and windows of every architecture with products as --dtype has them.
TEST_P(Architecture, ComputesNearlyTheSameInSmallerTypes) {
  const auto folder = golden() / GetParam();
  const auto model = open_model_folder(folder, GetParam(), at::kCPU);
  const auto tokens = make_tokens(ids_of(SafetensorsFile::open(folder / "expected.safetensors")));
  const auto logits_in = [&](at::ScalarType type) {
    const auto logits = watch(Site::logits, [](const Tensor& x) { return x; });
    const Model cast{model->name, model->config, cast_weights(model->weights, type)};
    run({{std::make_shared<const Model>(cast), tokens, {}, {logits}}}, {});
    return logits->layer(model->config.layers + 1);
  };
  const auto exact = logits_in(at::kFloat);
  EXPECT_LT(relative_difference(logits_in(at::kBFloat16), exact), 0.05);
  EXPECT_LT(relative_difference(logits_in(at::kHalf), exact), 0.01);
}

/// The same tensors under other names; those that are renamed to nothing are left out.
void copy_renamed(const std::filesystem::path& from, const std::filesystem::path& to,
                  const std::function<std::string(const std::string&)>& rename) {
  const auto file = SafetensorsFile::open(from / "model.safetensors");
  std::vector<SafetensorsOutput> outputs;
  for (const auto& tensor : file.tensors()) {
    const auto name = rename(tensor.name);
    if (!name.empty()) outputs.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
  }
  write_safetensors(to / "model.safetensors", outputs);
  std::filesystem::copy_file(from / "config.json", to / "config.json");
}

/// As embedding models are published: saved from the model below the head.
class WithoutHead : public testing::TestWithParam<std::string> {
 protected:
  const TemporaryFolder folder_;

  /// Of the model below the head.
  static std::string lower(const std::string& name) { return is_head(name) ? "" : name.substr(name.find('.') + 1); }
  static bool is_head(const std::string& name) { return name == "lm_head.weight" || name == "embed_out.weight"; }
};

TEST_P(WithoutHead, ComputesTheStatesThatTransformersComputes) {
  copy_renamed(golden() / GetParam(), folder_.path(), lower);
  const auto model = open_model_folder(folder_.path(), GetParam(), at::kCPU);
  EXPECT_FALSE(model->config.has_head);
  const auto whole = open_model_folder(golden() / GetParam(), GetParam(), at::kCPU)->config;
  EXPECT_EQ(parameters(whole) - parameters(model->config), whole.vocabulary * whole.width);
  expect_as_transformers(model, golden() / GetParam());
}

TEST_P(WithoutHead, SaysSoWhereLogitsAreWanted) {
  copy_renamed(golden() / GetParam(), folder_.path(), lower);
  const auto model = open_model_folder(folder_.path(), GetParam(), at::kCPU);
  const auto tokens = make_tokens(ids_of(SafetensorsFile::open(golden() / GetParam() / "expected.safetensors")));
  expect_error([&] { run({{model, tokens, {}, {watch(Site::logits, everything)}}}, {}); }, "has no output head");
}

/// The names are those of the causal model, so the head was lost.
TEST_P(WithoutHead, IsADamagedFileUnderTheNamesOfAWholeModel) {
  copy_renamed(golden() / GetParam(), folder_.path(),
               [](const std::string& name) { return is_head(name) ? "" : name; });
  expect_error([&] { open_model_folder(folder_.path(), GetParam(), at::kCPU); }, "is missing");
}

INSTANTIATE_TEST_SUITE_P(Of, WithoutHead,
                         testing::Values("mistral", "qwen3", "olmo2", "phi3", "gpt_neox", "gpt2_untied"),
                         [](const auto& info) { return info.param; });

/// Those of which GGUF can say what the configuration says.
class ArchitectureInGguf : public testing::TestWithParam<std::string> {};

TEST_P(ArchitectureInGguf, ComputesWhatTransformersComputes) {
  const auto folder = golden() / GetParam();
  const auto file = std::make_shared<const GgufFile>(GgufFile::open(folder / "model.gguf"));
  const auto [config, storage] = describe_gguf(*file);
  const auto weights = stored_weights(gguf_store(file), config, storage, at::kCPU);
  expect_as_transformers(std::make_shared<const Model>(Model{GetParam(), config, weights}), folder);
}

INSTANTIATE_TEST_SUITE_P(Of, Architecture,
                         testing::Values("llama2", "llama3", "llama_linear_bias", "mistral", "qwen2", "qwen2_sliding",
                                         "qwen3", "smollm3", "olmo2", "gemma3", "gemma3_six", "phi3", "gpt_neox",
                                         "gpt_neox_serial", "gpt2", "gpt2_untied", "opt"),
                         [](const auto& info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(Of, ArchitectureInGguf,
                         testing::Values("llama2", "llama3", "qwen2", "qwen3", "smollm3", "olmo2", "gemma3",
                                         "gemma3_six", "phi3", "gpt2"),
                         [](const auto& info) { return info.param; });

// ---- config.json ------------------------------------------------------------------------------------

std::string config_json(const std::string& more) {
  return R"({"num_hidden_layers": 6, "hidden_size": 24, "num_attention_heads": 4, "intermediate_size": 32, "vocab_size": 40)" +
         (more.empty() ? "" : ", " + more) + "}";
}

ModelConfig described(const std::string& more) { return describe_config_json(config_json(more), "config.json").config; }

TEST(ConfigJson, OldFilesSayRopeScalingAtTheTop) {
  const auto llama =
      described(R"("model_type": "llama", "rope_theta": 500, "head_dim": 8, "rope_scaling": {"rope_type": "llama3",
    "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 16})");
  const auto folder = open_model_folder(golden() / "llama3", "new", at::kCPU);
  EXPECT_EQ(llama.rope, folder->config.rope);
  EXPECT_EQ(llama.rope.divisors.size(), 4u);
  const auto linear = described(R"("model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4})");
  EXPECT_EQ(linear.rope.divisors, std::vector<double>(3, 4));
}

TEST(ConfigJson, OldGemmaHasAPattern) {
  const auto gemma =
      described(R"("model_type": "gemma3_text", "head_dim": 8, "sliding_window": 4, "sliding_window_pattern": 3,
    "rope_theta": 1000000, "rope_local_base_freq": 5000)");
  EXPECT_EQ(gemma.sliding, (std::vector<bool>{true, true, false, true, true, false}));
  EXPECT_EQ(gemma.rope_of(3)->theta, 1e6);
  EXPECT_EQ(gemma.rope_of(1)->theta, 5000);
  EXPECT_EQ(gemma.window_of(3), std::nullopt);
  EXPECT_EQ(gemma.window_of(4), 4);
}

TEST(ConfigJson, GemmaThatSeesImagesHasItsTextModelInside) {
  const auto text = R"({"model_type": "gemma3", "text_config": )" + config_json(R"("sliding_window": 4)") + "}";
  const auto gemma = describe_config_json(text, "config.json");
  EXPECT_EQ(gemma.config.norm_placement, NormPlacement::around);
  EXPECT_EQ(gemma.config.head_width, 256);
  EXPECT_FALSE(gemma.storage.others.empty());
}

/// As google/gemma-3-4b-it has it: what is as the library assumes is left out.
TEST(ConfigJson, GemmaThatSeesImagesLeavesSizesOut) {
  const auto gemma =
      describe_config_json(R"({"model_type": "gemma3", "text_config": {"hidden_size": 2560, "intermediate_size": 10240,
    "model_type": "gemma3_text", "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    "sliding_window": 1024}})",
                           "config.json")
          .config;
  EXPECT_EQ(gemma.heads, 8);
  EXPECT_EQ(gemma.kv_heads, 4);
  EXPECT_EQ(gemma.head_width, 256);
  EXPECT_EQ(gemma.vocabulary, 262208);
  EXPECT_TRUE(gemma.begins_with_bos);
  EXPECT_EQ(gemma.rope_of(6)->divisors.front(), 8);
  EXPECT_EQ(gemma.rope_of(6)->theta, 1e6);
  EXPECT_TRUE(gemma.rope_of(5)->divisors.empty());
  EXPECT_EQ(gemma.rope_of(5)->theta, 10000);
}

TEST(ConfigJson, WhatIsLeftOutIsAsTheLibraryHasIt) {
  expect_error([] { described(R"("model_type": "mistral")"); },
               "key/value heads do not divide");  // 8 of them, and 4 heads
  EXPECT_EQ(described(R"("model_type": "mistral", "num_key_value_heads": null)").kv_heads, 4);
  EXPECT_EQ(described(R"("model_type": "mistral", "num_key_value_heads": 2)").window_of(1), 4096);
  EXPECT_EQ(described(R"("model_type": "mistral", "num_key_value_heads": 2, "sliding_window": null)").window_of(1),
            std::nullopt);
  EXPECT_EQ(described(R"("model_type": "llama")").kv_heads, 4);
}

TEST(ConfigJson, SmolLM3SlidesWhereItDoesNotRotate) {
  const auto c = described(
      R"("model_type": "smollm3", "use_sliding_window": true, "sliding_window": 8, "no_rope_layers": [1, 0, 1, 1, 0, 1])");
  EXPECT_EQ(c.sliding, (std::vector<bool>{false, true, false, false, true, false}));
  EXPECT_EQ(c.rope_of(2), std::nullopt);
}

TEST(ConfigJson, WhatIsNotAppliedIsRefused) {
  const auto refuses = [](const std::string& more, const char* what) {
    expect_error([&] { described(R"("model_type": "llama", )" + more); }, what);
  };
  refuses(R"("rope_scaling": {"rope_type": "yarn", "factor": 4})", "RoPE scaling 'yarn' is not supported");
  refuses(R"("mlp_bias": true)", "mlp_bias");
  refuses(R"("hidden_act": "relu2")", "activation 'relu2'");
  refuses(R"("quantization_config": {"bits": 4})", "quantization_config");
  refuses(R"("is_causal": false)", "attention to later tokens");
  refuses(R"("head_dim": 1000000000)", "head width");
  refuses(R"("head_dim": 7)", "odd");
  refuses(R"("num_key_value_heads": 3)", "divide");
  refuses(R"("num_key_value_heads": 0)", "key/value heads is 0");
  refuses(R"("rms_norm_eps": "small")", "cannot be read");
  expect_error([] { described(R"("model_type": "phi3", "partial_rotary_factor": 0.1)"); }, "partial_rotary_factor 0.1");
  expect_error([] { described(R"("model_type": "phi3", "partial_rotary_factor": 0.5)"); }, "RoPE turns no whole pairs");
  refuses(R"("rope_scaling": "yarn")", "RoPE scaling that is not an object");
  expect_error([] { described(R"("model_type": "smollm3", "no_rope_layers": [1e300, 1, 1, 1, 1, 1])"); },
               "no_rope_layers");
  expect_error([] { described(R"("model_type": "gemma3_text", "sliding_window": null)"); }, "without a sliding window");
  expect_error(
      [] {
        described(
            R"("model_type": "mistral", "num_key_value_heads": 2, "layer_types": ["linear", "", "", "", "", ""])");
      },
      "'linear'");
  expect_error([&] { described(R"("model_type": "mamba")"); }, "'mamba' is not supported");
  auto deep = config_json(R"("model_type": "llama")");
  deep.replace(deep.find(": 6,"), 4, ": 586478,");
  expect_error([&] { describe_config_json(deep, "config.json"); }, "the number of layers is 586478");
  expect_error(
      [&] {
        describe_config_json(R"({"model_type": "gemma3", "quantization_config": {}, "text_config": {}})",
                             "config.json");
      },
      "quantization_config");
  expect_error([&] { describe_config_json("[1]", "config.json"); }, "config.json");
  expect_error([&] { describe_config_json(R"({"model_type": "mistral"})", "config.json"); }, "num_hidden_layers");
}

// ---- GPT-2 and OPT ----------------------------------------------------------------------------------

ModelConfig gpt2(const std::string& more = "") {
  return describe_config_json(
             R"({"model_type": "gpt2", "n_layer": 2, "n_embd": 24)" + (more.empty() ? "" : ", " + more) + "}",
             "config.json")
      .config;
}

ModelConfig opt(const std::string& more = "") {
  return describe_config_json(R"({"model_type": "opt", "num_hidden_layers": 2, "hidden_size": 24,
      "num_attention_heads": 4, "ffn_dim": 32)" +
                                  (more.empty() ? "" : ", " + more) + "}",
                              "config.json")
      .config;
}

TEST(ConfigJson, Gpt2AndOptHaveKeysOfTheirOwn) {
  const auto small = gpt2();
  EXPECT_EQ(small.hidden, 96);  // four times the width
  EXPECT_EQ(small.learned_positions, 1024);
  EXPECT_EQ(small.vocabulary, 50257);
  EXPECT_EQ(small.activation, Activation::gelu_tanh);
  EXPECT_TRUE(small.tied_head);
  EXPECT_FALSE(small.rotates());
  EXPECT_EQ(gpt2(R"("n_inner": null)").hidden, 96);
  EXPECT_EQ(gpt2(R"("n_inner": 40, "n_positions": 64, "activation_function": "relu")").hidden, 40);
  EXPECT_EQ(gpt2(R"("n_head": 8)").head_width, 3);  // nothing needs pairs
  EXPECT_EQ(opt().hidden, 32);
  EXPECT_EQ(opt().learned_positions, 2048);
  EXPECT_EQ(opt().activation, Activation::relu);
  EXPECT_EQ(opt(R"("activation_function": "gelu")").activation, Activation::gelu);
}

TEST(ConfigJson, WhatChangesTheNumbersOfGpt2AndOptIsRefused) {
  struct Case {
    ModelConfig (*model)(const std::string&);
    const char *more, *message;
  };
  for (const auto& [model, more, message] :
       {Case{gpt2, R"("scale_attn_weights": false)", "scale_attn_weights"},
        Case{gpt2, R"("scale_attn_by_inverse_layer_idx": true)", "scale_attn_by_inverse_layer_idx"},
        Case{gpt2, R"("add_cross_attention": true)", "add_cross_attention"},
        Case{gpt2, R"("activation_function": "tanh")", "activation 'tanh'"},
        Case{gpt2, R"("hidden_size": 32)", "n_embd and hidden_size contradict"},
        Case{gpt2, R"("n_positions": 0)", "max_position_embeddings is 0"},
        Case{gpt2, R"("n_positions": 1e300)", "not a whole number"},
        Case{gpt2, R"("n_positions": 9000000000000000000)", "positions is out of range"},
        Case{gpt2, R"("n_layer": 4000000)", "n_layer"},
        Case{opt, R"("do_layer_norm_before": false)", "do_layer_norm_before"},
        Case{opt, R"("word_embed_proj_dim": 12)", "word_embed_proj_dim"},
        Case{opt, R"("enable_bias": false)", "enable_bias"},
        Case{opt, R"("layer_norm_elementwise_affine": false)", "layer_norm_elementwise_affine"},
        Case{opt, R"("_remove_final_layer_norm": true)", "_remove_final_layer_norm"},
        Case{opt, R"("max_position_embeddings": -1)", "max_position_embeddings is -1"}})
    expect_error([&, model = model, more = more] { model(more); }, message);
  expect_error([] { describe_config_json(R"({"model_type": "gpt2", "n_embd": 9000000000000000000})", "config.json"); },
               "the model width is 9000000000000000000");
}

/// Positions beyond the table would be anything.
class LearnedPositions : public testing::TestWithParam<std::string> {};

TEST_P(LearnedPositions, AreAsManyAsTheTableHas) {
  const auto model = open_model_folder(golden() / GetParam(), GetParam(), at::kCPU);
  EXPECT_EQ(model->config.learned_positions, 16);
  const auto residual = watch(Site::block_input, everything);
  const auto fresh = random_weights(model->config, 1, at::kCPU);
  const auto null = std::make_shared<const Model>(Model{"null", model->config, fresh});
  for (const auto& one : {model, null}) {
    const auto of = [&](int64_t length) { return make_tokens(at::ones({2, length}, at::kLong)); };
    ASSERT_TRUE(run({{one, of(16), {}, {residual}}}, {}));
    expect_error([&] { run({{one, of(17), {}, {residual}}}, {}); }, "longer than the 16 positions");
    const auto embedded = one->weights->embed(of(16)->ids);
    EXPECT_GT((embedded[0][0] - embedded[0][1]).abs().max().item<double>(), 1e-3);  // the same token elsewhere
    EXPECT_TRUE(at::equal(one->weights->embed(of(3)->ids), embedded.slice(1, 0, 3)));
  }
}

INSTANTIATE_TEST_SUITE_P(Of, LearnedPositions, testing::Values("gpt2", "opt"),
                         [](const auto& info) { return info.param; });

/// Old files carry the mask as a tensor; published ones of GPT-2 have no prefix.
TEST(Gpt2, IsReadUnderThePublishedNamesAndWithItsMask) {
  const TemporaryFolder folder;
  copy_renamed(golden() / "gpt2", folder.path(),
               [](const std::string& name) { return name.substr(name.find('.') + 1); });
  expect_as_transformers(open_model_folder(folder.path(), "gpt2", at::kCPU), golden() / "gpt2");
  const auto file = SafetensorsFile::open(golden() / "gpt2/model.safetensors");
  std::vector<SafetensorsOutput> outputs;
  for (const auto& tensor : file.tensors()) outputs.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
  const auto& mask = file.tensor("transformer.h.0.ln_1.bias");
  outputs.push_back({"transformer.h.0.attn.bias", mask.dtype, mask.shape, mask.bytes});
  outputs.push_back({"transformer.h.1.attn.masked_bias", mask.dtype, mask.shape, mask.bytes});
  write_safetensors(folder / "model.safetensors", outputs);
  expect_as_transformers(open_model_folder(folder.path(), "gpt2", at::kCPU), golden() / "gpt2");
  outputs.push_back({"transformer.h.1.attn.other", mask.dtype, mask.shape, mask.bytes});
  write_safetensors(folder / "model.safetensors", outputs);
  expect_error([&] { open_model_folder(folder.path(), "gpt2", at::kCPU); }, "attn.other");
}

/// A tensor that other architectures have, and this one's configuration has not, would be left out without a word.
TEST(StoredWeights, ATensorOfAnotherArchitectureIsRefused) {
  const TemporaryFolder folder;
  for (const std::string name :
       {"output_norm.bias", "position_embd.weight", "blk.0.attn_norm.bias", "blk.1.ffn_up.bias"}) {
    auto file = small_file();
    file.tensor(name, {kSmallWidth}, std::vector<float>(kSmallWidth, 1)).write(folder / "small.gguf");
    const auto opened = std::make_shared<const GgufFile>(GgufFile::open(folder / "small.gguf"));
    const auto [config, storage] = describe_gguf(*opened);
    expect_error(
        [&, &config = config, &storage = storage] { stored_weights(gguf_store(opened), config, storage, at::kCPU); },
        "'" + name + "' is not part of the llama architecture");
  }
}

// ---- GGUF's metadata --------------------------------------------------------------------------------

/// A model of six layers with what `more` adds.
ModelConfig described_gguf(const std::string& architecture,
                           const std::function<void(GgufWriter&, const std::string& prefix)>& more,
                           int64_t vocabulary = 40) {
  GgufWriter writer;
  const auto prefix = architecture + ".";
  writer.text("general.architecture", architecture)
      .integer(prefix + "block_count", 6)
      .integer(prefix + "embedding_length", 2);
  writer.integer(prefix + "attention.head_count", 1).integer(prefix + "feed_forward_length", 2);
  writer.real(prefix + "attention.layer_norm_rms_epsilon", 1e-6f);
  more(writer, prefix);
  const std::vector<float> zeros(static_cast<size_t>(2 * vocabulary));
  const auto bytes = writer.tensor("token_embd.weight", {vocabulary, 2}, zeros).bytes();
  return describe_gguf(GgufFile::parse(bytes, "test.gguf")).config;
}

TEST(GgufMetadata, GemmaSaysWhichLayersHaveAWindow) {
  const auto gemma = [](const std::function<void(GgufWriter&)>& pattern) {
    return described_gguf("gemma3", [&](GgufWriter& writer, const std::string& prefix) {
      writer.integer(prefix + "attention.sliding_window", 4).real(prefix + "rope.freq_base", 1e6f);
      pattern(writer);
    });
  };
  const auto flags = [](std::vector<uint8_t> layers) {  // as Ollama's converter writes them
    return [layers](GgufWriter& writer) {
      ByteWriter list;
      list.number(uint32_t{7}).number(static_cast<uint64_t>(layers.size())).raw(std::as_bytes(std::span(layers)));
      writer.raw_value("gemma3.attention.sliding_window_pattern", 9, list.bytes());
    };
  };
  const auto every_third = [](GgufWriter& writer) { writer.integer("gemma3.attention.sliding_window_pattern", 3); };
  EXPECT_EQ(gemma([](GgufWriter&) {}).sliding, (std::vector<bool>{true, true, true, true, true, false}));
  EXPECT_EQ(gemma(every_third).sliding, (std::vector<bool>{true, true, false, true, true, false}));
  EXPECT_EQ(gemma(flags({1, 1, 0, 1, 1, 0})).sliding, gemma(every_third).sliding);
  expect_error([&] { gemma(flags({1, 0})); }, "2 windows for 6 layers");
}

TEST(GgufMetadata, GemmaNamesTheBaseOfItsRope) {
  const auto window = [](GgufWriter& writer, const std::string& prefix) {
    writer.integer(prefix + "attention.sliding_window", 4);
  };
  expect_error([&] { described_gguf("gemma3", window); }, "'gemma3.rope.freq_base' is missing");
}

TEST(GgufMetadata, AttentionToLaterTokensIsRefused) {
  const auto causal = [](bool value) {
    return
        [value](GgufWriter& writer, const std::string& prefix) { writer.boolean(prefix + "attention.causal", value); };
  };
  EXPECT_EQ(described_gguf("qwen3", causal(true)).layers, 6);
  expect_error([&] { described_gguf("qwen3", causal(false)); }, "attention to later tokens");
}

TEST(GgufMetadata, LaterLlamasNeedTheirTable) {
  const auto context = [](int64_t length) {
    return [length](GgufWriter& writer, const std::string& prefix) {
      writer.integer(prefix + "context_length", length).real(prefix + "rope.freq_base", 500000);
    };
  };
  EXPECT_EQ(described_gguf("llama", context(8192), 128256).rope.theta, 500000);  // Llama 3
  expect_error([&] { described_gguf("llama", context(131072), 128256); }, "without rope_freqs.weight");
}

TEST(GgufMetadata, Gpt2NeedsPositions) {
  for (const int64_t length : {0, -1}) {
    const auto context = [&](GgufWriter& writer, const std::string& prefix) {
      writer.integer(prefix + "context_length", length).real(prefix + "attention.layer_norm_epsilon", 1e-5f);
    };
    expect_error([&] { described_gguf("gpt2", context); }, "context_length " + std::to_string(length));
  }
}

/// All bytes, NaN where the library has it.
TEST(Safetensors, EightBitNumbersAreThoseOfPyTorch) {
  const auto bytes = at::arange(256, at::kByte);
  for (const auto& [ours, theirs] :
       {std::pair{Dtype::f8_e4m3, at::kFloat8_e4m3fn}, std::pair{Dtype::f8_e5m2, at::kFloat8_e5m2}}) {
    const SafetensorsTensor tensor{"a", ours, {256}, std::as_bytes(std::span(bytes.const_data_ptr<uint8_t>(), 256))};
    auto decoded = at::empty(256);
    decode_floats(tensor, decoded.mutable_data_ptr<float>());
    EXPECT_TRUE(at::allclose(decoded, bytes.view(theirs).to(at::kFloat), 0, 0, true)) << dtype_name(ours);
  }
}

/// The library leaves these out where the architecture has no such thing; other programs apply them.
TEST(ConfigJson, AKeyOfAnotherArchitectureIsRefusedUnlessItChangesNothing) {
  struct Case {
    const char *key, *refused, *taken;
  };
  for (const auto& [key, refused, taken] :
       {Case{"partial_rotary_factor", "0.5", "1.0"}, Case{"rotary_pct", "0.25", "1"},
        Case{"embedding_multiplier", "12.0", "1.0"}, Case{"residual_multiplier", "0.22", "1.0"},
        Case{"attention_multiplier", "0.0078", "null"}, Case{"logits_scaling", "8", "1"},
        Case{"logit_scale", "0.0625", "1.0"}, Case{"clip_qkv", "8.0", "null"}, Case{"alibi", "true", "false"},
        Case{"qk_layernorm", "true", "false"}, Case{"use_parallel_residual", "true", "false"},
        Case{"rotary_dim", "64", "null"}, Case{"num_local_experts", "8", "0"},
        Case{"rope_interleaved", "true", "false"}, Case{"embedding_multiplier", "Infinity", "1"},
        Case{"scale_emb", "12", "1"}}) {
    const auto with = [&](const char* value) {
      return R"("model_type": "llama", ")" + std::string(key) + "\": " + value;
    };
    expect_error([&] { described(with(refused)); }, std::string(key) + " is a key that llama does not read");
    EXPECT_EQ(described(with(taken)).layers, 6) << key;
  }
  const std::string inside =
      R"("model_type": "qwen2", "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5})";
  expect_error([&] { described(inside); }, "partial_rotary_factor");
  EXPECT_EQ(described(R"("model_type": "phi3", "head_dim": 8, "partial_rotary_factor": 0.5)").rope.width, 4);
}

TEST(ConfigJson, TwoKeysForOneThingMustAgree) {
  for (
      const std::string contradiction :
      {R"("rope_scaling": {"rope_type": "linear", "factor": 4}, "rope_parameters": {"rope_type": "default"})",
       R"("rope_scaling": {"rope_type": "linear", "factor": 4}, "rope_parameters": {"rope_type": "linear", "factor": 8})",
       R"("rope_scaling": {"type": "linear", "rope_type": "default", "factor": 4})",
       R"("rope_theta": 500, "rope_parameters": {"rope_type": "default", "rope_theta": 10000})"})
    expect_error([&] { described(R"("model_type": "llama", )" + contradiction); }, "contradict each other");
  EXPECT_EQ(
      described(R"("model_type": "llama", "rope_theta": 500, "rope_parameters": {"rope_theta": 500.0})").rope.theta,
      500);
  // As SmolLM 3 is saved by transformers 5, with another base than the one that the library assumes.
  EXPECT_EQ(
      described(
          R"("model_type": "smollm3", "num_key_value_heads": 2, "rope_parameters": {"rope_theta": 5000000.0, "rope_type": "default"})")
          .rope.theta,
      5e6);
  // For old and new versions of the library in one file.
  EXPECT_EQ(described(R"("model_type": "llama", "rope_theta": 500, "rope_scaling": {"rope_type": "linear", "factor": 4},
      "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 500})")
                .rope.theta,
            500);
  expect_error([] { described(R"("model_type": "smollm3", "no_rope_layers": [1, 1, 1, 0])"); },
               "no_rope_layers has 4 items for 6 layers");
}

/// Python writes NaN and Infinity, and the library reads them.
TEST(ConfigJson, NumbersOfPythonMatterOnlyWhereTheyAreRead) {
  EXPECT_EQ(
      described(R"("model_type": "llama", "time_step_limit": [0.0, Infinity], "x": NaN, "y": {"z": -Infinity})").layers,
      6);
  EXPECT_EQ(described(R"("model_type": "llama", "said": "NaN and \"Infinity\"", "\\": 1)").layers, 6);
  for (const std::string read : {R"("rope_theta": Infinity)", R"("rms_norm_eps": NaN)", R"("head_dim": -Infinity)",
                                 R"("num_key_value_heads": NaN)"})
    expect_error([&] { described(R"("model_type": "llama", )" + read); }, "config.json");
  expect_error([] { described(R"("model_type": "llama", "x": nan)"); }, "malformed JSON");
}

TEST(ConfigJson, AQuantisedModelIsCalledSo) {
  for (const std::string method : {"gptq", "awq", "fp8", "bitsandbytes"})
    expect_error(
        [&] { described(R"("model_type": "llama", "quantization_config": {"quant_method": ")" + method + "\"}"); },
        "a quantised model (quantization_config: '" + method + "')");
}

// ---- folders ----------------------------------------------------------------------------------------

class ModelFolder : public testing::Test {
 protected:
  ModelFolder() { std::filesystem::copy(golden() / "llama2", folder_.path() / "m"); }
  std::filesystem::path model() const { return folder_.path() / "m"; }
  void expect_refused(const char* why) const {
    expect_error([&] { open_model_folder(model(), "m", at::kCPU); }, why);
  }
  TemporaryFolder folder_;
};

TEST_F(ModelFolder, AMissingPartIsNamed) {
  std::filesystem::remove(model() / "model-00002-of-00002.safetensors");
  expect_refused("'model-00002-of-00002.safetensors', which is not in the folder");
}

TEST_F(ModelFolder, AnIndexThatPointsOutsideIsRefused) {
  std::ofstream(model() / "model.safetensors.index.json") << R"({"weight_map": {"a": "../m/config.json"}})";
  expect_refused("not a file beside it");
  std::ofstream(model() / "model.safetensors.index.json")
      << R"({"weight_map": {"a": ")" << std::string(300, 'x') << "\"}}";
  expect_refused("not a file beside it");
  std::ofstream(model() / "model.safetensors.index.json") << R"({"weight_map": {"a": "x\ny"}})";
  expect_refused("'x?y', which is not in the folder");
  std::ofstream(model() / "model.safetensors.index.json") << R"({"weight_map": 3})";
  expect_refused("index of the weights");
}

TEST_F(ModelFolder, PicklesAreNeverRead) {
  for (const auto& entry : std::filesystem::directory_iterator(golden() / "llama2")) {
    if (entry.path().filename() != "config.json") std::filesystem::remove(model() / entry.path().filename());
  }
  std::ofstream(model() / "pytorch_model.bin") << "x";
  expect_refused("convert pytorch_model.bin");
}

/// As embedding models of Qwen 3 are published: tensors are called layers.0... without model. before it.
TEST_F(ModelFolder, AModelThatWasSavedWithoutItsHeadIsRead) {
  std::filesystem::remove_all(model());
  std::filesystem::copy(golden() / "qwen3", model());
  const auto weights = model() / "model.safetensors";
  auto bytes = read_text(weights);
  const auto header_end = bytes.find("}}") + 2;
  auto header = bytes.substr(8, header_end - 8);
  const std::string front = "model.";
  for (auto at = header.find(front); at != std::string::npos; at = header.find(front)) header.erase(at, front.size());
  header.resize(header_end - 8, ' ');
  std::ofstream(weights, std::ios::binary) << bytes.substr(0, 8) << header << bytes.substr(header_end);
  const auto headless = open_model_folder(model(), "qwen3", at::kCPU);
  const auto whole = open_model_folder(golden() / "qwen3", "qwen3", at::kCPU);
  EXPECT_TRUE(at::equal(headless->weights->final_norm(), whole->weights->final_norm()));
}

/// Renames tensors in a safetensors file, to names that are not longer.
void rename_tensors(const std::filesystem::path& file, const std::string& from, const std::string& to) {
  auto bytes = read_text(file);
  const auto end = bytes.find("}}") + 2;
  auto header = bytes.substr(8, end - 8);
  for (auto at = header.find(from); at != std::string::npos; at = header.find(from, at + to.size()))
    header.replace(at, from.size(), to);
  ASSERT_LE(header.size(), end - 8);
  header.resize(end - 8, ' ');
  std::ofstream(file, std::ios::binary) << bytes.substr(0, 8) << header << bytes.substr(end);
}

TEST_F(ModelFolder, TensorsUnderOtherNamesSayWhatTheFileIs) {
  struct Case {
    std::string from, to, what;
  };
  for (const auto& [from, to, what] : {Case{"\"model.norm.weight", "\"score.weight", "a classifier"},
                                       Case{"self_attn.q_proj.weight", "self_attn.q_p.qweight", "GPTQ or AWQ"},
                                       Case{"\"model.layers.", "\"module.l.", "DistributedDataParallel"},
                                       Case{"mlp.up_proj.weight", "m.u.lora_A.weight", "an adapter"},
                                       Case{"\"model.layers.", "\"encoder.", "encoder"}}) {
    std::filesystem::remove_all(model());
    std::filesystem::copy(golden() / "qwen3", model());
    rename_tensors(model() / "model.safetensors", from, to);
    expect_refused(what.c_str());
  }
}

/// The library ties them only where they are equal.
TEST_F(ModelFolder, AHeadOfItsOwnBesideATieIsRefused) {
  const auto tie = [&](const char* folder) {
    std::filesystem::remove_all(model());
    std::filesystem::copy(golden() / folder, model());
    auto config = read_text(model() / "config.json");
    const std::string flag = "\"tie_word_embeddings\": false";
    ASSERT_NE(config.find(flag), std::string::npos) << folder;
    std::ofstream(model() / "config.json")
        << config.replace(config.find(flag), flag.size(), "\"tie_word_embeddings\": true");
    expect_refused("lm_head.weight differs from model.embed_tokens.weight");
  };
  for (const char* folder : {"llama2", "olmo2"}) tie(folder);
}

TEST_F(ModelFolder, ABiasThatTheConfigurationDoesNotKnowIsRefused) {
  std::filesystem::remove_all(model());
  std::filesystem::copy(golden() / "llama_linear_bias", model());
  auto config = read_text(model() / "config.json");
  const std::string flag = "\"attention_bias\": true";
  std::ofstream(model() / "config.json") << config.replace(config.find(flag), flag.size(), "\"attention_bias\": false");
  expect_refused("bias' is not part of the llama architecture");
}

}  // namespace
}  // namespace replicate
