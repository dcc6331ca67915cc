#include "models/formats/mistaken.h"

#include <gtest/gtest.h>

#include "models/formats/description.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

TEST(Mistaken, AFolderThatIsNotAModelIsCalledWhatItIs) {
  struct Case {
    std::vector<std::pair<std::string, std::string>> files;
    std::string what;
  };
  const std::vector<Case> cases = {
      {{{"adapter_config.json", R"({"base_model_name_or_path": "meta/Llama"})"}, {"adapter_model.safetensors", ""}},
       "an adapter of 'meta/Llama', not a model"},
      {{{"adapter_config.json", "not JSON"}}, "an adapter, not a model"},
      {{{"adapter_config.json", R"({"base_model_name_or_path": 3})"}}, "an adapter, not a model"},
      {{{"model-Q4_0.gguf", "GGUF"}, {"README.md", ""}}, "a folder of GGUF files"},
      {{{"pytorch_model-00001-of-00002.bin", ""}}, "a folder of pickled weights"},
      {{{"consolidated.00.pth", ""}, {"params.json", "{}"}}, "a folder of pickled weights"},
      {{{"models--meta--Llama/refs/main", "abc"}}, "a cache of models"},
      {{{"snapshots/abc/config.json", "{}"}}, "a model's folder in a cache"},
      {{{"abc123/config.json", "{}"}}, "a folder of models"},
      {{{"step-000100/config.json", "{}"}, {"recipe.txt", ""}}, "a training run"},
      {{{"checkpoint-500/model.safetensors", ""}}, "a folder of checkpoints"},
      {{{"summary.json", "{}"}, {"sink_onset/record.json", "{}"}}, "a run's folder"},
      {{{"model_index.json", "{}"}, {"unet/config.json", "{}"}}, "an image model's folder"},
  };
  for (const auto& [files, what] : cases) {
    const TemporaryFolder folder;
    for (const auto& [name, text] : files) folder.write(name, text);
    expect_error([&] { describe_model(folder.path()); }, "this is " + what);
  }
  expect_error([] { describe_model(TemporaryFolder().path()); }, "no readable config.json");
}

TEST(Mistaken, AFileThatIsNotGgufIsCalledWhatItIs) {
  struct Case {
    std::string name, bytes, what;
  };
  const std::vector<Case> cases = {
      {"model.safetensors", std::string("\x40\0\0\0\0\0\0\0{}", 10), "a file of a model's folder"},
      {"config.json", "{}", "a file of a model's folder"},
      {"pytorch_model.bin", "PK\x03\x04....", "a ZIP archive"},
      {"old.bin", "\x80\x02}q", "a pickle"},
      {"m.gguf", "version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"},
      {"m.gguf", "<!DOCTYPE html><html>", "a web page"},
      {"m.gguf", "<html><body>", "a web page"},
      {"m.gguf.gz", "\x1f\x8b\x08", "a gzip archive"},
      {"m.gguf.xz",
       "\xfd"
       "7zXZ",
       "an xz archive"},
      {"m.h5", "\x89HDF\r\n", "an HDF5 file"},
      {"m.npy", "\x93NUMPY", "a NumPy array"},
      {"ggml-model.bin", "tjgg....", "a GGML file"},
  };
  for (const auto& [name, bytes, what] : cases) {
    const TemporaryFolder folder;
    folder.write(name, bytes);
    expect_error([&] { describe_model(folder / name); }, "not a GGUF file but " + what);
  }
  const TemporaryFolder folder;
  folder.write("m.gguf", "something");
  expect_error([&] { describe_model(folder / "m.gguf"); }, "not a GGUF file (");
}

TEST(Mistaken, NamesOfTensorsTellWhatAFileIs) {
  struct Case {
    std::string name, what;
  };
  for (const auto& [name, what] :
       {Case{"_orig_mod.model.norm.weight", "torch.compile"},
        Case{"module.model.norm.weight", "DistributedDataParallel"},
        Case{"base_model.model.model.norm.weight", "adapter"}, Case{"model.layers.0.mlp.up_proj.qweight", "GPTQ"},
        Case{"model.layers.0.mlp.up_proj.weight_packed", "compressed-tensors"},
        Case{"model.layers.0.mlp.up_proj.weight_scale_inv", "FP8"},
        Case{"model.layers.0.mlp.up_proj.weight.absmax", "bitsandbytes"}, Case{"score.weight", "a classifier"},
        Case{"transformer.h.0.attn.c_attn.weight", "GPT-2"}, Case{"v_head.summary.weight", "value head"}}) {
    const auto found = mistaken_tensors({"model.embed_tokens.weight", name});
    ASSERT_TRUE(found) << name;
    EXPECT_NE(found->what.find(what), std::string::npos) << found->what;
  }
  EXPECT_FALSE(mistaken_tensors({"model.embed_tokens.weight", "model.norm.weight"}));
}

}  // namespace
}  // namespace replicate
