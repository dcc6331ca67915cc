#include "models/core/executor.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "models/core/cast_weights.h"
#include "models/core/watch.h"
#include "tests/support/compared_tensors.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

Lane lane(const Tokens& tokens, std::vector<Patch> patches, std::shared_ptr<Probe> probe,
          std::shared_ptr<const Model> model = small_model()) {
  return {std::move(model), tokens, std::move(patches), {std::move(probe)}};
}

/// The residual stream [B, L + 1, T, D] of a lane that runs alone.
Tensor alone(const Tokens& tokens, std::vector<Patch> patches, ExecutorOptions options = {}) {
  const auto probe = residual();
  EXPECT_TRUE(run({lane(tokens, std::move(patches), probe)}, options));
  return probe->layers();
}

/// A block written from the definition with a materialised mask, float64, to hold the executor against.
Tensor reference_block(const ModelConfig& c, const BlockWeights& w, const Tensor& x, const Tensor& visible) {
  const auto d = [](const Tensor& t) { return t.to(at::kDouble); };
  const auto norm = [&](const Tensor& h) { return h / (h.square().mean(-1, true) + c.norm_eps).sqrt(); };
  const auto b = x.size(0), t = x.size(1), half = c.head_width / 2;
  const auto frequency = at::pow(c.rope.theta, at::arange(0, half, at::kDouble) * (-2.0 / c.head_width));
  const auto angle = at::outer(at::arange(t, at::kDouble), frequency);  // [T, K / 2]
  const auto heads = [&](const Tensor& weight, int64_t n, bool rotated) {
    const auto y = at::matmul(norm(x) * d(w.attention_norm), d(weight).t()).view({b, t, n, c.head_width});
    if (!rotated) return y.transpose(1, 2);
    const auto re = y.slice(3, 0, half), im = y.slice(3, half);
    const auto cs = angle.cos().view({t, 1, half}), sn = angle.sin().view({t, 1, half});
    return at::cat({re * cs - im * sn, re * sn + im * cs}, 3).transpose(1, 2);
  };
  const auto group = c.heads / c.kv_heads;
  const auto q = heads(w.query, c.heads, true);
  const auto k = heads(w.key, c.kv_heads, true).repeat_interleave(group, 1);
  const auto v = heads(w.value, c.kv_heads, false).repeat_interleave(group, 1);
  const auto scores = at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(c.head_width));
  const auto a = scores.masked_fill(visible.logical_not(), -INFINITY).softmax(-1);
  const auto mid = x + at::matmul(at::matmul(a, v).transpose(1, 2).flatten(2), d(w.output).t());
  const auto h = norm(mid) * d(w.ffn_norm);
  const auto gate = at::matmul(h, d(w.gate).t());
  return mid + at::matmul(gate * gate.sigmoid() * at::matmul(h, d(w.up).t()), d(w.down).t());
}

Tensor reference(const Model& model, const Tensor& ids, const Tensor& visible) {
  std::vector<Tensor> stream{model.weights->embed(ids).to(at::kDouble)};
  for (int64_t layer = 1; layer <= model.config.layers; ++layer) {
    stream.push_back(reference_block(model.config, model.weights->block(layer), stream.back(), visible));
  }
  return at::stack(stream, 1);
}

TEST(Executor, MatchesABlockWrittenFromTheDefinition) {
  const auto model = small_model();
  const auto tokens = random_tokens(2, 20);
  const auto causal = at::ones({20, 20}, at::kBool).tril();
  EXPECT_LT(largest_difference(alone(tokens, {}), reference(*model, tokens->ids, causal)), 1e-6);
}

TEST(Executor, RowMaskMatchesAMaterialisedMask) {
  const auto model = small_model();
  const auto tokens = random_tokens(2, 20);
  auto visible = at::ones({20, 20}, at::kBool).tril();
  visible[10].zero_();
  visible[10][10] = true;
  visible[10][3] = true;
  const auto patched = alone(tokens, {RowMask{{1, 3}, {10, {{3, 10}}}}});
  EXPECT_LT(largest_difference(patched, reference(*model, tokens->ids, visible)), 1e-6);
}

TEST(Executor, IdentityAttentionMatchesAMaterialisedMask) {
  const auto model = small_model();
  const auto tokens = random_tokens(1, 12);
  const auto patched = alone(tokens, {IdentityAttention{{1, 3}}});
  EXPECT_LT(largest_difference(patched, reference(*model, tokens->ids, at::eye(12).to(at::kBool))), 1e-6);
}

TEST(Executor, SelfOnlyEverywhereMakesACopyOfAFirstToken) {
  const auto tokens = random_tokens(1, 24);
  const int64_t k = 10;
  const auto first = make_tokens(tokens->ids.slice(1, k));
  const auto masked = alone(tokens, {RowMask{{1, 3}, {k, {{k}}}}});
  EXPECT_LT(largest_difference(masked.select(2, k), alone(first, {}).select(2, 0)), 1e-5);
}

TEST(Executor, AffinePatchChangesJustWhatItNames) {
  const auto tokens = random_tokens(2, 8);
  const auto before = residual(), after = residual();
  const auto head = watch(Site::head_output, [](const Tensor& x) { return x.flatten(2); });
  const auto patched = watch(Site::head_output, [](const Tensor& x) { return x.flatten(2); });
  const AffinePatch patch{Site::head_output, {2, 2}, {3}, {0, 5}, 2, {{1, -1}}};
  const auto model = small_model();
  run({{model, tokens, {}, {before, head}}, {model, tokens, {patch}, {after, patched}}}, {});
  auto expected = head->layer(2).clone();
  expected.select(1, 3).select(1, 0).mul_(2).add_(1);
  expected.select(1, 3).select(1, 5).mul_(2).sub_(1);
  EXPECT_LT(largest_difference(patched->layer(2), expected), 1e-6);
  EXPECT_EQ(largest_difference(before->layer(2), after->layer(2)), 0);
  EXPECT_GT(largest_difference(before->layer(3).select(1, 3), after->layer(3).select(1, 3)), 1e-6);
  EXPECT_EQ(largest_difference(before->layer(4).slice(1, 0, 3), after->layer(4).slice(1, 0, 3)), 0);
}

TEST(Executor, AffinePatchReplacesAtSitesWithHeadsFirst) {
  const auto tokens = random_tokens(1, 8);
  const auto seen = watch(Site::key, [](const Tensor& k) { return k; });  // [B, G, T, K]
  const AffinePatch patch{Site::key, {1, 1}, {2}, {}, 0, {std::vector<float>(12, 0.5F)}};
  run({lane(tokens, {patch}, seen)}, {});
  EXPECT_TRUE((seen->layer(1).select(2, 2) == 0.5).all().item<bool>());
  EXPECT_FALSE((seen->layer(1).select(2, 3) == 0.5).all().item<bool>());
}

std::shared_ptr<const Model> cast_model(at::ScalarType type) {
  const auto model = small_model();
  return std::make_shared<const Model>(Model{"cast", model->config, cast_weights(model->weights, type)});
}

/// The residual stream of a model whose products are in another type.
Tensor computed_in(at::ScalarType type, std::vector<Patch> patches) {
  const auto probe = residual();
  run({lane(random_tokens(2, 12), std::move(patches), probe, cast_model(type))}, {});
  return probe->layers();
}

TEST(Executor, ComputesInSmallerTypesAndLooksInFloat32) {
  const auto exact = alone(random_tokens(2, 12), {});
  const double scale = exact.abs().max().item<double>();
  const auto bfloat16 = largest_difference(computed_in(at::kBFloat16, {}), exact) / scale;
  const auto float16 = largest_difference(computed_in(at::kHalf, {}), exact) / scale;
  EXPECT_LT(bfloat16, 0.02);
  EXPECT_GT(bfloat16, 1e-6);  // it was not float32
  EXPECT_LT(float16, bfloat16);
  EXPECT_EQ(largest_difference(computed_in(at::kFloat, {}), exact), 0);
}

TEST(Executor, PatchesActInSmallerTypesToo) {
  const AffinePatch patch{Site::hidden, {2, 2}, {3}, {0, 5}, 0, {{1, -1}}};
  const auto seen = watch(Site::hidden, [](const Tensor& x) { return x; });
  run({lane(random_tokens(2, 12), {patch}, seen, cast_model(at::kBFloat16))}, {});
  EXPECT_TRUE((seen->layer(2).select(1, 3).select(1, 5) == -1).all().item<bool>());
}

TEST(Executor, SharedPrefixesGiveWhatLanesGiveAlone) {
  const auto model = small_model();
  const auto tokens = random_tokens(3, 16), others = random_tokens(2, 10, 50, 99);
  const RowMask early{{1, 3}, {5, {{5}}}}, late{{3, 3}, {5, {{5}}}};
  const std::vector<std::pair<Tokens, std::vector<Patch>>> cases = {
      {tokens, {}}, {tokens, {early}}, {tokens, {late}}, {others, {}}, {tokens, {late}}};
  Plan plan;
  std::vector<std::shared_ptr<Watch>> probes;
  for (const auto& [ids, patches] : cases) {
    probes.push_back(residual());
    plan.push_back({model, ids, patches, {probes.back()}});
  }
  ASSERT_TRUE(run(plan, {}));
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(largest_difference(probes[i]->layers(), alone(cases[i].first, cases[i].second)), 0) << i;
  }
}

TEST(Executor, EstimateCountsASharedPrefixOnce) {
  const auto model = small_model();
  const auto tokens = random_tokens(3, 16);
  const auto flops = [&](const std::vector<Patch>& second) {
    return estimate({lane(tokens, {}, residual(), model), lane(tokens, second, residual(), model)}, {}).flops;
  };
  const double block = block_flops(model->config, 3, 16);
  EXPECT_DOUBLE_EQ(flops({}), 3 * block);
  EXPECT_DOUBLE_EQ(flops({RowMask{{3, 3}, {5, {{5}}}}}), 4 * block);
  EXPECT_DOUBLE_EQ(flops({RowMask{{1, 1}, {5, {{5}}}}}), 6 * block);
}

/// Ids are compared, whatever the labels.
TEST(Executor, RunsEqualIdsOnce) {
  const auto model = small_model();
  const auto tokens = random_tokens(3, 16);
  const auto again = make_tokens(tokens->ids.clone(), "again"), transposed = make_tokens(tokens->ids.view({16, 3}));
  const auto flops = [&](const Tokens& second) {
    return estimate({lane(tokens, {}, residual(), model), lane(second, {}, residual(), model)}, {}).flops;
  };
  EXPECT_DOUBLE_EQ(flops(again), 3 * block_flops(model->config, 3, 16));
  EXPECT_DOUBLE_EQ(flops(transposed), 3 * (block_flops(model->config, 3, 16) + block_flops(model->config, 16, 3)));
}

/// Counts how often each block is read and let go.
class CountedWeights : public WeightSource {
 public:
  explicit CountedWeights(std::shared_ptr<const WeightSource> source) : source_(std::move(source)) {}
  BlockWeights block(int64_t layer) const override {
    ++read_[layer];
    return source_->block(layer);
  }
  Tensor embed(const Tensor& ids) const override { return source_->embed(ids); }
  Tensor final_norm() const override { return source_->final_norm(); }
  Tensor head() const override { return source_->head(); }
  void release(int64_t layer) const override { ++released_[layer]; }

  mutable std::map<int64_t, int> read_, released_;

 private:
  std::shared_ptr<const WeightSource> source_;
};

TEST(Executor, ReadsABlockOnceForAllLanes) {
  const auto counted = std::make_shared<const CountedWeights>(small_model()->weights);
  const auto model = std::make_shared<const Model>(Model{"counted", small_model()->config, counted});
  Plan plan;
  for (int64_t k = 1; k <= 10; ++k) {
    plan.push_back({model, random_tokens(2, 12 + k), {RowMask{{1, 3}, {k, {{k}}}}}, {residual()}});
  }
  ASSERT_TRUE(run(plan, {.batch_tokens = 16}));
  const std::map<int64_t, int> once{{1, 1}, {2, 1}, {3, 1}};
  EXPECT_EQ(counted->read_, once);
  EXPECT_EQ(counted->released_, once);
}

TEST(Executor, StopsWhereNoProbeLooksAnyMore) {
  const auto model = small_model();
  const auto shallow = only_in({1}, watch(Site::head_output, [](const Tensor& x) { return x; }));
  double done = 0;
  run({lane(random_tokens(1, 16), {}, shallow, model)}, {}, [&](double flops) {
    done += flops;
    return true;
  });
  EXPECT_DOUBLE_EQ(done, block_flops(model->config, 1, 16));
}

TEST(Executor, BatchSizeDoesNotMatter) {
  const auto tokens = random_tokens(5, 16);
  MaskedRow row{9, {{0, 9}, {1, 9}, {2, 9}, {3, 9}, {4, 9}}};
  const std::vector<Patch> patches{RowMask{{1, 3}, row}};
  const auto whole = alone(tokens, patches);
  for (const int64_t batch_tokens : {1, 32, 48}) {
    EXPECT_LT(largest_difference(whole, alone(tokens, patches, {.batch_tokens = batch_tokens})), 1e-6);
  }
}

TEST(Executor, CausalPrefixesAgree) {
  const auto tokens = random_tokens(2, 40);
  const auto shorter = make_tokens(tokens->ids.slice(1, 0, 17));
  EXPECT_LT(largest_difference(alone(tokens, {}).slice(2, 0, 17), alone(shorter, {})), 1e-6);
}

TEST(Executor, StopsWhenToldTo) {
  int calls = 0;
  EXPECT_FALSE(
      run({lane(random_tokens(4, 16), {}, residual())}, {.batch_tokens = 16}, [&](double) { return ++calls < 3; }));
  EXPECT_EQ(calls, 3);
}

TEST(Executor, LanesMayUseDifferentModels) {
  const auto tokens = random_tokens(1, 8);
  const auto a = residual(), b = residual();
  run({lane(tokens, {}, a, small_model(1)), lane(tokens, {}, b, small_model(2))}, {});
  EXPECT_GT(largest_difference(a->layers(), b->layers()), 1e-4);
}

TEST(Executor, LogitsOnlyWhenAskedFor) {
  const auto logits = watch(Site::logits, [](const Tensor& x) { return x; });
  const auto model = small_model();
  const auto tokens = random_tokens(2, 9);
  const auto end = residual();
  run({{model, tokens, {}, {logits, end}}}, {});
  const auto normed = rms_norm(end->layer(4).to(at::kFloat), model->weights->final_norm(), 1e-5);
  EXPECT_LT(largest_difference(logits->layer(4), at::linear(normed, model->weights->head()).to(at::kDouble)), 1e-5);
}

TEST(Executor, RejectsWhatDoesNotFit) {
  const auto tokens = random_tokens(2, 8);
  const auto reject = [&](const Tokens& ids, std::vector<Patch> patches) {
    EXPECT_THROW(run({lane(ids, std::move(patches), residual())}, {}), Error);
  };
  reject(make_tokens(at::full({1, 4}, 50, at::kLong)), {});
  reject(make_tokens(at::full({1, 4}, -1, at::kLong)), {});
  reject(tokens, {RowMask{{1, 3}, {8, {{8}}}}});
  reject(tokens, {RowMask{{1, 3}, {4, {{5}}}}});
  reject(tokens, {RowMask{{1, 3}, {4, {{}}}}});
  reject(tokens, {RowMask{{1, 3}, {4, {{4}, {4}, {4}}}}});
  reject(tokens, {RowMask{{0, 3}, {4, {{4}}}}});
  reject(tokens, {RowMask{{1, 4}, {4, {{4}}}}});
  reject(tokens, {AffinePatch{Site::hidden, {1, 1}, {8}, {}, 1, {}}});
}

TEST(RandomWeights, AreTheSameForTheSameSeedAndAnyOrder) {
  const auto config = small_model()->config;
  const auto a = random_weights(config, 3, at::kCPU), b = random_weights(config, 3, at::kCPU);
  b->block(1);
  EXPECT_TRUE(at::equal(a->block(2).gate, b->block(2).gate));
  EXPECT_FALSE(at::equal(a->block(1).gate, a->block(2).gate));
  EXPECT_FALSE(at::equal(a->block(1).gate, random_weights(config, 4, at::kCPU)->block(1).gate));
}

/// Whether or not the last part has a row of its own, and whatever the width.
TEST(RandomWeights, ATableDrawnInPartsIsTheTableDrawnAtOnce) {
  for (const auto& [vocabulary, width] : {std::pair{40, 8}, {8191, 6}, {8192, 6}, {9000, 10}, {12289, 2}}) {
    auto config = small_model()->config;
    config.vocabulary = vocabulary;
    config.width = width;
    auto generator = at::detail::createCPUGenerator();
    generator.set_current_seed(3 * 1000003);  // what seed 3 makes of the table
    const auto whole = at::normal(0, 0.02, {vocabulary, width}, generator);
    const auto weights = random_weights(config, 3, at::kCPU);
    EXPECT_TRUE(at::equal(weights->head(), whole)) << vocabulary;
    const auto ids = at::tensor({int64_t{0}, int64_t{vocabulary} - 1, int64_t{7}, int64_t{7}}).view({2, 2});
    EXPECT_TRUE(at::equal(weights->embed(ids), whole.index_select(0, ids.flatten()).view({2, 2, width}))) << vocabulary;
  }
}

}  // namespace
}  // namespace replicate
