#include "harness/inputs/loading.h"

#include <gtest/gtest.h>

#include "tests/support/small_file.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

at::ScalarType type_of(const std::shared_ptr<const Model>& model) {
  return model->weights->block(1).query.scalar_type();
}

/// A metric that compares with null models must differ from its value in float32 by what all of them add.
TEST(LoadModel, ComputesWithNullModelsInTheTypeOfTheModel) {
  const TemporaryFolder folder;
  ModelSettings settings;
  settings.name = "small";
  settings.file = folder / "small.gguf";
  small_file().write(settings.file);
  const auto expect_type = [](const ModelAndNulls& models, at::ScalarType type) {
    EXPECT_EQ(type_of(models.model), type);
    EXPECT_EQ(type_of(models.null_model), type);
    EXPECT_EQ(type_of(models.reinitialised(2)), type);
  };
  for (const auto& [name, type] : {std::pair{"bfloat16", at::kBFloat16}, std::pair{"float16", at::kHalf}}) {
    const auto loaded = load_model(settings, name, 1, at::kCPU);
    expect_type(loaded, type);
    expect_type(*loaded.exact, at::kFloat);
  }
  const auto loaded = load_model(settings, "float32", 1, at::kCPU);
  expect_type(loaded, at::kFloat);
  EXPECT_FALSE(loaded.exact);
}

}  // namespace
}  // namespace replicate
