#include "models/fused_gradients.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/function.h>

#include "models/block.h"

namespace replicate {
namespace {

Tensor normal(at::IntArrayRef shape, uint64_t seed, double spread) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed);
  return at::normal(0, spread, shape, generator).requires_grad_(true);
}

/// The same leaf in float64, where the plain operations run.
Tensor exact(const Tensor& x) { return x.detach().to(at::kDouble).requires_grad_(true); }

void expect_close(const Tensor& ours, const Tensor& exact, double tolerance) {
  ASSERT_TRUE(ours.defined());
  const auto difference = (ours.detach().to(at::kDouble) - exact.detach()).norm().item<double>();
  EXPECT_LE(difference, tolerance * exact.detach().norm().item<double>());
}

void expect_rms_norm(const Tensor& x, const Tensor& gain, const Tensor& weight) {
  const auto x64 = exact(x), gain64 = exact(gain);
  const auto ours = rms_norm(x, gain, 1e-5), theirs = rms_norm(x64, gain64, 1e-5);
  ASSERT_NE(ours.grad_fn()->name().find("RmsNorm"), std::string::npos);
  ASSERT_EQ(theirs.grad_fn()->name().find("RmsNorm"), std::string::npos);
  expect_close(ours, theirs, 1e-6);
  (ours * weight).sum().backward();
  (theirs * weight.to(at::kDouble)).sum().backward();
  expect_close(x.grad(), x64.grad(), 1e-6);
  expect_close(gain.grad(), gain64.grad(), 1e-6);
}

TEST(FusedGradients, RmsNormIsThePlainOne) {
  expect_rms_norm(normal({3, 67, 24}, 1, 2), normal({24}, 2, 1), normal({3, 67, 24}, 3, 1).detach());
  expect_rms_norm(normal({1, 1, 5}, 4, 1e-3), normal({5}, 5, 1), normal({1, 1, 5}, 6, 1).detach());
}

TEST(FusedGradients, RmsNormTakesStridedHeads) {
  const auto leaf = normal({2, 4, 33, 6}, 1, 1);
  const auto x64 = exact(leaf), gain = normal({6}, 2, 1), weight = normal({2, 33, 4, 6}, 3, 1).detach();
  (rms_norm(leaf.transpose(1, 2), gain, 1e-6) * weight).sum().backward();
  (rms_norm(x64.transpose(1, 2), exact(gain), 1e-6) * weight.to(at::kDouble)).sum().backward();
  expect_close(leaf.grad(), x64.grad(), 1e-6);
}

void expect_cross_entropy(double spread, double factor) {
  const auto x = normal({37, 101}, 1, spread), x64 = exact(x);
  const auto targets = at::arange(37, at::kLong);
  const auto ours = fused_cross_entropy(x, targets), theirs = at::cross_entropy_loss(x64, targets);
  expect_close(ours, theirs, 1e-6);
  (ours * factor).backward();
  (theirs * factor).backward();
  expect_close(x.grad(), x64.grad(), 1e-6);
}

TEST(FusedGradients, CrossEntropyIsThePlainOne) {
  expect_cross_entropy(1, 1);
  expect_cross_entropy(1, 0.25);  // as one of four parts of a batch
  expect_cross_entropy(100, 1);   // probabilities that underflow: the loss does not
}

TEST(FusedGradients, CrossEntropyRefusesIdsOutOfRange) {
  EXPECT_THROW(fused_cross_entropy(normal({1, 4}, 1, 1), at::full({1}, 4, at::kLong)), c10::Error);
}

TEST(FusedGradients, NotWithoutGradients) {
  EXPECT_TRUE(is_fused(normal({2}, 1, 1)));
  EXPECT_FALSE(is_fused(at::ones({2})));
  const c10::NoGradGuard no_grad;
  EXPECT_FALSE(is_fused(normal({2}, 1, 1)));
}

TEST(FusedGradients, TheSameAtAnyNumberOfThreads) {
  const auto gradient = [](int threads) {
    const auto before = at::get_num_threads();
    at::set_num_threads(threads);
    const auto x = normal({300, 24}, 1, 1), gain = normal({24}, 2, 1);
    fused_cross_entropy(rms_norm(x, gain, 1e-5), at::arange(300, at::kLong).remainder(24)).backward();
    at::set_num_threads(before);
    return std::pair(x.grad(), gain.grad());
  };
  const auto one = gradient(1), two = gradient(2);
  EXPECT_TRUE(one.first.equal(two.first));
  EXPECT_TRUE(one.second.equal(two.second));
}

}  // namespace
}  // namespace replicate
