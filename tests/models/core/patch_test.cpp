// Patches that take their values from other lanes (Recording, Transplant, MatchedSpread) or from an edit of weights
// (WriteEdit), held against values that were seen in lanes of their own and put in as constants.

#include "models/core/patch.h"

#include <gtest/gtest.h>

#include "harness/study/measures/neuron_probes.h"
#include "models/core/changed_weights.h"
#include "models/core/site_values.h"
#include "models/core/watch.h"
#include "tests/support/compared_tensors.h"
#include "tests/support/expect_error.h"
#include "tests/support/small_model.h"

namespace replicate {
namespace {

using Indices = std::vector<int64_t>;

constexpr int64_t kPatchSequences = 4, kPatchLength = 9, kPatchLayers = 3;

/// What the site holds in these layers, [B, T, X].
std::shared_ptr<Watch> values_at(Site site, Indices layers) {
  return only_in(std::move(layers), watch(site, [site](const Tensor& x) { return positions_first(site, x); }));
}

Recording named(std::string name, Site site, LayerRange layers) { return {std::move(name), site, layers}; }

Recording record(Site site, LayerRange layers, Indices positions = {}, Indices dimensions = {}) {
  return {"recording", site, layers, std::move(positions), std::move(dimensions)};
}

/// The small model, a source lane and a lane that reads it, on tokens of their own.
struct Lanes {
  std::shared_ptr<const Model> model = small_model();
  Tokens source = random_tokens(kPatchSequences, kPatchLength, 50, 21);
  Tokens reader = random_tokens(kPatchSequences, kPatchLength, 50, 22);

  /// The residual stream of the reader [B, L + 1, T, D] when both run together.
  Tensor together(const Recording& recording, std::vector<Patch> patches, ExecutorOptions options = {}) const {
    const auto probe = residual();
    EXPECT_TRUE(run({{model, reader, std::move(patches), {probe}}, {model, source, {}, {}, {recording}}}, options));
    return probe->layers();
  }
  /// The site's values [B, T, X] of unpatched tokens in a lane of their own.
  Tensor alone(const Tokens& tokens, Site site, int64_t layer) const {
    const auto probe = values_at(site, {layer});
    run({{model, tokens, {}, {probe}}}, {});
    return probe->layer(layer);
  }
};

std::vector<float> floats(const Tensor& x) {
  const auto flat = x.to(at::kFloat).contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

/// The residual stream when positions and dimensions of one site hold these constants [B, P, X] in one layer: one lane
/// a sequence, one affine patch a position.
Tensor with_constants(const Lanes& lanes, Site site, int64_t layer, const Indices& positions, const Indices& dimensions,
                      const Tensor& constants) {
  std::vector<Tensor> rows;
  for (int64_t b = 0; b < lanes.reader->sequences(); ++b) {
    std::vector<Patch> patches;
    for (size_t p = 0; p < positions.size(); ++p) {
      patches.push_back(AffinePatch{
          site, {layer, layer}, {positions[p]}, dimensions, 0, {floats(constants[b][static_cast<int64_t>(p)])}});
    }
    const auto probe = residual();
    run({{lanes.model, make_tokens(lanes.reader->ids.slice(0, b, b + 1)), patches, {probe}}}, {});
    rows.push_back(probe->layers());
  }
  return at::cat(rows);
}

/// r of the patch from the source's values [B', P', X] at the recorded positions, by the definition.
Tensor expected_value(Combine combine, const Tensor& recorded) {
  switch (combine) {
    case Combine::each: return recorded;
    case Combine::position_mean: return recorded.mean(1, true).expand_as(recorded);
    case Combine::sequence_mean: return recorded.mean(0, true).expand_as(recorded);
    case Combine::noise: break;
  }
  throw Error("noise has no expected value", "test", "ask for its covariance");
}

Tensor changed(const Transplant& patch, const Tensor& x, const Tensor& r) {
  const auto wanted = patch.scale * x + patch.weight * r;
  if (!patch.norm_only) return wanted;
  return x / x.norm(2, {-1}, true) * wanted.norm(2, {-1}, true);
}

// ---- Transplant -------------------------------------------------------------------------------------

struct Case {
  Site site;
  Combine combine;
  bool norm_only;
};

class TransplantCase : public testing::TestWithParam<Case> {};

/// Recorded at positions 4 and 7 and dimensions 1, 3, 6; put in at positions 5 and 2 and dimensions 0, 5, 2.
TEST_P(TransplantCase, PutsInWhatTheSourceHeld) {
  const auto [site, combine, norm_only] = GetParam();
  const Lanes lanes;
  const Indices from{4, 7}, to{5, 2}, from_dimensions{1, 3, 6}, to_dimensions{0, 5, 2};
  const int64_t layer = 2;
  const auto recording = record(site, {layer, layer}, from, from_dimensions);
  const Transplant patch{site, {layer, layer}, to, to_dimensions, -0.5, 1.5, recording.name, combine, norm_only};

  const auto recorded = pick(pick(lanes.alone(lanes.source, site, layer), 1, from), 2, from_dimensions);
  const auto x = pick(pick(lanes.alone(lanes.reader, site, layer), 1, to), 2, to_dimensions);
  const auto expected = changed(patch, x, expected_value(combine, recorded));
  ASSERT_GT(largest_difference(x, expected), 1e-4);  // else there is nothing to see

  const auto seen = values_at(site, {layer});
  run({{lanes.model, lanes.source, {}, {}, {recording}}, {lanes.model, lanes.reader, {patch}, {seen}}}, {});
  EXPECT_LT(largest_difference(pick(pick(seen->layer(layer), 1, to), 2, to_dimensions), expected), 1e-6);
  EXPECT_LT(largest_difference(lanes.together(recording, {patch}),
                               with_constants(lanes, site, layer, to, to_dimensions, expected)),
            1e-6);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto site : {Site::block_input, Site::attention_normed, Site::query, Site::key, Site::value,
                          Site::head_output, Site::projected, Site::mid_residual, Site::ffn_normed, Site::gate,
                          Site::up, Site::hidden, Site::ffn_output, Site::block_output}) {
    all.push_back({site, Combine::each, false});
  }
  for (const auto combine : {Combine::each, Combine::position_mean, Combine::sequence_mean}) {
    for (const auto site : {Site::head_output, Site::hidden, Site::value}) {
      all.push_back({site, combine, true});
      if (combine != Combine::each) all.push_back({site, combine, false});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Sites, TransplantCase, testing::ValuesIn(cases()), [](const auto& info) {
  return "site" + std::to_string(static_cast<int>(info.param.site)) + "_combine" +
         std::to_string(static_cast<int>(info.param.combine)) + (info.param.norm_only ? "_norm" : "");
});

TEST(Transplant, OfOnesOwnValuesChangesNothing) {
  Lanes lanes;
  lanes.source = lanes.reader;
  for (const auto site : {Site::head_output, Site::key, Site::block_output}) {
    const auto recording = record(site, {1, kPatchLayers});
    const auto same = lanes.together(recording, {Transplant{site, {1, kPatchLayers}, {}, {}, 0, 1, recording.name}});
    EXPECT_EQ(largest_difference(same, lanes.together(recording, {})), 0);
  }
}

/// Every position and dimension of all layers, clamped: from the first patched layer on the reader is the source.
TEST(Transplant, OfTheWholeResidualMakesACopyOfTheSource) {
  const Lanes lanes;
  const auto recording = record(Site::block_output, {2, 2});
  const auto copied = lanes.together(recording, {Transplant{Site::block_output, {2, 2}, {}, {}, 0, 1, recording.name}});
  const auto probe = residual();
  run({{lanes.model, lanes.source, {}, {probe}}}, {});
  EXPECT_EQ(largest_difference(copied.slice(1, 2), probe->layers().slice(1, 2)), 0);
  EXPECT_GT(largest_difference(copied.select(1, 1), probe->layers().select(1, 1)), 1e-4);
}

/// In several layers each takes its own layer's value; the clamp in the first does not move the second.
TEST(Transplant, TakesTheValueOfTheLayerAtHand) {
  const Lanes lanes;
  const auto recording = record(Site::hidden, {1, kPatchLayers}, {3});
  const auto seen = values_at(Site::hidden, {1, 2, 3});
  run({{lanes.model, lanes.reader, {Transplant{Site::hidden, {2, 3}, {6}, {}, 0, 1, recording.name}}, {seen}},
       {lanes.model, lanes.source, {}, {}, {recording}}},
      {});
  for (const int64_t layer : {2, 3}) {
    const auto source = lanes.alone(lanes.source, Site::hidden, layer);
    EXPECT_LT(largest_difference(seen->layer(layer).select(1, 6), source.select(1, 3)), 1e-7) << layer;
  }
  EXPECT_EQ(largest_difference(seen->layer(1), lanes.alone(lanes.reader, Site::hidden, 1)), 0);
}

TEST(Transplant, ChangesJustWhatItNames) {
  const Lanes lanes;
  const auto recording = record(Site::block_output, {2, 2}, {4}, {7});
  const auto patched =
      lanes.together(recording, {Transplant{Site::block_output, {2, 2}, {5}, {9}, 0, 1, recording.name}}).select(1, 2);
  const auto plain = lanes.together(recording, {}).select(1, 2);
  auto same = at::ones_like(plain, at::kBool);
  same.select(1, 5).select(1, 9).fill_(false);
  EXPECT_TRUE(at::equal(patched.masked_select(same), plain.masked_select(same)));
  EXPECT_FALSE(at::equal(patched, plain));
}

/// A clamp that stops a chain: what another patch changed before it does not come through.
TEST(Transplant, ActsInOrderWithOtherPatches) {
  const Lanes lanes;
  const auto recording = record(Site::head_output, {1, 1}, {5});
  const Transplant clamp{Site::head_output, {1, 1}, {5}, {}, 0, 1, recording.name};
  const AffinePatch twice{Site::head_output, {1, 1}, {5}, {}, 2, {}};
  const auto last_clamped = lanes.together(recording, {twice, clamp});
  EXPECT_EQ(largest_difference(last_clamped, lanes.together(recording, {clamp})), 0);
  Transplant doubled = clamp;
  doubled.weight = 2;
  EXPECT_LT(largest_difference(lanes.together(recording, {clamp, twice}), lanes.together(recording, {doubled})), 1e-6);
}

/// One recorded position serves all patched ones, and sequences of another number their mean.
TEST(Transplant, AMeanMayComeFromMoreSequencesAndServeManyPositions) {
  Lanes lanes;
  lanes.source = random_tokens(7, kPatchLength, 50, 5);
  const auto recording = record(Site::head_output, {2, 2}, {3});
  const auto mean = lanes.alone(lanes.source, Site::head_output, 2).select(1, 3).mean(0);  // [X]
  const auto seen = values_at(Site::head_output, {2});
  run({{lanes.model, lanes.source, {}, {}, {recording}},
       {lanes.model,
        lanes.reader,
        {Transplant{Site::head_output, {2, 2}, {1, 4, 8}, {}, 0, 1, recording.name, Combine::sequence_mean}},
        {seen}}},
      {});
  for (const int64_t position : {1, 4, 8}) {
    EXPECT_LT(largest_difference(seen->layer(2).select(1, position), mean.expand({kPatchSequences, -1})), 1e-6);
  }
}

TEST(Transplant, TheSourceLaneStopsAfterItsRecording) {
  const Lanes lanes;
  const auto recording = record(Site::head_output, {1, 1});
  double done = 0;
  const Plan plan{
      {lanes.model, lanes.reader, {Transplant{Site::head_output, {1, 1}, {}, {}, 0, 1, recording.name}}, {residual()}},
      {lanes.model, lanes.source, {}, {}, {recording}}};
  run(plan, {}, [&](double flops) {
    done += flops;
    return true;
  });
  EXPECT_DOUBLE_EQ(done, (kPatchLayers + 1) * block_flops(lanes.model->config, kPatchSequences, kPatchLength));
  EXPECT_DOUBLE_EQ(estimate(plan, {}).flops, done);
}

/// a is read by b, b's changed value by c; and two lanes may read each other in different layers.
TEST(Transplant, RecordingsMayFormAChain) {
  const Lanes lanes;
  const auto a = named("a", Site::block_output, {1, 2}), b = named("b", Site::block_output, {1, 2});
  const auto c = residual(), source = residual();
  const auto others = random_tokens(kPatchSequences, kPatchLength, 50, 23);
  const auto from = [](const Recording& recording) {
    return Transplant{Site::block_output, {2, 2}, {}, {}, 0, 1, recording.name};
  };
  ASSERT_TRUE(run({{lanes.model, others, {from(b)}, {c}},
                   {lanes.model, lanes.reader, {from(a)}, {}, {b}},
                   {lanes.model, lanes.source, {}, {source}, {a}}},
                  {.batch_tokens = 16}));
  EXPECT_EQ(largest_difference(c->layers().slice(1, 2), source->layers().slice(1, 2)), 0);
}

TEST(Transplant, LanesMayReadEachOtherInDifferentLayers) {
  const Lanes lanes;
  const auto a = named("a", Site::head_output, {1, 1}), b = named("b", Site::head_output, {2, 2});
  const auto from = [](const Recording& recording) {
    return Transplant{recording.site, recording.layers, {}, {}, 0, 1, recording.name};
  };
  const auto probe = residual();
  EXPECT_TRUE(
      run({{lanes.model, lanes.source, {from(b)}, {probe}, {a}}, {lanes.model, lanes.reader, {from(a)}, {}, {b}}}, {}));
  EXPECT_EQ(probe->layers().size(1), kPatchLayers + 1);
}

TEST(Transplant, BatchesDoNotMatter) {
  const Lanes lanes;
  for (const auto combine : {Combine::each, Combine::position_mean, Combine::sequence_mean, Combine::noise}) {
    for (const bool norm_only : {false, true}) {
      const auto at_once = record(Site::head_output, {1, 2}, {4, 7});
      const auto patched = [&](const Recording& recording, int64_t batch_tokens) {
        const Transplant patch{Site::head_output, {1, 2}, {5, 2}, {}, 1, 1, recording.name, combine, norm_only, 9};
        return lanes.together(recording, {patch}, {.batch_tokens = batch_tokens});
      };
      const auto whole = patched(at_once, 2048);
      for (const int64_t batch_tokens : {1, 2 * static_cast<int>(kPatchLength), 3 * static_cast<int>(kPatchLength)}) {
        EXPECT_LT(largest_difference(whole, patched(record(Site::head_output, {1, 2}, {4, 7}), batch_tokens)), 1e-6)
            << static_cast<int>(combine) << " " << batch_tokens;
      }
    }
  }
}

/// What a lane measures does not depend on the order in which the plan names source and reader.
TEST(Transplant, TheOrderOfLanesDoesNotMatter) {
  const Lanes lanes;
  const auto recording = record(Site::head_output, {1, 3});
  const Transplant patch{Site::head_output, {1, 3}, {}, {}, 0, 1, recording.name};
  const auto first = residual(), last = residual();
  run({{lanes.model, lanes.reader, {patch}, {first}}, {lanes.model, lanes.source, {}, {}, {recording}}}, {});
  run({{lanes.model, lanes.source, {}, {}, {recording}}, {lanes.model, lanes.reader, {patch}, {last}}}, {});
  EXPECT_EQ(largest_difference(first->layers(), last->layers()), 0);
}

// ---- noise ------------------------------------------------------------------------------------------

/// r itself, a random mixture of deviations: [B, P X], at one site and two layers of a reader with many sequences.
std::vector<Tensor> drawn_noise(const Lanes& lanes, uint64_t seed, const Indices& dimensions) {
  const auto recording = record(Site::head_output, {1, 2}, {0, 5}, dimensions);
  const Transplant patch{Site::head_output, {1, 2},         {1, 3}, dimensions, 0, 1,
                         recording.name,    Combine::noise, false,  seed};
  const auto seen = values_at(Site::head_output, {1, 2});
  run({{lanes.model, lanes.source, {}, {}, {recording}}, {lanes.model, lanes.reader, {patch}, {seen}}}, {});
  const auto of_layer = [&](int64_t layer) {
    return pick(pick(seen->layer(layer), 1, {1, 3}), 2, dimensions).flatten(1);
  };
  return {of_layer(1), of_layer(2)};
}

Tensor centred(const Tensor& x) { return x - x.mean(0, true); }

TEST(TransplantNoise, HasTheRecordedCovariance) {
  Lanes lanes;
  lanes.source = random_tokens(5, kPatchLength, 50, 31);
  lanes.reader = random_tokens(6000, 4, 50, 32);
  const Indices dimensions{0, 3, 8};
  const auto noise = drawn_noise(lanes, 1, dimensions)[0];  // [6000, 6]
  const auto recorded =
      centred(pick(pick(lanes.alone(lanes.source, Site::head_output, 1), 1, {0, 5}), 2, dimensions).flatten(1));
  const auto expected = at::matmul(recorded.t(), recorded) / 5;  // unit weights: 1 / 5 of a square each
  const auto sample = at::matmul(noise.t(), noise) / 6000;       // about zero, which is its mean
  // An entry's standard error is at most sqrt(2 / 6000) = 0.018 of the product of the two deviations.
  const auto deviation = expected.diagonal().sqrt();
  EXPECT_LT(((sample - expected) / at::outer(deviation, deviation)).abs().max().item<double>(), 0.08);
  EXPECT_LT((noise.mean(0) / deviation).abs().max().item<double>(), 0.06);
}

/// One draw a sequence: in both layers it is the same mixture of the recorded sequences.
TEST(TransplantNoise, IsCoherentOverLayers) {
  Lanes lanes;
  lanes.source = random_tokens(5, kPatchLength, 50, 31);
  lanes.reader = random_tokens(6, kPatchLength, 50, 32);
  const auto noise = drawn_noise(lanes, 1, {});
  const auto deviations = [&](int64_t layer) {
    return centred(pick(lanes.alone(lanes.source, Site::head_output, layer), 1, {0, 5}).flatten(1));  // [5, 2 X]
  };
  const auto mixture = at::matmul(noise[0], at::linalg_pinv(deviations(1), 1e-6));  // [6, 5]
  EXPECT_LT(largest_difference(at::matmul(mixture, deviations(1)), noise[0]), 1e-6);
  EXPECT_LT(largest_difference(at::matmul(mixture, deviations(2)), noise[1]), 1e-6);
}

TEST(TransplantNoise, DependsOnTheSeedAndTheSequenceAlone) {
  Lanes lanes;
  const auto noise = drawn_noise(lanes, 1, {});
  EXPECT_TRUE(at::equal(noise[0], drawn_noise(lanes, 1, {})[0]));
  EXPECT_FALSE(at::equal(noise[0], drawn_noise(lanes, 2, {})[0]));
  EXPECT_GT(largest_difference(noise[0][0], noise[0][1]), 1e-4);
  lanes.reader = random_tokens(2, kPatchLength, 50, 77);  // other tokens and fewer of them
  EXPECT_LT(largest_difference(noise[0].slice(0, 0, 2), drawn_noise(lanes, 1, {})[0]), 1e-7);
}

TEST(TransplantNoise, IsACombinationOfUnitLength) {
  Lanes lanes;
  lanes.source = random_tokens(5, kPatchLength, 50, 31);
  const auto noise = drawn_noise(lanes, 1, {})[0];
  const auto deviations =
      centred(pick(lanes.alone(lanes.source, Site::head_output, 1), 1, {0, 5}).flatten(1));  // [5, 2 X]
  const auto weights = at::matmul(noise, at::linalg_pinv(deviations, 1e-6));  // without their common part
  EXPECT_LT(weights.norm(2, {-1}).max().item<double>(), 1 + 1e-5);
  EXPECT_GT(weights.norm(2, {-1}).max().item<double>(), 0.7);
}

// ---- MatchedSpread ----------------------------------------------------------------------------------

struct SpreadCase {
  float dose;
  bool around_mean;
};

/// What the head outputs of the reader hold at position 3 of layer 2, where it is made to vary as position 0 of the
/// source does: [B, X].
Tensor spread_values(const Lanes& lanes, SpreadCase one, const Indices& positions, ExecutorOptions options = {}) {
  const auto from = [&](std::string name, int64_t position) {
    return Recording{std::move(name), Site::head_output, {2, 2}, {position}};
  };
  const MatchedSpread patch{.layers = {2, 2},
                            .positions = {3},
                            .dose = one.dose,
                            .source = "own",
                            .reference = "reference",
                            .around_mean = one.around_mean};
  const auto seen = values_at(Site::head_output, {2});
  run({{lanes.model, lanes.source, {}, {}, {from("own", positions[0]), from("reference", positions[1])}},
       {lanes.model, lanes.reader, {patch}, {seen}}},
      options);
  return seen->layer(2).select(1, 3);
}

double summed_deviation(const Tensor& x) { return x.var(0).sum().sqrt().item<double>(); }

TEST(MatchedSpread, MovesFromTheMeanByTheQuotientOfTheSpreads) {
  Lanes lanes;
  lanes.source = random_tokens(40, kPatchLength, 50, 33);
  const auto recorded = lanes.alone(lanes.source, Site::head_output, 2);
  const auto mean = recorded.select(1, 3).mean(0);
  const auto x = lanes.alone(lanes.reader, Site::head_output, 2).select(1, 3);
  const double factor = summed_deviation(recorded.select(1, 0)) / summed_deviation(recorded.select(1, 3));
  ASSERT_GT(factor, 1.2);  // position 0 averages nothing
  for (const float dose : {0.5F, 1.0F, 4.0F}) {
    EXPECT_LT(largest_difference(spread_values(lanes, {dose, true}, {3, 0}), mean + dose * factor * (x - mean)), 1e-5);
    EXPECT_LT(largest_difference(spread_values(lanes, {dose, false}, {3, 0}), dose * factor * x), 1e-5);
  }
}

/// Where the other position varies less, the dose alone counts.
TEST(MatchedSpread, NeverShrinks) {
  Lanes lanes;
  lanes.source = random_tokens(40, kPatchLength, 50, 33);
  const auto mean = lanes.alone(lanes.source, Site::head_output, 2).select(1, 0).mean(0);
  const auto x = lanes.alone(lanes.reader, Site::head_output, 2).select(1, 3);
  EXPECT_LT(largest_difference(spread_values(lanes, {2, true}, {0, 3}), mean + 2 * (x - mean)), 1e-5);
}

TEST(MatchedSpread, BatchesDoNotMatter) {
  const Lanes lanes;
  const auto whole = spread_values(lanes, {4, true}, {3, 0});
  EXPECT_LT(largest_difference(whole, spread_values(lanes, {4, true}, {3, 0}, {.batch_tokens = 1})), 1e-6);
}

TEST(MatchedSpread, OfWhatDoesNotVaryIsOne) {
  const auto constant = at::ones({5, 1, 3}), varied = at::arange(15, at::kDouble).view({5, 1, 3});
  EXPECT_EQ(matching_factor(constant, varied).item<double>(), 1);
  EXPECT_NEAR(matching_factor(varied, 3 * varied).item<double>(), 3, 1e-12);
  EXPECT_THROW(matching_factor(varied.slice(0, 0, 1), varied), c10::Error);
}

/// Both recordings must be there.
TEST(MatchedSpread, ReadsTwoRecordings) {
  const MatchedSpread patch{.layers = {2, 3}, .positions = {3}, .source = "own", .reference = "reference"};
  std::vector<std::string> names;
  for (const auto& read : reads_of(patch)) names.push_back(read.source);
  EXPECT_EQ(names, (std::vector<std::string>{"own", "reference"}));
  const Lanes lanes;
  const Recording own{"own", Site::head_output, {2, 3}, {3}};
  expect_error(
      [&] {
        run({{lanes.model, lanes.source, {}, {}, {own}}, {lanes.model, lanes.reader, {patch}, {residual()}}}, {});
      },
      "the recording 'reference' is read, but no lane makes it");
}

// ---- another direction ------------------------------------------------------------------------------

/// What a lane's site holds where each sequence is moved from its own values by as much as `quiet` moves it.
Tensor turned_values(const Lanes& lanes, uint64_t seed, ExecutorOptions options = {}, float length = 1) {
  const AffinePatch quiet{Site::hidden, {2, 2}, {5}, {3, 17}, 0, {}};
  const auto recording = record(Site::block_output, {2, 2}, {5});
  Transplant patch{Site::block_output, {2, 2}, {5}, {}, 0, 1, recording.name};
  patch.turned = length;
  patch.seed = seed;
  const auto seen = values_at(Site::block_output, {2});
  run({{lanes.model, lanes.reader, {}, {}, {recording}}, {lanes.model, lanes.reader, {quiet, patch}, {seen}}}, options);
  return seen->layer(2);
}

TEST(TransplantTurned, KeepsTheDistanceAndNotTheDirection) {
  const Lanes lanes;
  const auto at_site = [&](std::vector<Patch> patches) {
    const auto seen = values_at(Site::block_output, {2});
    run({{lanes.model, lanes.reader, std::move(patches), {seen}}}, {});
    return seen->layer(2);
  };
  const auto plain = at_site({});
  const auto moved = at_site({AffinePatch{Site::hidden, {2, 2}, {5}, {3, 17}, 0, {}}}) - plain;
  const auto turned = turned_values(lanes, 1) - plain;
  const auto distance = [](const Tensor& x) { return x.select(1, 5).norm(2, {-1}); };
  EXPECT_LT(((distance(turned) / distance(moved)) - 1).abs().max().item<double>(), 1e-3);
  const auto half = turned_values(lanes, 1, {}, 0.5) - plain;
  EXPECT_LT(((distance(half) / distance(moved)) - 0.5).abs().max().item<double>(), 1e-3);
  const auto cosine = (turned * moved).select(1, 5).sum(-1) / distance(turned) / distance(moved);
  EXPECT_LT(cosine.abs().max().item<double>(), 0.9);
  EXPECT_EQ(turned.index_select(1, at::tensor(Indices{0, 4, 6})).abs().max().item<double>(), 0);
}

TEST(TransplantTurned, DrawsPerSeedAndSequenceWhateverTheBatches) {
  const Lanes lanes;
  const auto turned = turned_values(lanes, 1);
  EXPECT_LT(largest_difference(turned, turned_values(lanes, 1, {.batch_tokens = 1})), 1e-6);
  EXPECT_GT(largest_difference(turned, turned_values(lanes, 2)), 1e-4);
}

// ---- WriteEdit --------------------------------------------------------------------------------------

/// A model whose W_down columns of some neurons in one layer are others.
ChangedWeights::Change apply_to_weights(const WriteEdit& edit) {
  return [edit](int64_t layer, BlockWeights& weights) {
    if (layer != edit.layers.first) return;
    for (size_t n = 0; n < edit.neurons.size(); ++n) {
      weights.down.select(1, edit.neurons[n]).add_(at::tensor(edit.delta[0][n], at::kFloat));
    }
  };
}

struct Edited {
  std::shared_ptr<const Model> model = small_model(), edited;
  Tokens tokens = random_tokens(3, kPatchLength);
  WriteEdit edit;

  explicit Edited(Indices positions = {}) {
    auto generator = at::detail::createCPUGenerator();
    generator.set_current_seed(4);
    const Indices neurons{3, 17, 30};
    edit = {{2, 2}, std::move(positions), neurons, {{}}};
    for (size_t n = 0; n < neurons.size(); ++n) {
      edit.delta[0].push_back(floats(at::randn({model->config.width}, generator, at::kFloat)));
    }
    edited = std::make_shared<const Model>(
        Model{"edited", model->config, std::make_shared<ChangedWeights>(model->weights, apply_to_weights(edit))});
  }
  Tensor residual_of(const std::shared_ptr<const Model>& which, std::vector<Patch> patches,
                     ExecutorOptions options = {}) const {
    const auto probe = residual();
    run({{which, tokens, std::move(patches), {probe}}}, options);
    return probe->layers();
  }
};

TEST(WriteEdit, IsAChangeOfTheWeights) {
  const Edited one;
  const auto patched = one.residual_of(one.model, {one.edit});
  EXPECT_LT(largest_difference(patched, one.residual_of(one.edited, {})), 1e-6);
  EXPECT_GT(largest_difference(patched, one.residual_of(one.model, {})), 1e-4);
}

TEST(WriteEdit, ActsAtItsPositionsAlone) {
  const Edited one({0, 6});
  const auto output = [&](const std::shared_ptr<const Model>& model, std::vector<Patch> patches) {
    const auto probe = values_at(Site::ffn_output, {2});
    run({{model, one.tokens, std::move(patches), {probe}}}, {});
    return probe->layer(2);
  };
  const auto plain = output(one.model, {}), edited = output(one.edited, {}), patched = output(one.model, {one.edit});
  for (int64_t t = 0; t < kPatchLength; ++t) {
    const auto& expected = t == 0 || t == 6 ? edited : plain;
    EXPECT_LT(largest_difference(patched.select(1, t), expected.select(1, t)), 1e-6) << t;
  }
}

TEST(WriteEdit, ReadsTheActivationsAsOtherPatchesLeftThem) {
  const Edited one;
  const AffinePatch loud{Site::hidden, {2, 2}, {}, {17}, 0, {{1.5F}}};
  EXPECT_LT(largest_difference(one.residual_of(one.model, {loud, one.edit}), one.residual_of(one.edited, {loud})),
            1e-6);
  EXPECT_LT(largest_difference(one.residual_of(one.model, {one.edit, loud}), one.residual_of(one.edited, {loud})),
            1e-6);
}

/// Taking the column away is the neuron switched off.
TEST(WriteEdit, ThatTakesTheColumnAwaySilencesTheNeuron) {
  Edited one;
  const auto down = one.model->weights->block(2).down;
  one.edit.neurons = {17};
  one.edit.delta[0] = {floats(-down.select(1, 17))};
  const AffinePatch off{Site::hidden, {2, 2}, {}, {17}, 0, {}};
  EXPECT_LT(largest_difference(one.residual_of(one.model, {one.edit}), one.residual_of(one.model, {off})), 1e-6);
}

TEST(WriteEdit, BatchesDoNotMatter) {
  const Edited one({0, 6});
  EXPECT_LT(largest_difference(one.residual_of(one.model, {one.edit}),
                               one.residual_of(one.model, {one.edit}, {.batch_tokens = 1})),
            1e-6);
}

/// Each sequence of a lane is changed as it is with its own list alone, whatever the batches.
TEST(WriteEdit, MayDifferFromSequenceToSequence) {
  Edited one({0, 6});
  one.edit.delta.push_back({floats(at::full({24}, 0.5)), floats(at::zeros({24})), floats(at::ones({24}))});
  one.edit.delta.push_back({floats(at::zeros({24})), floats(-at::ones({24})), floats(at::zeros({24}))});
  const auto together = one.residual_of(one.model, {one.edit});
  for (int64_t b = 0; b < 3; ++b) {
    auto alone = one.edit;
    alone.delta = {one.edit.delta[b]};
    EXPECT_LT(largest_difference(together[b], one.residual_of(one.model, {alone})[b]), 1e-6) << b;
  }
  EXPECT_LT(largest_difference(together, one.residual_of(one.model, {one.edit}, {.batch_tokens = 1})), 1e-6);
}

// ---- weights for probes -----------------------------------------------------------------------------

/// Counts what it is shown.
class WeightCounter : public Probe {
 public:
  ProbeNeeds needs(int64_t layer, int64_t) const override {
    return layer == 1 || layer == 3 ? ProbeNeeds{.weights = true} : ProbeNeeds{};
  }
  void observe_weights(int64_t layer, const BlockWeights& weights) override {
    ++seen[layer];
    gate = weights.gate;
  }
  std::map<int64_t, int> seen;
  Tensor gate;
};

TEST(ObserveWeights, OnceALayerInHoweverManyLanes) {
  const auto model = small_model();
  const auto tokens = random_tokens(5, kPatchLength), others = random_tokens(2, kPatchLength, 50, 3);
  const auto probe = std::make_shared<WeightCounter>(), second = std::make_shared<WeightCounter>();
  run({{model, tokens, {}, {probe}},
       {model, tokens, {IdentityAttention{{2, 3}}}, {probe}},
       {model, others, {}, {probe, second}}},
      {.batch_tokens = kPatchLength});
  EXPECT_EQ(probe->seen, (std::map<int64_t, int>{{1, 1}, {3, 1}}));
  EXPECT_EQ(second->seen, probe->seen);
  EXPECT_TRUE(at::equal(probe->gate, model->weights->block(3).gate));
}

// ---- errors -----------------------------------------------------------------------------------------

TEST(PatchErrors, RecordingsThatCannotBeRead) {
  const Lanes lanes;
  const auto model = lanes.model;
  const auto tokens = lanes.reader;
  const auto read = [](const Recording& recording, LayerRange layers = {1, 1}, Combine combine = Combine::each,
                       Site site = Site::head_output) {
    return Transplant{site, layers, {}, {}, 0, 1, recording.name, combine};
  };
  const auto reject = [&](const Plan& plan, const std::string& part) { expect_error([&] { run(plan, {}); }, part); };
  const auto a = named("a", Site::head_output, {1, 2}), b = named("b", Site::head_output, {1, 2});
  const Lane source{model, lanes.source, {}, {}, {a}};
  reject({{model, tokens, {read(a)}, {residual()}}}, "the recording 'a' is read, but no lane makes it");
  reject({{model, tokens, {}, {}, {a, a}}}, "the recording 'a' shares its name");
  reject({source, {model, tokens, {}, {}, {a}}}, "the recording 'a' shares its name");
  reject({{small_model(), tokens, {}, {}, {a}}, {model, tokens, {read(a)}, {residual()}}},
         "the recording 'a' is made by a lane of another model");
  reject({{model, tokens, {read(a)}, {residual()}, {a}}}, "in a circle, the recording 'a' among them");
  reject({{model, tokens, {read(a)}, {}, {b}}, {model, lanes.source, {read(b)}, {}, {a}}}, "in a circle");
  reject({source, {model, tokens, {read(a, {1, 1}, Combine::each, Site::projected)}, {residual()}}},
         "the recording 'a' is of another site");
  reject({source, {model, tokens, {read(a, {2, 3})}, {residual()}}}, "the recording 'a' does not keep every layer");
  reject({source, {model, tokens, {read(a, {2, 1})}, {residual()}}}, "no layer");
}

TEST(PatchErrors, NumbersOfSequencesThatDoNotFit) {
  const Lanes lanes;
  const auto fewer = random_tokens(3, kPatchLength, 50, 8);
  const auto plan = [&](Combine combine) {
    const auto recording = record(Site::head_output, {1, 1});
    return Plan{{lanes.model, fewer, {}, {}, {recording}},
                {lanes.model,
                 lanes.reader,
                 {Transplant{Site::head_output, {1, 1}, {}, {}, 0, 1, recording.name, combine}},
                 {residual()}}};
  };
  for (const auto combine : {Combine::each, Combine::position_mean}) {
    expect_error([&] { run(plan(combine), {}); },
                 "the recording 'recording' has 3 sequences and the lane that reads it 4");
  }
  for (const auto combine : {Combine::sequence_mean, Combine::noise}) EXPECT_TRUE(run(plan(combine), {}));
}

TEST(PatchErrors, PatchesThatMakeNoSense) {
  const auto reject = [](Patch patch, const std::string& part) {
    expect_error([&] { run({{small_model(), random_tokens(2, kPatchLength), {patch}, {residual()}}}, {}); }, part);
  };
  const std::vector<std::vector<float>> column{std::vector<float>(24, 1)};
  const auto recording = record(Site::head_output, {1, 3});  // that no lane makes: what a patch says comes first
  reject(AffinePatch{Site::hidden, {2, 1}, {}, {}, 0, {}}, "no layer");
  reject(AffinePatch{Site::hidden, {1, 3}, {}, {}, 0, {{1}, {1}}}, "one a layer");
  reject(Transplant{Site::head_output, {1, 1}, {kPatchLength}, {}, 0, 1, recording.name}, "outside the sequence");
  reject(Transplant{Site::head_output, {1, 1}, {-1}, {}, 0, 1, recording.name}, "outside the sequence");
  reject(Transplant{Site::head_output, {1, 4}, {}, {}, 0, 1, recording.name}, "outside the model");
  reject(WriteEdit{{1, 2}, {}, {3}, {column}}, "one layer");
  reject(WriteEdit{{2, 2}, {kPatchLength}, {3}, {column}}, "outside the sequence");
  reject(WriteEdit{{2, 2}, {}, {3, 4}, {column}}, "one vector per neuron");
  reject(WriteEdit{{2, 2}, {}, {}, {column}}, "one vector per neuron");
  reject(WriteEdit{{2, 2}, {}, {3}, {column, column, column}}, "one per sequence");
  reject(WriteEdit{{2, 2}, {}, {3}, {}}, "one per sequence");
}

}  // namespace
}  // namespace replicate
