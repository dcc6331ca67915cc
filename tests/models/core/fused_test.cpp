#include "models/core/fused.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/function.h>

#include "models/core/block.h"

namespace replicate {
namespace {

Tensor normal(at::IntArrayRef shape, uint64_t seed, double spread) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed);
  return at::normal(0, spread, shape, generator).requires_grad_(true);
}

/// The same leaf in float64, where the plain operations run.
Tensor in_float64(const Tensor& x) { return x.detach().to(at::kDouble).requires_grad_(true); }

void expect_relatively_close(const Tensor& ours, const Tensor& exact, double tolerance) {
  ASSERT_TRUE(ours.defined());
  const auto difference = (ours.detach().to(at::kDouble) - exact.detach()).norm().item<double>();
  EXPECT_LE(difference, tolerance * exact.detach().norm().item<double>());
}

void expect_rms_norm(const Tensor& x, const Tensor& gain, const Tensor& weight) {
  const auto x64 = in_float64(x), gain64 = in_float64(gain);
  const auto ours = rms_norm(x, gain, 1e-5), theirs = rms_norm(x64, gain64, 1e-5);
  ASSERT_NE(ours.grad_fn()->name().find("RmsNorm"), std::string::npos);
  ASSERT_EQ(theirs.grad_fn()->name().find("RmsNorm"), std::string::npos);
  expect_relatively_close(ours, theirs, 1e-6);
  (ours * weight).sum().backward();
  (theirs * weight.to(at::kDouble)).sum().backward();
  expect_relatively_close(x.grad(), x64.grad(), 1e-6);
  expect_relatively_close(gain.grad(), gain64.grad(), 1e-6);
}

TEST(Fused, RmsNormIsThePlainOne) {
  expect_rms_norm(normal({3, 67, 24}, 1, 2), normal({24}, 2, 1), normal({3, 67, 24}, 3, 1).detach());
  expect_rms_norm(normal({1, 1, 5}, 4, 1e-3), normal({5}, 5, 1), normal({1, 1, 5}, 6, 1).detach());
}

TEST(Fused, RmsNormTakesStridedHeads) {
  const auto leaf = normal({2, 4, 33, 6}, 1, 1);
  const auto x64 = in_float64(leaf), gain = normal({6}, 2, 1), weight = normal({2, 33, 4, 6}, 3, 1).detach();
  (rms_norm(leaf.transpose(1, 2), gain, 1e-6) * weight).sum().backward();
  (rms_norm(x64.transpose(1, 2), in_float64(gain), 1e-6) * weight.to(at::kDouble)).sum().backward();
  expect_relatively_close(leaf.grad(), x64.grad(), 1e-6);
}

void expect_cross_entropy(double spread, double factor) {
  const auto x = normal({37, 101}, 1, spread), x64 = in_float64(x);
  const auto targets = at::arange(37, at::kLong);
  const auto ours = fused_cross_entropy(x, targets), theirs = at::cross_entropy_loss(x64, targets);
  expect_relatively_close(ours, theirs, 1e-6);
  (ours * factor).backward();
  (theirs * factor).backward();
  expect_relatively_close(x.grad(), x64.grad(), 1e-6);
}

TEST(Fused, CrossEntropyIsThePlainOne) {
  expect_cross_entropy(1, 1);
  expect_cross_entropy(1, 0.25);  // as one of four parts of a batch
  expect_cross_entropy(100, 1);   // probabilities that underflow: the loss does not
}

TEST(Fused, CrossEntropyRefusesIdsOutOfRange) {
  EXPECT_THROW(fused_cross_entropy(normal({1, 4}, 1, 1), at::full({1}, 4, at::kLong)), c10::Error);
}

/// Angles [T, W], each twice, and what turning x [B, n, T, K] by them means.
struct Angles {
  Tensor cosine, sine;
  Angles(int64_t length, int64_t width) {
    const auto angle = normal({length, width / 2}, 7, 2).detach().repeat({1, 2});
    cosine = angle.cos(), sine = angle.sin();
  }
  Tensor turned(const Tensor& x) const {
    const auto width = cosine.size(-1);
    const auto halves = x.slice(-1, 0, width).chunk(2, -1);
    const auto turned = x.slice(-1, 0, width) * cosine + at::cat({-halves[1], halves[0]}, -1) * sine;
    return at::cat({turned, x.slice(-1, width)}, -1);
  }
};

/// Heads as W_Q leaves them, [B, T, n K] seen as [B, n, T, K].
void expect_rotary(int64_t width, int64_t head_width) {
  const Angles angles(19, width);
  const auto leaf = normal({2, 19, 3 * head_width}, 1, 1), weight = normal({2, 3, 19, head_width}, 2, 1).detach();
  const auto leaf64 = in_float64(leaf);
  const auto heads = [&](const Tensor& x) { return x.unflatten(-1, {3, head_width}).transpose(1, 2); };
  const auto ours = fused_rotary(heads(leaf), angles.cosine, angles.sine), theirs = angles.turned(heads(leaf64));
  expect_relatively_close(ours, theirs, 1e-6);
  (ours * weight).sum().backward();
  (theirs * weight.to(at::kDouble)).sum().backward();
  expect_relatively_close(leaf.grad(), leaf64.grad(), 1e-6);
}

TEST(Fused, RotaryIsThePlainOne) {
  expect_rotary(8, 8);
  expect_rotary(6, 16);  // the rest of a head is not turned (GPT-NeoX)
}

void expect_swiglu(double spread) {
  const auto gate = normal({3, 41, 29}, 1, spread), up = normal({3, 41, 29}, 2, 1),
             weight = normal({3, 41, 29}, 3, 1).detach();
  const auto gate64 = in_float64(gate), up64 = in_float64(up);
  const auto ours = fused_swiglu(gate, up), theirs = at::silu(gate64) * up64;
  expect_relatively_close(ours, theirs, 1e-6);
  (ours * weight).sum().backward();
  (theirs * weight.to(at::kDouble)).sum().backward();
  expect_relatively_close(gate.grad(), gate64.grad(), 1e-6);
  expect_relatively_close(up.grad(), up64.grad(), 1e-6);
}

TEST(Fused, SwiGluIsThePlainOne) {
  expect_swiglu(1);
  expect_swiglu(60);  // gates at which a careless sigmoid overflows
}

TEST(Fused, SwiGluTakesHalvesOfOneTensor) {
  const auto both = normal({5, 2 * 29}, 1, 1).detach();
  const auto halves = both.chunk(2, -1);
  expect_relatively_close(fused_swiglu(halves[0], halves[1]), at::silu(halves[0].to(at::kDouble)) * halves[1], 1e-6);
}

TEST(Fused, WithoutGradientsToo) {
  const auto x = normal({4, 24}, 1, 1).detach();
  const c10::InferenceMode guard;
  const auto gain = at::ones({24});
  expect_relatively_close(rms_norm(x, gain, 1e-5), rms_norm(x.to(at::kDouble), gain.to(at::kDouble), 1e-5), 1e-6);
  expect_relatively_close(fused_swiglu(x, gain.expand({4, 24})), at::silu(x.to(at::kDouble)), 1e-6);
}

TEST(Fused, NotForOtherTypes) {
  EXPECT_TRUE(is_fused(at::ones({2})));
  EXPECT_FALSE(is_fused(at::ones({2}, at::kDouble)));
  EXPECT_FALSE(is_fused(at::ones({2}, at::kBFloat16)));
}

TEST(Fused, TheSameAtAnyNumberOfThreads) {
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
