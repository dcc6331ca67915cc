// On a GPU: every CUDA kernel beside its twin of plain LibTorch operations, in the shapes of a model of D = 2048, with
// the bytes that must be moved at least, or the operations of the causal triangle, a second; a training step of the
// paper's model with its MFU; a pass that observes beside one that does not. Run through scripts/bench, which takes
// them in turns.

#include <ATen/cuda/CUDAEvent.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include "harness/study/measures/sink_probes.h"
#include "harness/training/throughput.h"
#include "models/core/cast_weights.h"
#include "models/core/cuda_glue.h"
#include "models/core/executor.h"
#include "models/core/fused.h"
#include "models/training/trainer.h"
#include "tests/bench/fused_block.h"
#include "tests/bench/one_batch.h"

namespace replicate {
namespace {

constexpr int64_t kTokens = 16384, kWidth = 2048, kHeads = 32, kKeyValueHeads = 8, kHeadWidth = 64, kHidden = 5632;
const AttentionNeeds kNothing, kRowSums{.entropy = true, .sum_squares = true},
    kEverything{{0, 10}, {}, true, true, true, true};

at::Device gpu() { return {at::kCUDA, 0}; }

/// Runs a benchmark where there is a GPU.
template <typename Benchmark>
void with_gpu(benchmark::State& state, const Benchmark& run) {
  if (!at::hasCUDA()) return state.SkipWithError("no CUDA device on this machine");
  run();
}

/// Seconds of a run by the GPU's own clock, between the ends of `together` runs that follow one another.
template <typename Run>
void time_on_gpu(benchmark::State& state, int together, const Run& run) {
  at::cuda::CUDAEvent start(cudaEventDefault), end(cudaEventDefault);
  for (auto _ : state) {
    start.record();
    for (int i = 0; i < together; ++i) run();
    end.record();
    end.synchronize();
    state.SetIterationTime(start.elapsed_time(end) / 1e3 / together);
  }
}

/// The same without what the processor does for a run.
template <typename Run>
void time_graph(benchmark::State& state, const Run& run) {
  constexpr int kTogether = 10, kUntilRecorded = 3;
  CudaGraph graph(gpu());
  for (int i = 0; i < kUntilRecorded; ++i) graph.run(run);
  time_on_gpu(state, kTogether, [&] { graph.run(run); });
}

void set_rate(benchmark::State& state, const char* name, double amount) {
  state.counters[name] = benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
}

Tensor normal(at::IntArrayRef shape, at::ScalarType type = at::kBFloat16) {
  return at::randn(shape, at::TensorOptions(gpu()).dtype(type));
}

void in_milliseconds(benchmark::internal::Benchmark* bench) { bench->Unit(benchmark::kMillisecond)->UseManualTime(); }
void in_microseconds(benchmark::internal::Benchmark* bench) { bench->Unit(benchmark::kMicrosecond)->UseManualTime(); }

// ---- attention: T, K

void lengths_and_widths(benchmark::internal::Benchmark* bench) {
  in_milliseconds(bench);
  bench->Args({1024, 64})->Args({4096, 64})->Args({4096, 128});
}

/// `products` over the causal triangle: two, and a third one where attention received is asked for.
template <typename Attend>
void time_attention(benchmark::State& state, at::ScalarType type, int products, const Attend& attend) {
  with_gpu(state, [&] {
    const c10::InferenceMode guard;
    const auto length = state.range(0), width = state.range(1), sequences = kTokens / length;
    const auto heads = [&](int64_t n) { return normal({sequences, n, length, width}, type); };
    const auto q = heads(kHeads), k = heads(kKeyValueHeads), v = heads(kKeyValueHeads);
    const double scale = 1 / std::sqrt(static_cast<double>(width));
    time_graph(state, [&] { attend(q, k, v, scale); });
    const auto pairs = static_cast<double>(length * (length + 1)) / 2 * static_cast<double>(sequences * kHeads);
    set_rate(state, "FLOP/s", 2.0 * products * pairs * static_cast<double>(width));
  });
}

void attention(benchmark::State& state, at::ScalarType type, const AttentionNeeds& needs) {
  time_attention(state, type, needs.received ? 3 : 2, [&](const auto& q, const auto& k, const auto& v, double scale) {
    benchmark::DoNotOptimize(attend_cuda(q, k, v, {.scale = scale}, needs));
  });
}
BENCHMARK_CAPTURE(attention, bfloat16_no_statistics, at::kBFloat16, kNothing)->Apply(lengths_and_widths);
BENCHMARK_CAPTURE(attention, bfloat16_row_sums, at::kBFloat16, kRowSums)->Apply(lengths_and_widths);
BENCHMARK_CAPTURE(attention, bfloat16_everything, at::kBFloat16, kEverything)->Apply(lengths_and_widths);
BENCHMARK_CAPTURE(attention, float32_everything, at::kFloat, kEverything)->Apply(lengths_and_widths);

void plain_attention(benchmark::State& state, at::ScalarType type) {
  time_attention(state, type, 2, [](const auto& q, const auto& k, const auto& v, double scale) {
    benchmark::DoNotOptimize(attend_plain(q, k, v, {.scale = scale}, kEverything));
  });
}
BENCHMARK_CAPTURE(plain_attention, bfloat16_everything, at::kBFloat16)->Apply(lengths_and_widths);
BENCHMARK_CAPTURE(plain_attention, float32_everything, at::kFloat)->Apply(lengths_and_widths);

/// FlashAttention as LibTorch has it; gives no statistics.
void flash_attention(benchmark::State& state) {
  auto& context = at::globalContext();
  context.setSDPUseMath(false);
  context.setSDPUseMemEfficient(false);
  context.setSDPUseCuDNN(false);
  time_attention(state, at::kBFloat16, 2, [](const auto& q, const auto& k, const auto& v, double scale) {
    benchmark::DoNotOptimize(at::scaled_dot_product_attention(q, k, v, {}, 0, true, scale, /*enable_gqa=*/true));
  });
  context.setSDPUseMath(true);
  context.setSDPUseMemEfficient(true);
  context.setSDPUseCuDNN(true);
}
BENCHMARK(flash_attention)->Apply(lengths_and_widths);

// ---- what has gradients

/// Forward and backward of y = f(leaves); `elements` of bfloat16 are read and written at least.
template <typename Function>
void time_both_ways(benchmark::State& state, const std::vector<std::vector<int64_t>>& shapes, double elements,
                    const Function& f) {
  std::vector<Tensor> leaves;
  for (const auto& shape : shapes) leaves.push_back(normal(shape).requires_grad_(true));
  time_graph(state, [&] {
    const auto y = f(leaves);
    benchmark::DoNotOptimize(torch::autograd::grad({y}, leaves, {at::ones_like(y)}));
  });
  set_rate(state, "bytes/s", 2 * elements);
}

template <typename Norm>
void time_norm(benchmark::State& state, const Norm& norm) {
  with_gpu(state, [&] {
    const auto rows = state.range(0), width = state.range(1);
    const auto gain = normal({width}, at::kFloat).requires_grad_(true);
    time_both_ways(state, {{rows, width}}, 5.0 * static_cast<double>(rows * width),
                   [&](const auto& in) { return norm(in[0], gain); });
  });
}

/// Rows of heads, and of the residual stream.
void rows_and_widths(benchmark::internal::Benchmark* bench) {
  in_microseconds(bench);
  bench->Args({kTokens * kHeads, kHeadWidth})->Args({kTokens, kWidth});
}

void rms_norm_kernel(benchmark::State& state) {
  time_norm(state, [](const auto& x, const auto& gain) { return cuda_rms_norm(x, gain, 1e-6, at::kBFloat16); });
}
BENCHMARK(rms_norm_kernel)->Apply(rows_and_widths);

void rms_norm_plain(benchmark::State& state) {
  time_norm(state, [](const auto& x, const auto& gain) {
    const auto wide = widened(x);
    return (wide * at::rsqrt(wide.square().mean(-1, true) + 1e-6) * gain).to(x.scalar_type());
  });
}
BENCHMARK(rms_norm_plain)->Apply(rows_and_widths);

template <typename Activation>
void time_swiglu(benchmark::State& state, const Activation& activation) {
  constexpr double kMoved = 8.0 * kTokens * kHidden;  // 3 forward, 5 backward
  with_gpu(state, [&] {
    time_both_ways(state, {{kTokens, kHidden}, {kTokens, kHidden}}, kMoved,
                   [&](const auto& in) { return activation(in[0], in[1]); });
  });
}

void swiglu_kernel(benchmark::State& state) { time_swiglu(state, fused_swiglu); }
BENCHMARK(swiglu_kernel)->Apply(in_microseconds);

void swiglu_plain(benchmark::State& state) {
  time_swiglu(state, [](const auto& gate, const auto& up) { return at::silu(gate) * up; });
}
BENCHMARK(swiglu_plain)->Apply(in_microseconds);

template <typename Turn>
void time_rotary(benchmark::State& state, const Turn& turn) {
  constexpr int64_t kLength = 2048;
  with_gpu(state, [&] {
    const auto angle = normal({kLength, kHeadWidth / 2}, at::kFloat).repeat({1, 2}), cosine = angle.cos(),
               sine = angle.sin();
    time_both_ways(state, {{kTokens / kLength, kLength, kHeads, kHeadWidth}}, 4.0 * kTokens * kHeads * kHeadWidth,
                   [&](const auto& in) { return turn(in[0].transpose(1, 2), cosine, sine); });
  });
}

void rotary_kernel(benchmark::State& state) { time_rotary(state, fused_rotary); }
BENCHMARK(rotary_kernel)->Apply(in_microseconds);

void rotary_plain(benchmark::State& state) {
  time_rotary(state, [](const Tensor& x, const Tensor& cosine, const Tensor& sine) {
    const auto halves = x.chunk(2, -1);
    return (x * cosine + at::cat({-halves[1], halves[0]}, -1) * sine).to(x.scalar_type());
  });
}
BENCHMARK(rotary_plain)->Apply(in_microseconds);

template <typename Loss>
void time_loss(benchmark::State& state, const Loss& loss) {
  with_gpu(state, [&] {
    const auto ids = state.range(0);
    const auto targets = at::randint(ids, {kTokens}, at::TensorOptions(gpu()).dtype(at::kLong));
    time_both_ways(state, {{kTokens, ids}}, 3.0 * static_cast<double>(kTokens * ids),
                   [&](const auto& in) { return loss(in[0], targets); });
  });
}

void vocabularies(benchmark::internal::Benchmark* bench) {
  in_milliseconds(bench);
  bench->Arg(49152)->Arg(50257);  // SmolLM's; GPT-2's, whose rows begin anywhere
}

/// The gradient takes the logits' place, so that from the second run on they are gradients; the time is the same.
void cross_entropy_kernel(benchmark::State& state) { time_loss(state, fused_cross_entropy); }
BENCHMARK(cross_entropy_kernel)->Apply(vocabularies);

void cross_entropy_plain(benchmark::State& state) {
  time_loss(state, [](const Tensor& logits, const Tensor& targets) {
    return at::cross_entropy_loss(widened(logits), targets);
  });
}
BENCHMARK(cross_entropy_plain)->Apply(vocabularies);

// ---- a training step

/// The paper's model of 152M weights, in the parts that a GPU takes of its batch.
Recipe paper_recipe(const std::string& arm) {
  Recipe recipe;
  recipe.model = {.layers = 12,
                  .width = 768,
                  .heads = 12,
                  .kv_heads = 12,
                  .head_width = 64,
                  .hidden = 3072,
                  .vocabulary = 50257,
                  .context = 1024,
                  .rope = {}};
  recipe.arm = arm;
  recipe.schedule = {.steps = 1 << 30};
  recipe.sequences = 32;
  recipe.bfloat16 = true;
  return recipe;
}

/// Shares of the peaks: three times the operations of a causal forward pass, over what the peak would do in that time.
void training_step(benchmark::State& state, const std::string& arm) {
  with_gpu(state, [&] {
    constexpr int kTogether = 5, kUntilRecorded = 3;
    const auto recipe = paper_recipe(arm);
    Trainer trainer(recipe, std::make_shared<OneBatch>(recipe.model, recipe.sequences), gpu());
    for (int i = 0; i < kUntilRecorded; ++i) trainer.step();
    time_on_gpu(state, kTogether, [&] { trainer.step(); });
    const auto length = recipe.model.context;
    const auto peak = peak_of(gpu(), true, 1);
    const auto flops = step_flops(recipe, length);
    set_rate(state, "tokens/s", static_cast<double>(recipe.sequences * length));
    set_rate(state, "MFU", flops / peak.measured);
    if (peak.nominal) set_rate(state, "nominal_MFU", flops / *peak.nominal);
    state.counters["peak"] = peak.measured;
    state.counters["weights"] = static_cast<double>(trainer.model().parameters().values().numel());
  });
}
BENCHMARK_CAPTURE(training_step, baseline, "baseline")->Apply(in_milliseconds);
BENCHMARK_CAPTURE(training_step, head_rms_norm, "head_rms_norm")->Apply(in_milliseconds);
BENCHMARK_CAPTURE(training_step, gated_attention, "gated_attention")->Apply(in_milliseconds);
BENCHMARK_CAPTURE(training_step, sigmoid_attention, "sigmoid_attention")->Apply(in_milliseconds);

// ---- an observing pass

/// Random weights that stay on the GPU, in bfloat16.
class Resident : public WeightSource {
 public:
  Resident(const ModelConfig& config, int64_t vocabulary) : embedding_(normal({vocabulary, config.width}, at::kFloat)) {
    const auto source = cast_weights(random_weights(config, 1, gpu()), at::kBFloat16);
    for (int64_t layer = 1; layer <= config.layers; ++layer) blocks_.push_back(source->block(layer));
  }
  BlockWeights block(int64_t layer) const override { return blocks_.at(static_cast<size_t>(layer - 1)); }
  Tensor embed(const Tensor& ids) const override { return at::embedding(embedding_, ids.to(gpu())); }
  Tensor final_norm() const override { return blocks_.front().attention_norm; }
  Tensor head() const override { return embedding_; }

 private:
  Tensor embedding_;
  std::vector<BlockWeights> blocks_;
};

/// In the shape of Llama 3.2 1B, without its vocabulary: no pass makes logits.
std::shared_ptr<const Model> billion() {
  ModelConfig config{.layers = 16,
                     .width = 2048,
                     .heads = 32,
                     .kv_heads = 8,
                     .head_width = 64,
                     .hidden = 8192,
                     .vocabulary = 1024,
                     .context = 4096,
                     .rope = {}};
  return std::make_shared<const Model>(Model{"1B", config, std::make_shared<Resident>(config, config.vocabulary)});
}

constexpr int64_t kSequences = 32, kLength = 4096, kBatch = 4;

Tokens long_tokens() {
  auto generator = at::detail::createCPUGenerator();
  return make_tokens(at::randint(0, 1024, {kSequences, kLength}, generator, at::kLong));
}

template <typename Pass>
void time_pass(benchmark::State& state, const Pass& pass) {
  with_gpu(state, [&] {
    const auto model = billion();
    const auto ids = long_tokens();
    pass(model, ids);
    time_on_gpu(state, 1, [&] { pass(model, ids); });
    set_rate(state, "tokens/s", static_cast<double>(kSequences * kLength));
  });
}

void plain_pass(benchmark::State& state) {
  time_pass(state, [](const auto& model, const auto& ids) {
    const c10::InferenceMode guard;
    const auto rotary = positions_of(model->config, kLength, gpu()).front();
    for (const auto& part : ids->ids.split(kBatch)) {
      auto x = model->weights->embed(part);
      for (int64_t layer = 1; layer <= model->config.layers; ++layer) {
        x = fused_block(model->config, model->weights->block(layer), rotary, x);
      }
      benchmark::DoNotOptimize(x);
    }
  });
}
BENCHMARK(plain_pass)->Apply(in_milliseconds);

/// What sink_onset reads of every layer.
void observing_pass(benchmark::State& state) {
  time_pass(state, [](const auto& model, const auto& ids) {
    run({{model, ids, {}, {watch_columns({0}), watch_norms()}}}, {.batch_tokens = kBatch * kLength, .device = gpu()});
  });
}
BENCHMARK(observing_pass)->Apply(in_milliseconds);

}  // namespace
}  // namespace replicate
