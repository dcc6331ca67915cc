// The CUDA kernels themselves, compiled for the processor and run on a device that models/cuda/emulator.h plays,
// against float64 computations from the definitions. Finds wrong indices, fragments, masks and barriers where there is
// no GPU; tests/models/core/cuda_test.cpp is for machines that have one.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "models/cuda/attention_statistics.h"
#include "models/cuda/cross_entropy.h"
#include "models/cuda/device.h"
#include "models/cuda/head_rms_norm.h"
#include "models/cuda/rms_norm.h"
#include "models/cuda/rotary.h"
#include "models/cuda/swiglu.h"

namespace replicate::cuda {
namespace {

template <typename Element>
constexpr double kRounding = std::is_same_v<Element, float> ? 2e-6 : 6e-3;

/// Random elements, and the same as float64.
template <typename Element>
struct Numbers {
  std::vector<Element> rounded;
  std::vector<double> exact;
  Numbers(size_t count, unsigned seed, float spread = 1) : rounded(count), exact(count) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> distribution(0, spread);
    for (size_t i = 0; i < count; ++i) {
      from_float(rounded[i], distribution(generator));
      exact[i] = to_float(rounded[i]);
    }
  }
};

template <typename Element>
void expect_close(const std::vector<Element>& actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(to_float(actual[i]) - expected[i]) / (1 + std::abs(expected[i]));
    worst = std::isnan(difference) ? INFINITY : std::max(worst, difference);
  }
  EXPECT_LE(worst, tolerance);
}

/// B, H, G, T, K.
struct Shape {
  int64_t b, h, g, t, k;
};

/// Heads that lie as W_Q leaves them, [B, T, n, K].
template <typename Element>
Strided<const Element> heads(const std::vector<Element>& x, int64_t n, int64_t t, int64_t k) {
  return {x.data(), t * n * k, k, n * k};
}

/// A [B, H, T, T] and A V [B, T, H, K], from the definition.
struct Expected {
  std::vector<double> a, output, entropy, sum_squares, received, log_sum_exp;

  template <typename Element>
  Expected(const Shape& s, const Numbers<Element>& q, const Numbers<Element>& k, const Numbers<Element>& v,
           double scale)
      : a(s.b * s.h * s.t * s.t),
        output(s.b * s.t * s.h * s.k),
        entropy(s.b * s.h * s.t),
        sum_squares(entropy),
        received(entropy),
        log_sum_exp(entropy) {
    for (int64_t b = 0; b < s.b; ++b) {
      for (int64_t h = 0; h < s.h; ++h) {
        const auto g = h * s.g / s.h;
        const auto head = b * s.h + h;
        for (int64_t i = 0; i < s.t; ++i) {
          double* row = &a[(head * s.t + i) * s.t];
          double total = 0;
          for (int64_t j = 0; j <= i; ++j) {
            double product = 0;
            for (int64_t d = 0; d < s.k; ++d) {
              product += q.exact[((b * s.t + i) * s.h + h) * s.k + d] * k.exact[((b * s.t + j) * s.g + g) * s.k + d];
            }
            row[j] = std::exp(product * scale);
            total += row[j];
          }
          log_sum_exp[head * s.t + i] = std::log(total);
          for (int64_t j = 0; j <= i; ++j) {
            row[j] /= total;
            entropy[head * s.t + i] -= row[j] * std::log(row[j]);
            sum_squares[head * s.t + i] += row[j] * row[j];
            if (j < i) received[head * s.t + j] += row[j];
            for (int64_t d = 0; d < s.k; ++d) {
              output[((b * s.t + i) * s.h + h) * s.k + d] += row[j] * v.exact[((b * s.t + j) * s.g + g) * s.k + d];
            }
          }
        }
      }
    }
  }
};

/// A[.., q, k] for some of one and all of the other.
std::vector<double> picked(const Shape& s, const std::vector<double>& a, const std::vector<int64_t>& positions,
                           bool columns) {
  std::vector<double> all;
  const auto count = static_cast<int64_t>(positions.size());
  for (int64_t head = 0; head < s.b * s.h; ++head) {
    for (int64_t i = 0; i < (columns ? s.t : count); ++i) {
      for (int64_t j = 0; j < (columns ? count : s.t); ++j) {
        all.push_back(a[(head * s.t + (columns ? i : positions[i])) * s.t + (columns ? positions[j] : j)]);
      }
    }
  }
  return all;
}

template <typename Element>
void expect_attention(const Shape& s, float spread = 1) {
  const Numbers<Element> q(s.b * s.t * s.h * s.k, 1, spread), k(s.b * s.t * s.g * s.k, 2), v(k.exact.size(), 3);
  const AttentionInputs<Element> in = {
      heads(q.rounded, s.h, s.t, s.k), heads(k.rounded, s.g, s.t, s.k), heads(v.rounded, s.g, s.t, s.k), s.b,   s.t,
      static_cast<int>(s.h),           static_cast<int>(s.g),           static_cast<int>(s.k),           0.125F};
  const size_t rows = s.b * s.h * s.t;
  std::vector<float> lse(rows), entropy(rows), squares(rows), received(rows);
  std::vector<Element> output(q.rounded.size());
  ASSERT_EQ(attention_forward(in, {output.data(), lse.data(), entropy.data(), squares.data()}, {}), cudaSuccess);
  ASSERT_EQ(attention_received(in, lse.data(), received.data(), {}), cudaSuccess);

  const Expected expected(s, q, k, v, 0.125);
  const double tolerance = 2e-6 * spread;  // large scores have large rounding errors, and probabilities inherit them
  expect_close(output, expected.output, kRounding<Element> * spread);
  expect_close(lse, expected.log_sum_exp, tolerance);
  expect_close(entropy, expected.entropy, 2 * tolerance);
  expect_close(squares, expected.sum_squares, tolerance);
  expect_close(received, expected.received, 2 * tolerance);

  std::vector<int64_t> positions = {s.t - 1, s.t / 2};
  for (int64_t i = 0; i < 33; ++i) positions.push_back(i % s.t);  // more than one start of a kernel takes
  std::vector<float> columns(rows * positions.size()), some_rows(columns.size());
  ASSERT_EQ(attention_columns(in, lse.data(), positions, columns.data(), {}), cudaSuccess);
  ASSERT_EQ(attention_rows(in, lse.data(), positions, some_rows.data(), {}), cudaSuccess);
  expect_close(columns, picked(s, expected.a, positions, true), tolerance);
  expect_close(some_rows, picked(s, expected.a, positions, false), tolerance);
}

TEST(CudaEmulator, AttentionInFloat32) {
  expect_attention<float>({1, 1, 1, 64, 64});
  expect_attention<float>({2, 3, 1, 130, 32});
  expect_attention<float>({1, 4, 2, 65, 128}, 5);
  expect_attention<float>({1, 2, 2, 1, 64});
}

TEST(CudaEmulator, AttentionInBfloat16) {
  expect_attention<Bfloat16>({1, 1, 1, 64, 64});
  expect_attention<Bfloat16>({2, 3, 1, 130, 32});
  expect_attention<Bfloat16>({1, 4, 2, 65, 128}, 5);
  expect_attention<Bfloat16>({1, 2, 2, 1, 64});
  expect_attention<Bfloat16>({1, 1, 1, 300, 64});  // several blocks of queries, the last one not full
  expect_attention<Bfloat16>({1, 1, 1, 257, 128});
}

template <typename Element>
void expect_not_a_number_in_its_row_alone(int64_t row) {
  const Shape s = {1, 1, 1, 150, 64};
  const Numbers<Element> q(s.t * s.k, 1), k(s.t * s.k, 2), v(s.t * s.k, 3);
  AttentionInputs<Element> in = {heads(q.rounded, 1, s.t, s.k),
                                 heads(k.rounded, 1, s.t, s.k),
                                 heads(v.rounded, 1, s.t, s.k),
                                 1,
                                 s.t,
                                 1,
                                 1,
                                 64,
                                 0.125F};
  std::vector<float> lse(s.t), entropy(s.t), squares(s.t), free_lse(s.t);
  std::vector<Element> output(s.t * s.k), free_output(output);
  ASSERT_EQ(attention_forward(in, {free_output.data(), free_lse.data()}, {}), cudaSuccess);
  auto broken = q.rounded;
  from_float(broken[row * s.k + 5], NAN);
  in.q.data = broken.data();
  ASSERT_EQ(attention_forward(in, {output.data(), lse.data(), entropy.data(), squares.data()}, {}), cudaSuccess);
  EXPECT_TRUE(std::isnan(lse[row]) && std::isnan(entropy[row]) && std::isnan(squares[row]));
  for (int64_t i = 0; i < s.t * s.k; ++i) {
    const float mine = to_float(output[i]);
    EXPECT_TRUE(i / s.k == row ? std::isnan(mine) : mine == to_float(free_output[i]));
  }
  lse[row] = free_lse[row];
  EXPECT_EQ(lse, free_lse);
}

TEST(CudaEmulator, AttentionKeepsWhatIsNoNumberInItsRow) {
  expect_not_a_number_in_its_row_alone<float>(70);
  expect_not_a_number_in_its_row_alone<Bfloat16>(0);
  expect_not_a_number_in_its_row_alone<Bfloat16>(140);
}

TEST(CudaEmulator, AttentionRefusesOtherShapes) {
  const std::vector<float> x(4096);
  AttentionInputs<float> in = {heads(x, 4, 2, 32), heads(x, 4, 2, 32), heads(x, 4, 2, 32), 1, 2, 4, 4, 32, 1};
  EXPECT_TRUE(attention_takes(in));
  in.kv_heads = 3;
  EXPECT_FALSE(attention_takes(in));
  in.kv_heads = 4, in.width = 48;
  EXPECT_FALSE(attention_takes(in));
  in.width = 32, in.scale = 0;
  EXPECT_FALSE(attention_takes(in));
  in.scale = 1, in.q.data += 1;
  EXPECT_FALSE(attention_takes(in));
  EXPECT_EQ(attention_forward(in, {}, {}), cudaErrorInvalidValue);
}

/// RMSNorm of rows and its gradients, from the definition. `besides` is what x receives from others.
struct ExactNorm {
  std::vector<double> y, dx, dgain;
  ExactNorm(const std::vector<double>& x, const std::vector<double>& gain, const std::vector<double>& dy, double eps,
            const std::vector<double>& besides = {})
      : y(x.size()), dx(x.size()), dgain(gain.size()) {
    const size_t width = gain.size();
    for (size_t first = 0; first < x.size(); first += width) {
      double squares = 0, along = 0;
      for (size_t i = 0; i < width; ++i) squares += x[first + i] * x[first + i];
      const double r = 1 / std::sqrt(squares / static_cast<double>(width) + eps);
      for (size_t i = 0; i < width; ++i) along += x[first + i] * gain[i] * dy[first + i];
      for (size_t i = 0; i < width; ++i) {
        const double z = x[first + i];
        y[first + i] = z * r * gain[i];
        dx[first + i] = r * (gain[i] * dy[first + i] - z * r * r * along / static_cast<double>(width));
        if (!besides.empty()) dx[first + i] += besides[first + i];
        dgain[i] += dy[first + i] * z * r;
      }
    }
  }
};

template <typename Element>
void expect_head_rms_norm(int64_t rows, int width) {
  const Numbers<Element> x(rows * width, 1), dy(rows * width, 2);
  const Numbers<float> gain(width, 3);
  std::vector<Element> y(x.rounded.size()), dx(y);
  std::vector<float> inverse(rows), dgain(width), workspace(head_rms_norm_workspace(rows, width));
  ASSERT_EQ(head_rms_norm(x.rounded.data(), gain.rounded.data(), y.data(), inverse.data(), rows, width, 1e-5F, {}),
            cudaSuccess);
  ASSERT_EQ(head_rms_norm_backward(x.rounded.data(), gain.rounded.data(), inverse.data(), dy.rounded.data(), dx.data(),
                                   dgain.data(), workspace.data(), rows, width, {}),
            cudaSuccess);
  const ExactNorm exact(x.exact, gain.exact, dy.exact, 1e-5);
  expect_close(y, exact.y, kRounding<Element>);
  expect_close(dx, exact.dx, kRounding<Element>);
  expect_close(dgain, exact.dgain, 5e-6);
}

TEST(CudaEmulator, HeadRmsNorm) {
  expect_head_rms_norm<float>(77, 64);
  expect_head_rms_norm<Bfloat16>(77, 64);
  expect_head_rms_norm<float>(9, 37);
  expect_head_rms_norm<Bfloat16>(300, 20);
  expect_head_rms_norm<Bfloat16>(70, 1024);  // a block a row
  expect_head_rms_norm<Bfloat16>(1, 128);
  expect_head_rms_norm<Bfloat16>(3, 64);  // a warp that is not full
  expect_head_rms_norm<float>(530, 96);
}

/// With a branch that is added before, and with a gradient that the sum has besides.
template <typename Element>
void expect_residual_norm(int64_t rows, int width) {
  const Numbers<float> x(rows * width, 1), gain(width, 3), dsum(rows * width, 4);
  const Numbers<Element> branch(rows * width, 2), dy(rows * width, 5);
  std::vector<float> sum(x.rounded.size()), dx(sum), inverse(rows), dgain(width),
      workspace(rms_norm_workspace(rows, width));
  std::vector<Element> y(branch.rounded.size()), dbranch(y);
  ASSERT_EQ(rms_norm(ResidualNorm<Element>{x.rounded.data(), branch.rounded.data(), gain.rounded.data(), sum.data(),
                                           y.data(), inverse.data(), rows, width, 1e-5F},
                     {}),
            cudaSuccess);
  ASSERT_EQ(
      rms_norm_backward(ResidualNormGradient<Element>{sum.data(), gain.rounded.data(), inverse.data(),
                                                      dy.rounded.data(), dsum.rounded.data(), dx.data(), dbranch.data(),
                                                      dgain.data(), workspace.data(), rows, width},
                        {}),
      cudaSuccess);
  std::vector<double> exact_sum(x.exact);
  for (size_t i = 0; i < exact_sum.size(); ++i) exact_sum[i] += branch.exact[i];
  const ExactNorm exact(exact_sum, gain.exact, dy.exact, 1e-5, dsum.exact);
  expect_close(sum, exact_sum, 1e-6);
  expect_close(y, exact.y, kRounding<Element>);
  expect_close(dx, exact.dx, 2e-6);
  expect_close(dbranch, exact.dx, kRounding<Element>);
  expect_close(dgain, exact.dgain, 5e-6);
}

TEST(CudaEmulator, ResidualAdditionAndRmsNorm) {
  expect_residual_norm<float>(70, 96);
  expect_residual_norm<Bfloat16>(70, 96);
  expect_residual_norm<float>(3, 1029);
  expect_residual_norm<Bfloat16>(2, 4104);
  expect_residual_norm<float>(2, 12288);
  expect_residual_norm<Bfloat16>(34, 8192);
}

TEST(CudaEmulator, RmsNormWithoutBranch) {
  const Numbers<float> x(5 * 24, 1), gain(24, 2);
  std::vector<float> y(x.rounded.size());
  const ResidualNorm<float> norm{
      x.rounded.data(), nullptr, gain.rounded.data(), nullptr, y.data(), nullptr, 5, 24, 1e-5F};
  ASSERT_EQ(rms_norm(norm, {}), cudaSuccess);
  expect_close(y, ExactNorm(x.exact, gain.exact, x.exact, 1e-5).y, 2e-6);
}

/// Gate and up as halves of one product [N, 2 F], and gradients into the halves of another.
template <typename Element>
void expect_swiglu(int64_t rows, int64_t width, float spread) {
  const Numbers<Element> both(rows * 2 * width, 1, spread), dhidden(rows * width, 2);
  std::vector<Element> hidden(rows * width), dboth(rows * 2 * width);
  const Rows<const Element> gate{both.rounded.data(), 2 * width}, up{both.rounded.data() + width, 2 * width};
  ASSERT_EQ(swiglu(gate, up, Rows<Element>{hidden.data(), width}, rows, width, {}), cudaSuccess);
  ASSERT_EQ(swiglu_backward(gate, up, {dhidden.rounded.data(), width}, Rows<Element>{dboth.data(), 2 * width},
                            Rows<Element>{dboth.data() + width, 2 * width}, rows, width, {}),
            cudaSuccess);
  std::vector<double> exact(rows * width), dexact(rows * 2 * width);
  for (int64_t i = 0; i < rows * width; ++i) {
    const int64_t at = i / width * 2 * width + i % width;
    const double g = both.exact[at], u = both.exact[at + width], s = 1 / (1 + std::exp(-g)), d = dhidden.exact[i];
    exact[i] = g * s * u;
    dexact[at] = d * u * (s + g * s * (1 - s));
    dexact[at + width] = d * g * s;
  }
  expect_close(hidden, exact, kRounding<Element>);
  expect_close(dboth, dexact, kRounding<Element>);
}

TEST(CudaEmulator, SwiGlu) {
  expect_swiglu<float>(7, 64, 1);
  expect_swiglu<Bfloat16>(7, 64, 1);
  expect_swiglu<float>(3, 2051, 1);
  expect_swiglu<Bfloat16>(3, 29, 60);  // gates at which a careless sigmoid overflows
}

/// There from [B, T, n, K] into [B, n, T, K], and back in place.
template <typename Element>
void expect_rotary(int heads_count, int width, int turned) {
  const int64_t b = 2, t = 19, n = heads_count, half = turned / 2;
  const Numbers<Element> x(b * t * n * width, 1);
  std::vector<float> cosine(t * turned), sine(t * turned);
  for (int64_t i = 0; i < t * turned; ++i) {
    const double angle = static_cast<double>(i / turned) / std::pow(100.0, static_cast<double>(i % half) / half);
    cosine[i] = static_cast<float>(std::cos(angle)), sine[i] = static_cast<float>(std::sin(angle));
  }
  std::vector<Element> y(x.rounded.size());
  std::vector<double> exact(y.size());
  for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
    const int64_t d = i % width, h = i / width % n, p = i / width / n % t, s = i / width / n / t;
    auto& to = exact[((s * n + h) * t + p) * width + d];
    if (d >= turned)
      to = x.exact[i];
    else if (d < half)
      to = x.exact[i] * cosine[p * turned + d] - x.exact[i + half] * sine[p * turned + d];
    else
      to = x.exact[i] * cosine[p * turned + d] + x.exact[i - half] * sine[p * turned + d];
  }
  const RotaryShape shape{b, t, heads_count, width, turned};
  const Strided<Element> to{y.data(), n * t * width, t * width, width};
  ASSERT_EQ(rotary(heads(x.rounded, n, t, width), cosine.data(), sine.data(), to, shape, 1, {}), cudaSuccess);
  expect_close(y, exact, kRounding<Element>);

  const Strided<const Element> from{y.data(), to.batch, to.head, to.position};
  ASSERT_EQ(rotary(from, cosine.data(), sine.data(), to, shape, -1, {}), cudaSuccess);
  for (size_t i = 0; i < exact.size(); ++i) {
    const int64_t d = i % width, p = i / width % t, h = i / width / t % n, s = i / width / t / n;
    exact[i] = x.exact[((s * t + p) * n + h) * width + d];
  }
  expect_close(y, exact, 2 * kRounding<Element>);
}

TEST(CudaEmulator, Rotary) {
  expect_rotary<float>(3, 64, 64);
  expect_rotary<Bfloat16>(3, 64, 64);
  expect_rotary<float>(2, 22, 10);  // the rest of a head is not turned (GPT-NeoX)
  expect_rotary<Bfloat16>(2, 64, 16);
  expect_rotary<Bfloat16>(1, 64, 20);
}

/// The first row begins `offset` elements after a multiple of 16 bytes.
template <typename Element>
void expect_cross_entropy(int64_t rows, int64_t width, float spread, int64_t offset = 0, int64_t padding = 0) {
  const LogitRows shape{rows, width, width + padding};
  Numbers<Element> x(rows * shape.pitch, 1, spread);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = width; j < shape.pitch; ++j)
      from_float(x.rounded[i * shape.pitch + j], 1e4F);  // it must not be read
  }
  std::vector<int64_t> targets(rows);
  for (int64_t i = 0; i < rows; ++i) targets[i] = i * 31 % width;
  std::vector<Element> memory(offset + x.rounded.size() + kWide<Element>);
  from_float(memory.back(), 7);
  const auto first = std::copy(x.rounded.begin(), x.rounded.end(), memory.begin() + offset) - x.rounded.size();
  std::vector<float> losses(rows), lse(rows);
  const float scale = 0.5F;
  ASSERT_EQ(cross_entropy(&*first, targets.data(), losses.data(), lse.data(), shape, {}), cudaSuccess);
  ASSERT_EQ(cross_entropy_backward(&*first, targets.data(), lse.data(), &scale, 4, shape, {}), cudaSuccess);
  const std::vector<Element> logits(first, first + x.rounded.size());
  EXPECT_EQ(to_float(memory.back()), 7);
  std::vector<double> exact(rows), gradient(rows * shape.pitch);
  for (int64_t i = 0; i < rows; ++i) {
    const double* row = &x.exact[i * shape.pitch];
    const double top = *std::max_element(row, row + width);
    double total = 0;
    for (int64_t j = 0; j < width; ++j) total += std::exp(row[j] - top);
    exact[i] = std::log(total) + top - row[targets[i]];
    for (int64_t j = 0; j < width; ++j)
      gradient[i * shape.pitch + j] = 2 * (std::exp(row[j] - top) / total - (j == targets[i]));
  }
  expect_close(losses, exact, 2e-6);
  expect_close(logits, gradient, kRounding<Element> * std::max(1.F, spread));
}

TEST(CudaEmulator, CrossEntropy) {
  expect_cross_entropy<float>(5, 101, 1);
  expect_cross_entropy<float>(3, 5000, 30);  // probabilities that underflow: the loss does not
  expect_cross_entropy<Bfloat16>(5, 104, 1);
  expect_cross_entropy<Bfloat16>(3, 4999, 30);
  expect_cross_entropy<Bfloat16>(17, 9, 1);  // rows that begin everywhere, some without 16 aligned bytes
  expect_cross_entropy<Bfloat16>(9, 1, 1);
  expect_cross_entropy<float>(2, 4100, 1, 3);
  expect_cross_entropy<Bfloat16>(2, 50257, 1, 5);
  expect_cross_entropy<Bfloat16>(2, 50257, 1, 0, 47);
  expect_cross_entropy<float>(3, 5, 1, 0, 600);
}

TEST(CudaEmulator, CrossEntropyOfUnknownIdsIsNaN) {
  const std::vector<float> logits(8, 1.F);
  const std::vector<int64_t> targets = {4, -1};
  std::vector<float> losses(2), lse(2);
  ASSERT_EQ(cross_entropy(logits.data(), targets.data(), losses.data(), lse.data(), {2, 4, 4}, {}), cudaSuccess);
  EXPECT_TRUE(std::isnan(losses[0]) && std::isnan(losses[1]));
}

__global__ void half_a_barrier() {
  if (threadIdx.x < 32) synchronise();
}

TEST(CudaEmulator, FindsBarriersThatNotAllThreadsReach) {
  EXPECT_THROW(launch(half_a_barrier, 1, 64, 0, {}), std::runtime_error);
}

}  // namespace
}  // namespace replicate::cuda
