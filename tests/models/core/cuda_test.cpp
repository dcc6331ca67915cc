// The CUDA kernels through LibTorch on a GPU, against their twins in float64 on the processor, on inputs that are new
// each time (the seed stands in the message of a failure). Without a GPU the kernels' logic is tested by
// cuda_emulator_test.cpp.

#include <gtest/gtest.h>

#include "models/core/cuda_glue.h"

#ifndef REPLICATE_CUDA_KERNELS

TEST(Cuda, Kernels) { GTEST_SKIP() << "built without CUDA kernels: they need nvcc and -DREPLICATE_CUDA=ON"; }

#else

#include <random>

#include "models/core/block.h"
#include "models/core/fused.h"

namespace replicate {
namespace {

class Cuda : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA device on this machine";
    const auto seed = std::random_device()();
    generator_.set_current_seed(seed);
    trace_ = std::make_unique<testing::ScopedTrace>(__FILE__, __LINE__, "seed " + std::to_string(seed));
  }

  /// On the GPU, of the type under test.
  Tensor normal(at::IntArrayRef shape, double spread = 1) { return floats(shape, spread).to(GetParam()); }
  Tensor floats(at::IntArrayRef shape, double spread = 1) {
    return at::normal(0, spread, shape, generator_).to(at::kCUDA);
  }

  /// Of what was computed in the type under test.
  double tolerance() const { return GetParam() == at::kFloat ? 1e-5 : 1e-2; }

 private:
  at::Generator generator_ = at::detail::createCPUGenerator();
  std::unique_ptr<testing::ScopedTrace> trace_;
};
INSTANTIATE_TEST_SUITE_P(Kernels, Cuda, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return info.param == at::kFloat ? "float32" : "bfloat16"; });

Tensor exact(const Tensor& x) { return x.detach().to(at::kCPU, at::kDouble); }

void expect_as_on_processor(const Tensor& ours, const Tensor& theirs, double tolerance) {
  ASSERT_TRUE(ours.defined() && theirs.defined());
  ASSERT_EQ(ours.sizes(), theirs.sizes());
  const auto error = (exact(ours) - exact(theirs)).norm().item<double>();
  EXPECT_LE(error, tolerance * (exact(theirs).norm().item<double>() + 1e-6));
}

// ---- attention

struct CudaProblem {
  Tensor q, k, v;
  AttentionSpec spec;
};

AttentionNeeds all_statistics(int64_t t) { return {{0, t / 2, t - 1}, {0, t / 2, t - 1}, true, true, true, true}; }

AttentionResult twin(const CudaProblem& p, const AttentionNeeds& needs) {
  return attend_plain(exact(p.q), exact(p.k), exact(p.v), p.spec, needs);
}

void expect_same(const AttentionResult& ours, const AttentionResult& theirs, double output_tolerance) {
  expect_as_on_processor(ours.output, theirs.output, output_tolerance);
  const auto &s = ours.statistics, &t = theirs.statistics;
  expect_as_on_processor(s.columns, t.columns, 1e-5);
  expect_as_on_processor(s.rows, t.rows, 1e-5);
  expect_as_on_processor(s.received, t.received, 1e-5);
  expect_as_on_processor(s.entropy, t.entropy, 1e-5);
  expect_as_on_processor(s.sum_squares, t.sum_squares, 1e-5);
  expect_as_on_processor(s.total, t.total, 1e-5);
}

TEST_P(Cuda, AttentionIsThePlainOne) {
  for (const int64_t width : {32, 64, 128}) {
    for (const int64_t t : {1, 63, 64, 65, 200, 513}) {
      // Heads as W_Q leaves them: [B, T, n, K] seen as [B, n, T, K].
      const auto heads = [&](int64_t n) { return normal({2, t, n, width}).transpose(1, 2); };
      const CudaProblem p{heads(6), heads(2), heads(2), {.scale = 1 / std::sqrt(static_cast<double>(width))}};
      ASSERT_TRUE(cuda_kernels_take(p.q, p.k, p.v, p.spec));
      expect_same(attend(p.q, p.k, p.v, p.spec, all_statistics(t)), twin(p, all_statistics(t)), tolerance());
    }
  }
}

TEST_P(Cuda, LongAttentionIsThePlainOne) {
  const CudaProblem p{normal({2, 32, 4096, 128}),
                      normal({2, 8, 4096, 128}),
                      normal({2, 8, 4096, 128}),
                      {.scale = 1 / std::sqrt(128.0)}};
  const auto wide = [](const Tensor& x) { return x.to(at::kDouble); };  // 5e11 operations: they stay on the GPU
  expect_same(attend(p.q, p.k, p.v, p.spec, all_statistics(4096)),
              attend_plain(wide(p.q), wide(p.k), wide(p.v), p.spec, all_statistics(4096)), tolerance());
}

TEST_P(Cuda, AttentionKeepsWhatIsNoNumberInItsRow) {
  const CudaProblem p{normal({2, 4, 300, 64}), normal({2, 2, 300, 64}), normal({2, 2, 300, 64}), {.scale = 0.125}};
  const auto free = attend(p.q, p.k, p.v, p.spec, {}).output;
  p.q.select(2, 140).select(2, 5).fill_(NAN);
  const auto broken = attend(p.q, p.k, p.v, p.spec, {}).output;
  EXPECT_TRUE(broken.select(1, 140).isnan().all().item<bool>());
  EXPECT_TRUE(broken.narrow(1, 0, 140).equal(free.narrow(1, 0, 140)));
  EXPECT_TRUE(broken.narrow(1, 141, 159).equal(free.narrow(1, 141, 159)));
}

TEST_P(Cuda, AttentionTakesAnyStrides) {
  const auto both = normal({1, 70, 2 * 3 * 64 + 1}).narrow(2, 1, 2 * 3 * 64).unflatten(2, {6, 64}).transpose(1, 2);
  const CudaProblem p{
      both.narrow(1, 0, 3), both.narrow(1, 3, 3), normal({1, 3, 64, 70}).transpose(2, 3), {.scale = 0.125}};
  expect_same(attend(p.q, p.k, p.v, p.spec, all_statistics(70)), twin(p, all_statistics(70)), tolerance());
}

TEST_P(Cuda, MaskedRowsLeaveAllOthersAsTheyWere) {
  CudaProblem p{normal({2, 4, 140, 64}), normal({2, 2, 140, 64}), normal({2, 2, 140, 64}), {.scale = 0.125}};
  const auto free = attend(p.q, p.k, p.v, p.spec, all_statistics(140));
  p.spec.rows = {{0, {{0}}}, {70, {{1, 2, 70}, {69}}}, {139, {{0, 5, 64, 139}}}};
  const auto masked = attend(p.q, p.k, p.v, p.spec, all_statistics(140));
  expect_same(masked, twin(p, all_statistics(140)), tolerance());
  EXPECT_TRUE(masked.output.narrow(1, 71, 68).equal(free.output.narrow(1, 71, 68)));
  EXPECT_TRUE(masked.output.narrow(1, 1, 69).equal(free.output.narrow(1, 1, 69)));
}

TEST_P(Cuda, AttentionDoesNotDependOnSchedulingOrOnWhatIsAskedFor) {
  const CudaProblem p{normal({3, 8, 700, 64}), normal({3, 2, 700, 64}), normal({3, 2, 700, 64}), {.scale = 0.125}};
  const auto once = attend(p.q, p.k, p.v, p.spec, all_statistics(700)),
             again = attend(p.q, p.k, p.v, p.spec, all_statistics(700));
  EXPECT_TRUE(once.output.equal(again.output));
  EXPECT_TRUE(once.statistics.received.equal(again.statistics.received));
  EXPECT_TRUE(once.output.equal(attend(p.q, p.k, p.v, p.spec, {}).output));
}

// ---- with gradients

/// A function of leaves on the GPU and its twin on float64 copies: values, and gradients of a random weighted sum.
void expect_same_gradients(std::vector<Tensor> leaves, const std::function<Tensor(const std::vector<Tensor>&)>& ours,
                           const std::function<Tensor(const std::vector<Tensor>&)>& theirs, double tolerance) {
  std::vector<Tensor> copies;
  for (auto& leaf : leaves) {
    copies.push_back(exact(leaf).requires_grad_(true));
    leaf.requires_grad_(true);
  }
  const auto value = ours(leaves), expected = theirs(copies);
  expect_as_on_processor(value, expected, tolerance);
  const auto weight = at::randn(value.sizes(), value.options().dtype(at::kFloat)).to(value.scalar_type());
  (value * weight).sum().backward();
  (expected * exact(weight)).sum().backward();
  for (size_t i = 0; i < leaves.size(); ++i) expect_as_on_processor(leaves[i].grad(), copies[i].grad(), tolerance);
}

TEST_P(Cuda, RmsNormIsThePlainOne) {
  for (const auto& shape : std::vector<std::vector<int64_t> >{
           {3, 67, 576}, {2, 33, 9, 64}, {5, 37}, {1, 1, 4104}, {2000, 128}, {40, 8192}, {40, 12288}}) {
    expect_same_gradients(
        {normal(shape, 2), floats({shape.back()})},
        [&](const auto& in) { return cuda_rms_norm(in[0], in[1], 1e-5, GetParam()); },
        [](const auto& in) { return rms_norm(in[0], in[1], 1e-5); }, tolerance());
  }
}

TEST_P(Cuda, RmsNormOfTheFloat32Stream) {
  for (const int64_t width : {576, 8192, 12288}) {
    expect_same_gradients(
        {floats({4, 65, width}, 2), floats({width})},
        [&](const auto& in) { return cuda_rms_norm(in[0], in[1], 1e-5, GetParam()); },
        [](const auto& in) { return rms_norm(in[0], in[1], 1e-5); }, tolerance());
  }
}

TEST_P(Cuda, AddedAndNormedIsThePlainOne) {
  const auto both = [](const Tensor& sum, const Tensor& normed) { return sum + normed * 3; };
  expect_same_gradients(
      {floats({4, 65, 576}, 2), normal({4, 65, 576}), floats({576})},
      [&](const auto& in) {
        const auto [sum, normed] = cuda_add_rms_norm(in[0], in[1], in[2], 1e-5);
        return both(sum, normed);
      },
      [&](const auto& in) {
        const auto sum = in[0] + in[1];
        return both(sum, rms_norm(sum, in[2], 1e-5));
      },
      tolerance());
}

Tensor turned(const Tensor& x, const Tensor& cosine, const Tensor& sine) {
  const auto width = cosine.size(-1);
  const auto halves = x.slice(-1, 0, width).chunk(2, -1);
  const auto first = x.slice(-1, 0, width) * cosine + at::cat({-halves[1], halves[0]}, -1) * sine;
  return at::cat({first, x.slice(-1, width)}, -1);
}

TEST_P(Cuda, RotaryIsThePlainOne) {
  for (const auto& [width, of_head] : {std::pair<int64_t, int64_t>{64, 64}, {16, 64}, {10, 22}}) {
    const auto angle = floats({19, width / 2}, 2).repeat({1, 2}), cosine = angle.cos(), sine = angle.sin();
    expect_same_gradients(
        {normal({2, 19, 3, of_head})},
        [&](const auto& in) { return fused_rotary(in[0].transpose(1, 2), cosine, sine); },
        [&](const auto& in) { return turned(in[0].transpose(1, 2), exact(cosine), exact(sine)); }, tolerance());
  }
}

TEST_P(Cuda, SwiGluIsThePlainOne) {
  for (const int64_t hidden : {64, 1536, 29}) {
    expect_same_gradients(
        {normal({3, 41, 2 * hidden}, 3)},
        [](const auto& in) { return fused_swiglu(in[0].chunk(2, -1)[0], in[0].chunk(2, -1)[1]); },
        [](const auto& in) { return at::silu(in[0].chunk(2, -1)[0]) * in[0].chunk(2, -1)[1]; }, tolerance());
  }
}

TEST_P(Cuda, CrossEntropyIsThePlainOne) {
  for (const int64_t ids : {101, 4096, 50257}) {
    const auto targets = at::randint(ids, {37}, at::kLong);
    // The gradient takes the logits' place, so that they may not be a leaf.
    expect_same_gradients(
        {normal({37, ids}, 5)}, [&](const auto& in) { return fused_cross_entropy(in[0] * 1, targets.to(at::kCUDA)); },
        [&](const auto& in) { return at::cross_entropy_loss(in[0], targets); }, tolerance());
  }
}

TEST_P(Cuda, GradientsDoNotDependOnScheduling) {
  const auto x = normal({3000, 576}), gain = floats({576});
  const auto gradient = [&] {
    const auto leaf = gain.clone().requires_grad_(true);
    cuda_rms_norm(x, leaf, 1e-5, GetParam()).to(at::kFloat).square().sum().backward();
    return leaf.grad();
  };
  EXPECT_TRUE(gradient().equal(gradient()));
}

}  // namespace
}  // namespace replicate

#endif
