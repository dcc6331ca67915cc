// Writes the seeds of the GGUF fuzzer: make_seeds tests/fuzz/corpus/gguf

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/fuzz/seam.h"
#include "tests/support/gguf_writer.h"

namespace replicate {
namespace {

void add_every_storage_type(GgufWriter& writer) {
  for (const TensorType type : tensor_types()) {
    const int64_t row = std::max<int64_t>(32, block_elements(type));  // small seeds are fast ones
    writer.tensor(type_name(type), {2, row}, std::vector<float>(2 * row, 0.25f), type);
  }
}

void add_tokenizer(GgufWriter& writer, const char* pre) {
  writer.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre);
  writer.texts("tokenizer.ggml.tokens", {"<s>", "G", "U", "F", "GG", "UF", "GGUF", "Ġ", "Ã"});
  writer.texts("tokenizer.ggml.merges", {"G G", "U F", "GG UF"});
  writer.integers("tokenizer.ggml.token_type", {3, 1, 1, 1, 1, 1, 1, 1, 1});
  writer.unsigned_integer("tokenizer.ggml.bos_token_id", 0);
  writer.boolean("tokenizer.ggml.add_bos_token", true);
}

GgufWriter sentencepiece_seed() {
  GgufWriter writer;
  writer.text("tokenizer.ggml.model", "llama");
  writer.texts("tokenizer.ggml.tokens", {"<unk>", "<0x47>", "G", "U", "F", "GG", "UF", "\u2581G", "  "});
  writer.reals("tokenizer.ggml.scores", {0, 0, -9, -9, -9, -1, -2, -3, 0});
  writer.integers("tokenizer.ggml.token_type", {2, 6, 1, 1, 1, 1, 1, 1, 4});
  return writer.unsigned_integer("tokenizer.ggml.unknown_token_id", 0);
}

GgufWriter seed(uint32_t version, const char* pre) {
  GgufWriter writer(version);
  writer.text("general.architecture", "llama").integer("llama.block_count", 2);
  writer.real("llama.rope.freq_base", 10000).reals("scores", {0.5f, -1});
  add_tokenizer(writer, pre);
  add_every_storage_type(writer);
  return writer;
}

/// A tiny model's metadata, and the one tensor whose shape tells the vocabulary.
GgufWriter model_seed(const std::string& architecture) {
  GgufWriter writer;
  const auto key = [&](const char* name) { return architecture + "." + name; };
  writer.text("general.architecture", architecture).integer(key("block_count"), 2).integer(key("context_length"), 32);
  writer.integer(key("embedding_length"), 8).integer(key("feed_forward_length"), 16);
  writer.integer(key("attention.head_count"), 2).integer(key("attention.head_count_kv"), 1);
  writer.integer(key("attention.key_length"), 4).integer(key("attention.value_length"), 4);
  writer.real(key("attention.layer_norm_rms_epsilon"), 1e-5f).real(key("rope.freq_base"), 10000);
  return writer.tensor("token_embd.weight", {3, 8}, std::vector<float>(24, 0.25f), TensorType::f16);
}

GgufWriter llama_seed() {
  auto writer = model_seed("llama");
  writer.text("llama.rope.scaling.type", "linear").integer("llama.rope.dimension_count", 4);
  return writer.tensor("rope_freqs.weight", {2}, std::vector<float>{1, 8});
}

GgufWriter gemma_seed() {
  auto writer = model_seed("gemma3");
  writer.integer("gemma3.attention.sliding_window", 4).integer("gemma3.attention.sliding_window_pattern", 2);
  writer.real("gemma3.rope.freq_base_swa", 1000).real("gemma3.attention.scale", 0.5f);
  return writer.real("gemma3.final_logit_softcapping", 0);
}

GgufWriter phi_seed() {
  auto writer = model_seed("phi3");
  writer.integer("phi3.attention.sliding_window", 4).integer("phi3.rope.dimension_count", 2);
  return writer.real("phi3.rope.scaling.factor", 2);
}

GgufWriter shard(int64_t number, int64_t count) {
  GgufWriter writer;
  writer.integer("split.no", number).integer("split.count", count).integer("split.tensors.count", count);
  return writer.tensor("t" + std::to_string(number), {2}, std::vector<float>{1, 2});
}

/// All files of a split model, a seam between each two, as gguf_fuzzer takes them apart.
void write_split_model(const std::filesystem::path& path, int64_t count) {
  ByteWriter out;
  for (int64_t number = 0; number < count; ++number) {
    if (number > 0) out.raw(std::as_bytes(std::span(kSeam)));
    out.raw(shard(number, count).bytes());
  }
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(out.bytes().data()), static_cast<std::streamsize>(out.bytes().size()));
}

}  // namespace
}  // namespace replicate

int main(int, char** arguments) {
  const std::filesystem::path folder = arguments[1];
  replicate::GgufWriter().write(folder / "empty.gguf");
  replicate::seed(2, "gpt-2").write(folder / "gpt2_version2.gguf");
  replicate::seed(3, "smollm").write(folder / "smollm.gguf");
  replicate::seed(3, "llama-bpe").write(folder / "llama3.gguf");
  replicate::sentencepiece_seed().write(folder / "sentencepiece.gguf");
  replicate::llama_seed().write(folder / "model_llama.gguf");
  replicate::gemma_seed().write(folder / "model_gemma3.gguf");
  replicate::model_seed("qwen3").write(folder / "model_qwen3.gguf");
  replicate::phi_seed().write(folder / "model_phi3.gguf");
  replicate::shard(1, 3).write(folder / "second_of_three.gguf");
  for (const int64_t count : {1, 2, 3}) {
    replicate::write_split_model(folder / ("split_in_" + std::to_string(count) + ".gguf"), count);
  }
}
