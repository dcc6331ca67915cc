#include <gtest/gtest.h>

#include <filesystem>

#include "harness/cli/program.h"
#include "tests/support/temporary_folder.h"

namespace replicate::cli {
namespace {

const std::filesystem::path kConfigs = std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs";

/// Their config.json as Meta published it, but for what is not read.
constexpr const char* kLlama2 =
    R"({"model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
  "num_key_value_heads": 32, "intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096, "rms_norm_eps": 1e-05})";
constexpr const char* kLlama3 =
    R"({"model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
  "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 8192, "rope_theta": 500000.0})";

/// The settings for a model with this config.json.
Settings settings_for(const char* config, const std::string& claim) {
  const TemporaryFolder folder;
  folder.write("paper/config.json", config);
  return settings_of({kConfigs, "", "", (folder / "paper").string(), claim, {}, std::nullopt});
}

TEST(PapersModels, NameTheNeuronsThatThePaperNames) {
  const auto neuron = [](const char* config) {
    return settings_for(config, "super_neuron_alignment").claims.at(0).parameters.integer("named.neuron");
  };
  EXPECT_EQ(neuron(kLlama2), 7890);
  EXPECT_EQ(neuron(kLlama3), 2427);
}

TEST(PapersModels, AreToldByWhatTheirFilesSay) {
  EXPECT_EQ(settings_for(kLlama2, "sink_onset").model.judged_as, "llama-2-7b");
  EXPECT_EQ(settings_for(kLlama3, "sink_onset").model.judged_as, "llama-3-8b");
  EXPECT_EQ(settings_for("{", "sink_onset").model.judged_as, "");
}

}  // namespace
}  // namespace replicate::cli
