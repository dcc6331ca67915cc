// Changes of the weights that leave the function alone, or that only rename its parts: what is measured must stay, or
// be renamed in the same way. Permuted hidden neurons, permuted residual dimensions, W_up scaled against W_down. A
// rotated residual stream keeps all but its sparsity.

#include <gtest/gtest.h>

#include "base/statistics.h"
#include "harness/study/measures/disparity.h"
#include "harness/study/surveyor.h"
#include "tests/support/planted_model.h"
#include "tests/support/small_model.h"
#include "tests/support/survey_rules.h"

namespace replicate {
namespace {

using Indices = std::vector<int64_t>;
using BlockMap = std::function<BlockWeights(int64_t layer, BlockWeights weights)>;

/// Another model's weights, changed block by block, and what stands along the residual stream's dimensions permuted.
class MappedWeights : public WeightSource {
 public:
  MappedWeights(std::shared_ptr<const WeightSource> source, BlockMap block, Tensor dimensions = {})
      : source_(std::move(source)), block_(std::move(block)), dimensions_(std::move(dimensions)) {}
  BlockWeights block(int64_t layer) const override { return block_(layer, source_->block(layer)); }
  Tensor embed(const Tensor& ids) const override { return permuted(source_->embed(ids)); }
  Tensor final_norm() const override { return permuted(source_->final_norm()); }
  Tensor head() const override { return permuted(source_->head()); }

 private:
  Tensor permuted(const Tensor& x) const { return dimensions_.defined() ? x.index_select(-1, dimensions_) : x; }

  std::shared_ptr<const WeightSource> source_;
  BlockMap block_;
  Tensor dimensions_;
};

std::shared_ptr<const Model> mapped(const std::shared_ptr<const Model>& model, BlockMap block, Tensor dimensions = {}) {
  return std::make_shared<const Model>(
      Model{model->name, model->config,
            std::make_shared<MappedWeights>(model->weights, std::move(block), std::move(dimensions))});
}

Tensor random_normal(at::IntArrayRef shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator();
  generator.set_current_seed(seed);
  return at::randn(shape, generator, at::kFloat);
}

/// Random weights large enough that attention and activations are far from linear, gains that differ, and biases.
std::shared_ptr<const Model> lively_model(const ModelConfig& config = small_model()->config) {
  const auto random = std::make_shared<const Model>(Model{"lively", config, random_weights(config, 7, at::kCPU)});
  return mapped(random, [](int64_t layer, BlockWeights w) {
    for (auto* matrix : {&w.query, &w.key, &w.value, &w.output, &w.gate, &w.up, &w.down}) *matrix = *matrix * 15;
    if (w.output_gate.defined()) w.output_gate = w.output_gate * 15;
    w.attention_norm = w.attention_norm + 0.5 * random_normal(w.attention_norm.sizes(), layer).tanh();
    w.ffn_norm = w.ffn_norm + 0.5 * random_normal(w.ffn_norm.sizes(), 100 + layer).tanh();
    for (auto* bias : {&w.query_bias, &w.key_bias, &w.value_bias, &w.output_bias, &w.up_bias, &w.down_bias}) {
      if (bias->defined()) *bias = 0.3 * random_normal(bias->sizes(), 200 + layer);
    }
    return w;
  });
}

Tensor permutation(int64_t n, uint64_t seed) { return at::tensor(Random(seed).permutation(n), at::kLong); }

/// New index of each old one.
Tensor new_names(const Tensor& permutation) { return permutation.argsort(); }

/// Neuron n of the result is neuron order[n] of the model, in every layer.
std::shared_ptr<const Model> with_neurons(const std::shared_ptr<const Model>& model, const Tensor& order) {
  return mapped(model, [order](int64_t, BlockWeights w) {
    w.gate = w.gate.index_select(0, order);
    w.up = w.up.index_select(0, order);
    w.down = w.down.index_select(1, order);
    return w;
  });
}

/// Residual dimension d of the result is dimension order[d] of the model.
std::shared_ptr<const Model> with_dimensions(const std::shared_ptr<const Model>& model, const Tensor& order) {
  return mapped(
      model,
      [order](int64_t, BlockWeights w) {
        for (auto* reads : {&w.attention_norm, &w.query, &w.key, &w.value, &w.ffn_norm, &w.gate, &w.up}) {
          *reads = reads->index_select(-1, order);
        }
        for (auto* writes : {&w.output, &w.down}) *writes = writes->index_select(0, order);
        return w;
      },
      order);
}

/// A random orthogonal matrix: [D, D] float64.
Tensor random_basis(int64_t width, uint64_t seed) {
  return std::get<0>(at::linalg_qr(random_normal({width, width}, seed).to(at::kDouble)));
}

/// The same function with the residual stream h Q in place of h, Q an orthogonal matrix [D, D]. RMSNorm without a gain
/// commutes with Q, so its gain g is folded into what reads the stream after it: W diag(g) Q. What writes: Q^T W.
class RotatedWeights : public WeightSource {
 public:
  RotatedWeights(std::shared_ptr<const WeightSource> source, Tensor basis)
      : source_(std::move(source)), basis_(std::move(basis)) {}

  BlockWeights block(int64_t layer) const override {
    auto w = source_->block(layer);
    for (auto* reads : {&w.query, &w.key, &w.value, &w.output_gate}) *reads = rotated(*reads, w.attention_norm);
    for (auto* reads : {&w.gate, &w.up}) *reads = rotated(*reads, w.ffn_norm);
    for (auto* writes : {&w.output, &w.down}) *writes = rotated(writes->t()).t().contiguous();
    for (auto* writes : {&w.output_bias, &w.down_bias}) *writes = rotated(*writes);
    for (auto* gain : {&w.attention_norm, &w.ffn_norm}) *gain = at::ones_like(*gain);
    return w;
  }
  Tensor embed(const Tensor& ids) const override { return rotated(source_->embed(ids)); }
  Tensor final_norm() const override { return at::ones_like(source_->final_norm()); }
  Tensor head() const override { return rotated(source_->head(), source_->final_norm()); }

 private:
  /// x diag(gain) Q, computed in float64: [..., D]. A weight that the model does not have stays undefined.
  Tensor rotated(const Tensor& x, const Tensor& gain = at::ones({})) const {
    return x.defined() ? at::matmul(x.to(at::kDouble) * gain, basis_).to(at::kFloat) : x;
  }

  std::shared_ptr<const WeightSource> source_;
  Tensor basis_;
};

std::shared_ptr<const Model> with_basis(const std::shared_ptr<const Model>& model, const Tensor& basis) {
  return std::make_shared<const Model>(
      Model{model->name, model->config, std::make_shared<RotatedWeights>(model->weights, basis)});
}

/// W_up's row times c, W_down's column over c, in these neurons (all when empty) of every layer.
std::shared_ptr<const Model> with_up_scaled(const std::shared_ptr<const Model>& model, double c,
                                            const Indices& neurons = {}) {
  return mapped(model, [c, neurons](int64_t, BlockWeights w) {
    auto factor = at::ones({w.up.size(0)});
    if (neurons.empty()) factor.fill_(c);
    for (const auto n : neurons) factor[n] = c;
    w.up = w.up * factor.unsqueeze(1);
    w.down = w.down / factor;
    return w;
  });
}

/// All that is looked at in one model.
struct View {
  Tensor columns;   // [B, L, 3, T]
  Tensor norms;     // [B, L + 1, 3]
  Tensor residual;  // [B, L + 1, T, D]
  Tensor logits;    // [B, T, V]
  std::shared_ptr<NeuronProbe> neurons = std::make_shared<NeuronProbe>();
  Survey survey;
};

View look(const std::shared_ptr<const Model>& model) {
  const auto columns = watch_columns({0, 3, 9});
  const auto norms = watch_norms();
  const auto residual = watch_residual([](const Tensor& x) { return x; });
  const auto logits = watch(Site::logits, [](const Tensor& x) { return x; });
  const Surveyor surveyor(survey_rules());
  View view;
  auto probes = surveyor.probes();
  probes.insert(probes.end(), {columns, norms, residual, logits, view.neurons});
  const auto& c = model->config;
  run({{model, random_tokens(6, 32, c.vocabulary, 5), {}, probes}}, {});
  view.columns = columns->layers();
  view.norms = norms->layers();
  view.residual = residual->layers();
  view.logits = logits->layer(c.layers + 1);
  view.survey = surveyor.reduce(c.layers, 32);
  return view;
}

/// Within 1e-4 of its size.
void expect_same(const Tensor& a, const Tensor& b, const std::string& what) {
  ASSERT_EQ(a.sizes(), b.sizes()) << what;
  EXPECT_LT(((a - b).abs() / (1 + b.abs())).max().item<double>(), 1e-4) << what;
}

void expect_same_function(const View& a, const View& b) {
  expect_same(a.columns, b.columns, "attention");
  expect_same(a.norms, b.norms, "norms");
  expect_same(a.logits, b.logits, "logits");
}

/// The spikes and sink layers, whose numbers move by rounding only.
void expect_same_sinks(const Survey& a, const Survey& b) {
  EXPECT_EQ(a.sinks.sink_layers, b.sinks.sink_layers);
  EXPECT_EQ(a.sinks.dominant_spike, b.sinks.dominant_spike);
  ASSERT_EQ(a.sinks.spikes.size(), b.sinks.spikes.size());
  ASSERT_EQ(a.writers.size(), b.writers.size());
  for (size_t i = 0; i < a.sinks.spikes.size(); ++i) {
    EXPECT_EQ(a.sinks.spikes[i].layer, b.sinks.spikes[i].layer);
    EXPECT_NEAR(a.sinks.spikes[i].growth / b.sinks.spikes[i].growth, 1, 1e-4);
  }
}

Indices renamed(const Indices& old, const Tensor& names) {
  Indices all;
  for (const auto index : old) all.push_back(names[index].item<int64_t>());
  return all;
}

class Equivariance : public testing::TestWithParam<bool> {
 protected:
  std::shared_ptr<const Model> model_ = GetParam() ? planted_model(1) : lively_model();
  View plain_ = look(model_);
};

/// `as` says where each old neuron is to be found: [F].
void expect_same_neurons(const View& changed, const View& plain, int64_t layer, const Tensor& as, double scale = 1) {
  const auto moved = [&](const Tensor& x) { return x.index_select(-1, new_names(as)); };
  const auto &a = *changed.neurons, &b = *plain.neurons;
  const auto &wa = a.weights(layer), &wb = b.weights(layer);
  expect_same(a.first(layer), scale * moved(b.first(layer)), "first");
  expect_same(a.rest_max(layer), scale * moved(b.rest_max(layer)), "rest_max");
  expect_same(a.rest_mean(layer), scale * moved(b.rest_mean(layer)), "rest_mean");
  expect_same(a.written_share(layer), moved(b.written_share(layer)), "written_share");
  expect_same(wa.gate_norm_z, moved(wb.gate_norm_z), "gate_norm_z");
  expect_same(wa.up_norm_z, moved(wb.up_norm_z), "up_norm_z");
  expect_same(wa.down_norm, moved(wb.down_norm) / scale, "down_norm");
  expect_same(wa.down_kurtosis, moved(wb.down_kurtosis), "down_kurtosis");
  expect_same(wa.down_top_share, moved(wb.down_top_share), "down_top_share");
}

TEST_P(Equivariance, PermutedNeuronsAreTheSameFunctionUnderOtherNames) {
  const auto order = permutation(model_->config.hidden, 8), names = new_names(order);
  const auto changed = look(with_neurons(model_, order));
  expect_same_function(changed, plain_);
  expect_same(changed.residual, plain_.residual, "residual");
  expect_same_sinks(changed.survey, plain_.survey);
  for (int64_t layer = 1; layer <= model_->config.layers; ++layer) {
    expect_same_neurons(changed, plain_, layer, names);
    EXPECT_TRUE(at::equal(changed.neurons->weights(layer).outlier_dimension,
                          plain_.neurons->weights(layer).outlier_dimension.index_select(0, order)));
  }
  for (size_t i = 0; i < plain_.survey.writers.size(); ++i) {
    const auto &now = changed.survey.writers[i], &was = plain_.survey.writers[i];
    EXPECT_EQ(now.neurons, renamed(was.neurons, names));
    EXPECT_EQ(now.matched_neurons, renamed(was.matched_neurons, names));
    EXPECT_EQ(now.by_criteria, was.by_criteria);
    EXPECT_EQ(now.dimensions, was.dimensions);
    EXPECT_EQ(now.matched_dimensions, was.matched_dimensions);
  }
}

TEST_P(Equivariance, PermutedDimensionsAreTheSameFunctionUnderOtherNames) {
  const auto order = permutation(model_->config.width, 9), names = new_names(order);
  const auto changed = look(with_dimensions(model_, order));
  expect_same_function(changed, plain_);
  expect_same(changed.residual, plain_.residual.index_select(-1, order), "residual");
  expect_same_sinks(changed.survey, plain_.survey);
  const auto same = at::arange(model_->config.hidden);
  for (int64_t layer = 1; layer <= model_->config.layers; ++layer) {
    expect_same_neurons(changed, plain_, layer, same);
    EXPECT_TRUE(at::equal(changed.neurons->weights(layer).outlier_dimension,
                          names.index_select(0, plain_.neurons->weights(layer).outlier_dimension)));
  }
  for (size_t i = 0; i < plain_.survey.writers.size(); ++i) {
    const auto &now = changed.survey.writers[i], &was = plain_.survey.writers[i];
    EXPECT_EQ(now.neurons, was.neurons);
    EXPECT_EQ(now.matched_neurons, was.matched_neurons);
    EXPECT_EQ(now.dimensions, renamed(was.dimensions, names));
    EXPECT_EQ(now.matched_dimensions, renamed(was.matched_dimensions, names));
  }
}

TEST_P(Equivariance, UpAgainstDownIsTheSameFunctionWithOtherActivations) {
  for (const double c : {0.1, 8.0}) {
    const auto changed = look(with_up_scaled(model_, c));
    expect_same_function(changed, plain_);
    expect_same(changed.residual, plain_.residual, "residual");
    expect_same_sinks(changed.survey, plain_.survey);
    for (int64_t layer = 1; layer <= model_->config.layers; ++layer) {
      expect_same_neurons(changed, plain_, layer, at::arange(model_->config.hidden), c);
    }
    for (size_t i = 0; i < plain_.survey.writers.size(); ++i) {
      EXPECT_EQ(changed.survey.writers[i].neurons, plain_.survey.writers[i].neurons);
      EXPECT_EQ(changed.survey.writers[i].matched_neurons, plain_.survey.writers[i].matched_neurons);
      EXPECT_EQ(changed.survey.writers[i].by_criteria, plain_.survey.writers[i].by_criteria);
    }
  }
}

TEST_P(Equivariance, ARotatedStreamIsTheSameFunctionInAnotherBasis) {
  const auto basis = random_basis(model_->config.width, 10);
  const auto changed = look(with_basis(model_, basis));
  expect_same_function(changed, plain_);
  expect_same_sinks(changed.survey, plain_.survey);
  expect_same(changed.residual, at::matmul(plain_.residual.to(at::kDouble), basis), "residual");
  EXPECT_GT((changed.residual - plain_.residual).abs().max().item<double>(), 0.5);
}

INSTANTIATE_TEST_SUITE_P(Models, Equivariance, testing::Bool(),
                         [](const auto& info) { return info.param ? "planted" : "random"; });

TEST(Equivariance, ARotationGoesThroughGatesBiasesAndNormsOfHeads) {
  auto config = small_model()->config;
  config.qkv_bias = config.output_bias = config.ffn_bias = config.output_gate = config.head_rms_norm = true;
  config.query_key_norm = QueryKeyNorm::heads;
  const auto model = lively_model(config);
  expect_same_function(look(with_basis(model, random_basis(config.width, 10))), look(model));
}

/// max|h| / mean|h| of position 0 at the input of each sink layer: [B, S].
Tensor dominance_in_sinks(const View& view, const Indices& sinks) {
  return dominance_ratio(view.residual.select(2, 0).index_select(1, at::tensor(sinks, at::kLong) - 1));
}

/// The sink needs a constant direction, and the same one in a basis in which no dimension stands out.
TEST(Equivariance, ARotationTakesTheDominanceAndLeavesTheSink) {
  const auto model = planted_model(1);
  const auto plain = look(model);
  const auto& sinks = plain.survey.sinks.sink_layers;
  ASSERT_FALSE(sinks.empty());
  const auto dense = dominance_ratio(random_normal({1000, model->config.width}, 11));  // of Gaussian vectors
  const double most = dense.max().item<double>();
  EXPECT_GT(dominance_in_sinks(plain, sinks).min().item<double>(), 4 * most);
  for (const uint64_t seed : {1, 2, 3}) {
    const auto changed = look(with_basis(model, random_basis(model->config.width, seed)));
    expect_same_function(changed, plain);
    EXPECT_EQ(changed.survey.sinks.sink_layers, sinks);
    EXPECT_LT(dominance_in_sinks(changed, sinks).max().item<double>(), most) << seed;
  }
}

/// What the criteria say depends on how a neuron's size is split between W_up and W_down; what it contributes does not.
TEST(Equivariance, AnOrdinaryUpRowTakesTheCriteriaFromASuperNeuron) {
  const auto plain = look(planted_model(1));
  ASSERT_TRUE(plain.survey.writers_of(kPlantedSpike).by_criteria);
  const auto changed = look(with_up_scaled(planted_model(1), 0.01, {kPlantedNeuron}));
  expect_same_function(changed, plain);
  expect_same_sinks(changed.survey, plain.survey);
  const auto& writers = changed.survey.writers_of(kPlantedSpike);
  EXPECT_FALSE(writers.by_criteria);
  ASSERT_EQ(writers.neurons.size(), static_cast<size_t>(kTopWriters));
  EXPECT_EQ(writers.neurons.front(), kPlantedNeuron);
  for (const auto neuron : writers.matched_neurons) {
    EXPECT_EQ(std::count(writers.neurons.begin(), writers.neurons.end(), neuron), 0);
  }
}

/// The random model must be far from trivial for all this to mean something.
TEST(Equivariance, TheRandomModelIsFarFromLinear) {
  const auto view = look(lively_model());
  const auto later = view.columns.select(2, 0).slice(2, 1);
  EXPECT_GT(later.std(2).mean().item<double>(), 0.05);
  EXPECT_GT((view.residual.select(1, 3) - view.residual.select(1, 0)).abs().mean().item<double>(), 0.1);
}

}  // namespace
}  // namespace replicate
