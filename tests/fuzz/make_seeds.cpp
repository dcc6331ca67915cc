// Writes the seeds of the GGUF fuzzer: make_seeds tests/fuzz/corpus/gguf

#include <filesystem>
#include <vector>

#include "tests/gguf_writer.h"

namespace replicate {
namespace {

void add_every_storage_type(GgufWriter& writer) {
  const std::vector<float> numbers(64, 0.25f);
  for (const TensorType type : {TensorType::f32, TensorType::f16, TensorType::bf16,
                                TensorType::q4_0, TensorType::q4_1, TensorType::q8_0}) {
    writer.tensor(type_name(type), {2, 32}, numbers, type);
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

GgufWriter seed(uint32_t version, const char* pre) {
  GgufWriter writer(version);
  writer.text("general.architecture", "llama").integer("llama.block_count", 2);
  writer.real("llama.rope.freq_base", 10000).reals("scores", {0.5f, -1});
  add_tokenizer(writer, pre);
  add_every_storage_type(writer);
  return writer;
}

}  // namespace
}  // namespace replicate

int main(int, char** arguments) {
  const std::filesystem::path folder = arguments[1];
  replicate::GgufWriter().write(folder / "empty.gguf");
  replicate::seed(2, "gpt-2").write(folder / "gpt2_version2.gguf");
  replicate::seed(3, "smollm").write(folder / "smollm.gguf");
  replicate::seed(3, "llama-bpe").write(folder / "llama3.gguf");
}
