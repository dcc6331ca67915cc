#include <gtest/gtest.h>

#include "models/training/trainable.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

ModelConfig tiny() {
  auto config = small_model()->config;
  config.layers = 2;
  return config;
}

Tensor ids(int64_t length) { return random_tokens(2, length + 1)->ids; }  // [2, T + 1]

Tensor loss_of(const TrainableModel& model, const Tensor& ids) {
  const auto length = ids.size(1) - 1;
  return model.loss(ids.slice(1, 0, length), ids.slice(1, 1));
}

/// Far from the initial point, where a wrong gradient of a small weight would not be seen.
void shake(ParameterSet& parameters) {
  const c10::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(3);
  parameters.values() += at::normal(0, 0.2, parameters.values().sizes(), generator, at::kDouble);
}

class EveryArm : public testing::TestWithParam<std::string> {};

/// Against central differences in float64, for each parameter along a direction of its own.
TEST_P(EveryArm, GradientsEqualFiniteDifferences) {
  const auto tokens = ids(140);  // more than one block of queries
  TrainableModel model(arm(GetParam()), tiny(), 5, tokens.slice(1, 0, 140), at::TensorOptions(at::kDouble));
  shake(model.parameters());
  loss_of(model, tokens).backward();
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(4);
  for (const auto& parameter : model.parameters().shapes()) {
    auto leaf = model.parameters().at(parameter.name).detach();
    const auto direction = at::normal(0, 1, leaf.sizes(), generator, at::kDouble);
    const auto predicted = (model.parameters().at(parameter.name).grad() * direction).sum().item<double>();
    const c10::NoGradGuard no_grad;
    const double step = 1e-5;
    leaf.add_(direction, step);
    const auto above = loss_of(model, tokens).item<double>();
    leaf.sub_(direction, 2 * step);
    const auto below = loss_of(model, tokens).item<double>();
    leaf.add_(direction, step);
    EXPECT_NEAR((above - below) / (2 * step), predicted, 1e-7 + 1e-6 * std::abs(predicted)) << parameter.name;
  }
}

/// Whatever is trained, also where one entry of a column is far larger than the others and where all are zero.
TEST(DenseDown, KeepsEveryColumnDenseAndItsSigns) {
  const TrainableModel model(arm(kDenseDown), tiny(), 5, ids(8).slice(1, 0, 8), at::TensorOptions(at::kDouble));
  const c10::NoGradGuard no_grad;
  const auto signs = model.block(2).down.sign().clone();
  const auto& free = model.parameters().at("model.layers.1.mlp.down_proj.weight");
  free.neg_();
  free.select(1, 0).zero_()[3] = 100;
  free.select(1, 1).zero_();
  const auto down = model.block(2).down;  // [D, F]
  EXPECT_TRUE(at::equal(down.sign(), signs));
  EXPECT_EQ(signs.abs().min().item<double>(), 1);
  EXPECT_LE((down.abs().amax(0) / down.abs().amin(0)).max().item<double>(), 3 + 1e-12);
  EXPECT_GT(down.select(1, 0).abs().min().item<double>(), 1) << "the scale of a column is free";
}

INSTANTIATE_TEST_SUITE_P(Training, EveryArm, testing::ValuesIn(arm_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace replicate
