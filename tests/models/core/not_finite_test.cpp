// What is not finite is an error that names its tensor or its layer, whatever made it so: a weight in a file, a patch,
// or a type that is too small.

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "models/core/cast_weights.h"
#include "models/core/stored_weights.h"
#include "models/core/watch.h"
#include "models/formats/gguf.h"
#include "models/formats/safetensors.h"
#include "tests/support/expect_error.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN(),
                kEndless = std::numeric_limits<float>::infinity();

// ---- weights in files -------------------------------------------------------------------------------

using Bytes = std::vector<uint8_t>;
using Shapes = std::map<std::string, std::vector<int64_t>>;

/// One layer, of rows that hold a whole block of every type, with every weight that a description may add to Llama's.
ModelConfig one_layer() {
  ModelConfig config;
  config.layers = 1;
  config.width = config.hidden = 256;
  config.heads = config.kv_heads = 4;
  config.head_width = 64;
  config.vocabulary = 8;
  config.tied_head = false;
  config.qkv_bias = true;
  config.query_key_norm = QueryKeyNorm::head;
  return config;
}

/// GPT-NeoX: LayerNorm, biases, an FFN without a gate, and Q, K and V in one tensor.
ModelConfig neox_layer() {
  auto config = one_layer();
  config.query_key_norm = QueryKeyNorm::none;
  config.layer_norm = config.ffn_bias = config.output_bias = true;
  config.gated_ffn = false;
  return config;
}

/// Every tensor of a model of one layer.
Shapes shapes_of(const ModelConfig& config, const Storage& storage) {
  Shapes shapes;
  for (const auto& stored : stored_block(config, storage, 1)) {
    shapes[stored.tensor] = stored.shape;
    shapes[stored.tensor].front() = stored.tensor_rows;
  }
  const auto names = outer_names(storage);
  shapes[names.embedding] = shapes[names.head] = {config.vocabulary, config.width};
  shapes[names.final_norm] = {config.width};
  if (config.layer_norm) shapes[names.final_norm_bias] = {config.width};
  return shapes;
}

int64_t elements(const std::vector<int64_t>& shape) { return c10::multiply_integers(shape); }

/// Bytes that stand in a tensor from an offset on, in place of zeros.
struct Spoilt {
  std::string tensor;
  size_t offset;
  Bytes bytes;
};

void spoil(std::span<std::byte> tensor, const Spoilt& by) {
  std::memcpy(tensor.data() + by.offset, by.bytes.data(), by.bytes.size());
}

/// A file of zeros in one type, vectors in float32, and its spoilt tensor.
std::shared_ptr<WeightSource> gguf_weights(const std::filesystem::path& path, const ModelConfig& config,
                                           TensorType type, const Spoilt& by) {
  Storage storage;
  storage.names = Storage::Names::gguf;
  GgufWriter writer;
  for (const auto& [name, shape] : shapes_of(config, storage)) {
    writer.tensor(name, shape, std::vector<float>(elements(shape)), shape.size() == 1 ? TensorType::f32 : type);
  }
  auto bytes = writer.bytes();
  const auto at = GgufFile::parse(bytes, "zeros").tensor(by.tensor).bytes;
  spoil(std::span(bytes).subspan(at.data() - bytes.data(), at.size()), by);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return stored_weights(gguf_store(std::make_shared<const GgufFile>(GgufFile::open(path))), config, storage, at::kCPU);
}

/// The same as safetensors.
std::shared_ptr<WeightSource> safetensors_weights(const std::filesystem::path& folder, const ModelConfig& config,
                                                  const Storage& storage, Dtype dtype, const Spoilt& by) {
  std::map<std::string, std::vector<std::byte>> bytes;
  std::vector<SafetensorsOutput> outputs;
  for (const auto& [name, shape] : shapes_of(config, storage)) {
    auto& zeros = bytes[name];
    zeros.resize(static_cast<size_t>(elements(shape) * dtype_bytes(dtype)));
    if (name == by.tensor) spoil(zeros, by);
    outputs.push_back({name, dtype, shape, zeros});
  }
  write_safetensors(folder / "model.safetensors", outputs);
  return stored_weights(safetensors_store(folder), config, storage, at::kCPU);
}

/// All weights, of two rows of the embedding.
void read(const WeightSource& weights, std::vector<int64_t> ids = {0, 7}) {
  weights.embed(at::tensor(ids, at::kLong).unsqueeze(0));
  weights.block(1);
  weights.final_norm();
  weights.final_norm_bias();
  weights.head();
}

const Bytes kFloatNaN = {0, 0, 0xc0, 0x7f}, kHalfNaN = {0, 0x7e}, kHalfInfinity = {0, 0x7c};

TEST(WeightsThatAreNotFinite, AreNamedInEveryTypeOfGguf) {
  struct Number {
    TensorType type;
    size_t offset;  // in the block: of its scale, or of its minimum
    Bytes bytes;
  };
  const std::vector<Number> numbers = {{TensorType::f32, 0, kFloatNaN},      {TensorType::f32, 0, {0, 0, 0x80, 0xff}},
                                       {TensorType::f16, 0, kHalfNaN},       {TensorType::f16, 0, kHalfInfinity},
                                       {TensorType::bf16, 0, {0xc0, 0x7f}},  {TensorType::q4_0, 0, kHalfNaN},
                                       {TensorType::q4_1, 0, kHalfNaN},      {TensorType::q4_1, 2, kHalfInfinity},
                                       {TensorType::q5_0, 0, kHalfInfinity}, {TensorType::q5_1, 0, kHalfNaN},
                                       {TensorType::q5_1, 2, kHalfNaN},      {TensorType::q8_0, 0, kHalfInfinity},
                                       {TensorType::q2_k, 80, kHalfNaN},     {TensorType::q2_k, 82, kHalfInfinity},
                                       {TensorType::q3_k, 108, kHalfNaN},    {TensorType::q4_k, 0, kHalfNaN},
                                       {TensorType::q4_k, 2, kHalfNaN},      {TensorType::q5_k, 0, kHalfInfinity},
                                       {TensorType::q5_k, 2, kHalfNaN},      {TensorType::q6_k, 208, kHalfNaN}};
  const TemporaryFolder folder;
  for (const auto& [type, offset, bytes] : numbers) {
    SCOPED_TRACE(type_name(type));
    const auto blocks_of_five_rows = static_cast<size_t>(5 * 256 / block_elements(type) * block_bytes(type));
    const auto weights = gguf_weights(folder / "bad.gguf", one_layer(), type,
                                      {"blk.0.ffn_up.weight", blocks_of_five_rows + offset, bytes});
    expect_error([&] { read(*weights); }, "tensor 'blk.0.ffn_up.weight' holds ");
    expect_error([&] { read(*weights); }, " at [5, 0] (" + (folder / "bad.gguf").string() + "): ");
  }
}

TEST(WeightsThatAreNotFinite, AreNamedInEveryTypeOfSafetensors) {
  const std::vector<std::pair<Dtype, Bytes>> numbers = {
      {Dtype::f8_e5m2, {0x7c}},
      {Dtype::f8_e4m3, {0x7f}},
      {Dtype::f16, kHalfInfinity},
      {Dtype::bf16, {0x80, 0xff}},
      {Dtype::f32, kFloatNaN},
      {Dtype::f64, {0, 0, 0, 0, 0, 0, 0xf0, 0x7f}},
      {Dtype::f64, {0, 0, 0, 0, 0, 0, 0, 0x7e}}};  // 5e298: finite, and too large for float32
  const TemporaryFolder folder;
  for (const auto& [dtype, bytes] : numbers) {
    SCOPED_TRACE(dtype_name(dtype));
    const Spoilt by{"model.layers.0.mlp.up_proj.weight", bytes.size() * (5 * 256 + 17), bytes};
    const auto weights = safetensors_weights(folder.path(), one_layer(), {}, dtype, by);
    expect_error([&] { read(*weights); }, "tensor 'model.layers.0.mlp.up_proj.weight' holds ");
    expect_error([&] { read(*weights); }, " at [5, 17] (" + (folder / "model.safetensors").string() + "): ");
  }
}

/// Each tensor in turn holds NaN as its last number.
void expect_each_is_named(const ModelConfig& config, const Storage& storage) {
  const TemporaryFolder folder;
  for (const auto& [name, shape] : shapes_of(config, storage)) {
    const Spoilt by{name, static_cast<size_t>(4 * (elements(shape) - 1)), kFloatNaN};
    const auto place =
        (shape.size() == 2 ? std::to_string(shape.front() - 1) + ", " : "") + std::to_string(shape.back() - 1);
    expect_error(
        [&] {
          if (storage.names == Storage::Names::gguf) {
            read(*gguf_weights(folder / "bad.gguf", config, TensorType::f32, by));
          } else {
            read(*safetensors_weights(folder.path(), config, storage, Dtype::f32, by));
          }
        },
        "tensor '" + name + "' holds NaN at [" + place + "]");
  }
}

TEST(WeightsThatAreNotFinite, AreNamedWhereverTheyStand) {
  Storage gguf, fused, neox;
  gguf.names = Storage::Names::gguf;
  fused.fused = true;
  neox.names = Storage::Names::gpt_neox;
  neox.prefix = "gpt_neox.";
  neox.fused_by_head = true;
  expect_each_is_named(one_layer(), gguf);
  expect_each_is_named(one_layer(), {});
  auto phi = one_layer();
  phi.qkv_bias = false;
  phi.query_key_norm = QueryKeyNorm::none;
  expect_each_is_named(phi, fused);
  expect_each_is_named(neox_layer(), neox);
}

TEST(WeightsThatAreNotFinite, InARowOfTheEmbeddingAreNoErrorOfThoseWhoDoNotReadIt) {
  const TemporaryFolder folder;
  const auto weights = gguf_weights(folder / "bad.gguf", one_layer(), TensorType::f32,
                                    {"token_embd.weight", 4 * (5 * 256 + 3), kFloatNaN});
  EXPECT_NO_THROW(read(*weights, {0, 4, 6, 7}));
  expect_error([&] { read(*weights, {0, 5}); }, "tensor 'token_embd.weight' holds NaN at [5, 3]");
}

// ---- states -----------------------------------------------------------------------------------------

/// The small model with something done to its second layer, or to its embedding.
class Changed : public WeightSource {
 public:
  using ChangeBlock = std::function<void(BlockWeights&)>;
  using ChangeRows = std::function<void(Tensor&)>;
  explicit Changed(ChangeBlock block, ChangeRows rows = {}) : change_(std::move(block)), rows_(std::move(rows)) {}

  BlockWeights block(int64_t layer) const override {
    auto weights = source_->block(layer);
    if (layer == 2 && change_) change_(weights);
    return weights;
  }
  Tensor embed(const Tensor& ids) const override {
    auto rows = source_->embed(ids);
    if (rows_) rows_(rows);
    return rows;
  }
  Tensor final_norm() const override { return source_->final_norm(); }
  Tensor head() const override { return source_->head(); }

 private:
  std::shared_ptr<const WeightSource> source_ = small_model()->weights;
  ChangeBlock change_;
  ChangeRows rows_;
};

std::shared_ptr<const Model> model_of(std::shared_ptr<const WeightSource> weights) {
  return std::make_shared<const Model>(Model{"changed", small_model()->config, std::move(weights)});
}

/// Runs one lane through all layers, with a healthy one beside it, in several batches.
void run_lane(const std::shared_ptr<const Model>& model, std::vector<Patch> patches = {}) {
  const auto tokens = random_tokens(5, 12);
  const auto looks = [] { return watch_residual([](const Tensor& x) { return x; }); };
  run({{model, tokens, {}, {looks()}}, {model, tokens, std::move(patches), {looks()}}}, {.batch_tokens = 24});
}

TEST(StatesThatAreNotFinite, AreNamedByTheirLayer) {
  const auto refused = [](const Changed& weights, const std::string& part) {
    expect_error([&] { run_lane(model_of(std::make_shared<Changed>(weights))); },
                 "the residual stream is not finite " + part + " (changed): ");
  };
  const auto second = [&](const Changed::ChangeBlock& change) { refused(Changed(change), "after layer 2"); };
  refused(Changed({}, [](Tensor& rows) { rows[4][11][0] = kNotANumber; }), "before layer 1");
  second([](BlockWeights& w) { w.up.select(1, 3).fill_(kEndless); });
  second([](BlockWeights& w) { w.down.select(1, 3).fill_(-kEndless); });
  second([](BlockWeights& w) { w.ffn_norm[5] = kNotANumber; });
  second([](BlockWeights& w) { w.attention_norm[5] = kEndless; });
  second([](BlockWeights& w) { w.output_bias = at::full({24}, kNotANumber); });
  second([](BlockWeights& w) { w.query[7].fill_(kNotANumber); });
}

TEST(StatesThatAreNotFinite, AreNamedWhateverPatchMadeThem) {
  const std::string expected = "the residual stream is not finite after layer 2 (small): ";
  const auto refused = [&](const Patch& patch) { expect_error([&] { run_lane(small_model(), {patch}); }, expected); };
  refused(AffinePatch{Site::hidden, {2, 2}, {3}, {0}, 1, {{kNotANumber}}});
  refused(AffinePatch{Site::key, {2, 2}, {3}, {}, kNotANumber, {}});
  refused(AffinePatch{Site::block_output, {2, 2}, {3}, {}, kEndless, {}});
  refused(WriteEdit{{2, 2}, {3}, {0}, {{std::vector<float>(24, kEndless)}}});
  const Recording recorded{"heads", Site::head_output, {2, 2}};
  const Transplant transplant{Site::head_output, {2, 2}, {}, {}, 1, kEndless, recorded.name};
  const auto model = small_model();
  const auto tokens = random_tokens(5, 12);
  const auto looks = watch_residual([](const Tensor& x) { return x; });
  expect_error(
      [&] {
        run({{model, tokens, {}, {}, {recorded}}, {model, tokens, {transplant}, {looks}}}, {});
      },
      expected);
}

std::shared_ptr<const Model> cast(const Changed& weights, at::ScalarType type) {
  return model_of(cast_weights(std::make_shared<Changed>(weights), type));
}

TEST(StatesThatAreNotFinite, InFloat16HaveARemedy) {
  const Changed large([](BlockWeights& w) { w.down = w.down * 1e9; });
  for (const auto type : {at::kFloat, at::kBFloat16}) EXPECT_NO_THROW(run_lane(cast(large, type)));
  expect_error([&] { run_lane(cast(large, at::kHalf)); },
               "after layer 2 (changed): float16 ends at 65504: use --dtype bfloat16 or float32");
}

/// Minus infinity as a score is what a key has that is not seen: the residual stream would tell nothing of it.
TEST(StatesThatAreNotFinite, AreSeenInTheQueriesAndKeysOfFloat16) {
  const Changed healthy({});
  const auto refused = [&](Site site, const std::string& part) {
    const AffinePatch patch{site, {2, 2}, {0}, {0}, 1, {{-1e9F}}};
    expect_error([&] { run_lane(cast(healthy, at::kHalf), {patch}); }, part);
    EXPECT_NO_THROW(run_lane(cast(healthy, at::kBFloat16), {patch}));
  };
  refused(Site::key, "the keys are not finite in layer 2");
  refused(Site::query, "the queries are not finite in layer 2");
}

TEST(StatesThatAreNotFinite, AreNotThoseThatAreLarge) {
  EXPECT_NO_THROW(run_lane(model_of(std::make_shared<Changed>(Changed({}, [](Tensor& rows) { rows.fill_(1e38); })))));
}

}  // namespace
}  // namespace replicate
