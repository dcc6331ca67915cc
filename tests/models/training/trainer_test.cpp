#include "models/training/trainer.h"

#include <gtest/gtest.h>

#include <fstream>

#include "models/core/stored_model.h"
#include "models/training/backcopy_data.h"
#include "models/training/saved_model.h"
#include "tests/support/expect_error.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

const std::string kText = "The quick brown fox jumps over the lazy dog.\nTo be, or not to be: that is the question.\n";
constexpr int64_t kTrainedVocabulary = 21, kTrainedLength = 24;

std::shared_ptr<const TrainingData> data(bool bos = true) {
  return std::make_shared<BackcopyData>(kText, kTrainedVocabulary, "te ", kTrainedLength, bos);
}

Recipe recipe(const std::string& arm = "baseline") {
  Recipe r;
  r.model = small_model()->config;
  r.model.kv_heads = 4;
  r.model.layers = 2;
  r.model.vocabulary = kTrainedVocabulary;
  r.arm = arm;
  r.seed = r.weight_seed = 3;
  r.learning_rate = 5e-3;
  r.schedule = {40, 4, 8};
  r.sequences = 8;
  return r;
}

void train(Trainer& trainer, int64_t steps) {
  while (trainer.steps_done() < steps) trainer.step();
}

Tensor weights(const Trainer& trainer) { return trainer.model().parameters().values(); }

TEST(Schedule, WarmsUpStaysAndDecays) {
  const Schedule s{10, 2, 4};
  const std::vector<double> expected = {0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25};
  for (int64_t step = 0; step < 10; ++step) EXPECT_DOUBLE_EQ(s.at(step), expected[step]) << step;
}

TEST(Backcopy, CopiesBehindTriggersAndNowhereElse) {
  const auto batch = data()->batch(1, 5, 64);
  EXPECT_TRUE((batch.inputs.select(1, 0) == 0).all().item<bool>());
  EXPECT_TRUE(at::equal(batch.inputs.slice(1, 1), batch.targets.slice(1, 0, kTrainedLength - 1)));
  const auto ids = batch.inputs.accessor<int64_t, 2>();
  int64_t copies = 0;
  for (int64_t b = 0; b < 64; ++b) {
    for (int64_t t = 3; t < kTrainedLength; ++t) {
      ASSERT_TRUE(ids[b][t] > 0 && ids[b][t] < kTrainedVocabulary);
      if (ids[b][t - 1] > 3) continue;  // no trigger
      EXPECT_EQ(ids[b][t], ids[b][t - 2]);
      ++copies;
    }
  }
  EXPECT_GT(copies, 100);
}

TEST(Backcopy, BatchesArePureFunctionsOfSeedAndStep) {
  const auto one = data(), two = data();
  one->batch(9, 0, 8);
  EXPECT_TRUE(at::equal(one->batch(1, 5, 8).inputs, two->batch(1, 5, 8).inputs));
  EXPECT_FALSE(at::equal(one->batch(1, 6, 8).inputs, one->batch(1, 5, 8).inputs));
  EXPECT_FALSE(at::equal(one->batch(2, 5, 8).inputs, one->batch(1, 5, 8).inputs));
  EXPECT_TRUE(at::equal(one->validation(4, 2).inputs, two->validation(0, 8).inputs.slice(0, 4, 6)));
  EXPECT_EQ(one->fingerprint(), two->fingerprint());
  EXPECT_NE(one->fingerprint(), data(false)->fingerprint());
}

TEST(BatchesAhead, AreTheDatasOwnInAnyOrder) {
  BatchesAhead ahead(data(), 9, 8, false);
  for (const int64_t step : {0, 1, 2, 7, 8, 3}) {
    const auto batch = ahead.take(step), expected = data()->batch(9, step, 8);
    EXPECT_TRUE(at::equal(batch.inputs, expected.inputs)) << step;
    EXPECT_TRUE(at::equal(batch.targets, expected.targets)) << step;
  }
}

/// Data that end.
class FewBatches : public BackcopyData {
 public:
  FewBatches() : BackcopyData(kText, kTrainedVocabulary, "te ", kTrainedLength, true) {}
  Batch batch(uint64_t seed, int64_t step, int64_t sequences) const override {
    if (step == 2) throw std::runtime_error("no more");
    return BackcopyData::batch(seed, step, sequences);
  }
};

TEST(BatchesAhead, AnErrorComesWithItsBatch) {
  BatchesAhead ahead(std::make_shared<FewBatches>(), 9, 8, false);
  EXPECT_NO_THROW(ahead.take(0));
  EXPECT_NO_THROW(ahead.take(1));
  EXPECT_THROW(ahead.take(2), std::runtime_error);
}

TEST(Trainer, LearnsTheTask) {
  auto longer = recipe();
  longer.schedule = {300, 20, 60};
  Trainer trainer(longer, data(), at::kCPU);
  const auto validation = data()->validation(0, 64);
  const auto before = trainer.loss(validation);
  EXPECT_NEAR(before, std::log(kTrainedVocabulary), 0.1);
  train(trainer, 300);
  EXPECT_LT(trainer.loss(validation), before - 0.8);
}

/// On a GPU the third step and those after it are a CUDA graph's, which must read each step's batch and rate.
TEST(Trainer, OnAGpuFollowsTheProcessor) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no CUDA device on this machine";
  for (const auto& arm : arm_names()) {
    Trainer ours(recipe(arm), data(), at::kCUDA), theirs(recipe(arm), data(), at::kCPU);
    const auto start = weights(theirs).clone();
    for (const int64_t steps : {2, 3, 12}) {
      train(ours, steps);
      train(theirs, steps);
      const auto moved = (weights(theirs) - start).norm().item<double>();
      EXPECT_LT((weights(ours).cpu() - weights(theirs)).norm().item<double>(), 1e-2 * moved)
          << arm << ", step " << steps;
    }
    EXPECT_NEAR(ours.report().loss, theirs.report().loss, 1e-4) << arm;
  }
}

/// Accumulation changes the order of sums only.
TEST(Trainer, AccumulatedPartsEqualOneBatch) {
  auto parts = recipe();
  parts.accumulate = 4;
  Trainer whole(recipe(), data(), at::kCPU), split(parts, data(), at::kCPU);
  train(whole, 5);
  train(split, 5);
  EXPECT_LT((weights(whole) - weights(split)).abs().max().item<double>(), 1e-4);
  EXPECT_NEAR(whole.report().loss, split.report().loss, 1e-5);
}

/// A loss has the bits of sums over parts of so many sequences.
TEST(Trainer, ValidatesInPartsThatAStepTakes) {
  const auto loss_of = [](int64_t sequences, int64_t accumulate) {
    auto r = recipe();
    r.sequences = sequences;
    r.accumulate = accumulate;
    return Trainer(r, data(), at::kCPU).loss(data()->batch(9, 0, 24));
  };
  EXPECT_EQ(loss_of(8, 4), loss_of(2, 1));
  EXPECT_EQ(loss_of(24, 3), loss_of(8, 1));
  EXPECT_NEAR(loss_of(8, 1), loss_of(24, 1), 1e-6);
}

TEST(Trainer, ArmsStartAlikeWhereTheirShapesAgree) {
  const Trainer trainer(recipe(), data(), at::kCPU);
  const auto& baseline = trainer.model();
  for (const auto& name : arm_names()) {
    const Trainer other(recipe(name), data(), at::kCPU);
    for (const auto& parameter : baseline.parameters().shapes()) {
      EXPECT_TRUE(at::equal(other.model().parameters().at(parameter.name), baseline.parameters().at(parameter.name)))
          << name << " " << parameter.name;
    }
  }
}

class Resumed : public testing::TestWithParam<std::string> {};

TEST_P(Resumed, EndsWithTheSameBits) {
  const auto threads = at::get_num_threads();
  at::set_num_threads(1);
  const TemporaryFolder folder;
  const auto file = folder.path() / "state.safetensors";
  Trainer uninterrupted(recipe(GetParam()), data(), at::kCPU);
  train(uninterrupted, 40);
  {
    Trainer stopped(recipe(GetParam()), data(), at::kCPU);
    train(stopped, 13);
    stopped.save(file, "a note");
  }
  Trainer resumed(recipe(GetParam()), data(), at::kCPU);
  EXPECT_EQ(resumed.load(file), "a note");
  EXPECT_EQ(resumed.steps_done(), 13);
  train(resumed, 40);
  EXPECT_TRUE(at::equal(weights(resumed), weights(uninterrupted)));
  EXPECT_EQ(resumed.report().loss, uninterrupted.report().loss);
  at::set_num_threads(threads);
}

INSTANTIATE_TEST_SUITE_P(Trainer, Resumed, testing::ValuesIn(arm_names()), [](const auto& info) { return info.param; });

TEST(TrainerState, OfAnotherRunOrDamagedIsRefused) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state.safetensors";
  Trainer trainer(recipe(), data(), at::kCPU);
  trainer.save(file, "");
  auto other = recipe();
  other.learning_rate *= 2;
  expect_error([&] { Trainer(other, data(), at::kCPU).load(file); }, "another run");
  std::ofstream(file, std::ios::binary | std::ios::trunc) << "no state";
  expect_error([&] { trainer.load(file); }, file.string());
}

/// Another text of the same length in the place of one in a file.
void replace_in(const std::filesystem::path& file, const std::string& from, const std::string& to) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  const auto at = bytes.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  ASSERT_EQ(from.size(), to.size());  // lengths are written down before them
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes.replace(at, from.size(), to);
}

TEST(TrainerState, OfAStepOutsideTheScheduleIsRefused) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "state.safetensors";
  Trainer trainer(recipe(), data(), at::kCPU);
  train(trainer, 13);
  trainer.report();
  const auto refused = [&](const std::string& from, const std::string& to) {
    trainer.save(file, "");
    replace_in(file, from, to);
    expect_error([&] { Trainer(recipe(), data(), at::kCPU).load(file); }, "the training state is at step '");
  };
  for (const auto* steps : {"-5", "41", "1x", " 9", "0x", "12"}) {  // of 40, and 13 are reported
    refused(R"("steps":"13")", R"("steps":")" + std::string(steps) + '"');
  }
  for (const auto* reported : {"-1", "14", "x3"})
    refused(R"("reported":"13")", R"("reported":")" + std::string(reported) + '"');
  trainer.save(file, "");
  EXPECT_NO_THROW(Trainer(recipe(), data(), at::kCPU).load(file));
}

/// What analysis sees of a saved model is what training had.
TEST(SavedModel, HasTheLossOfTheTrainer) {
  const TemporaryFolder folder;
  for (const auto& name : arm_names()) {
    Trainer trainer(recipe(name), data(), at::kCPU);
    train(trainer, 10);
    save_model(folder.path() / name, trainer.model().config(), *trainer.model().frozen());
    const auto model = open_model_folder(folder.path() / name, name, at::kCPU);
    EXPECT_EQ(model->config, trainer.model().config());
    const auto batch = data()->validation(0, 4);
    const c10::InferenceMode guard;
    auto residual = model->weights->embed(batch.inputs);
    const auto positions = positions_of(model->config, kTrainedLength, at::kCPU);
    for (int64_t l = 1; l <= model->config.layers; ++l) {
      residual = block_forward(model->config, model->weights->block(l), positions[l - 1], residual);
    }
    const auto normed = rms_norm(residual, model->weights->final_norm(), model->config.norm_eps);
    const auto logits = at::linear(normed, model->weights->head()).flatten(0, 1);
    EXPECT_NEAR(at::cross_entropy_loss(logits, batch.targets.flatten()).item<double>(), trainer.loss(batch), 1e-5)
        << name;
  }
}

TEST(SavedModel, DamagedFoldersAreRefused) {
  const TemporaryFolder folder;
  const auto config = recipe().model;
  save_model(folder.path() / "m", config, *random_weights(config, 1, at::kCPU));
  auto wider = config;
  wider.hidden += 8;
  save_model(folder.path() / "wider", wider, *random_weights(wider, 1, at::kCPU));
  std::filesystem::copy_file(folder.path() / "wider/config.json", folder.path() / "m/config.json",
                             std::filesystem::copy_options::overwrite_existing);
  expect_error([&] { open_model_folder(folder.path() / "m", "m", at::kCPU); }, "shape");
  std::ofstream(folder.path() / "m/config.json") << "{";
  expect_error([&] { open_model_folder(folder.path() / "m", "m", at::kCPU); }, "config.json");
  std::filesystem::remove(folder.path() / "m/config.json");
  expect_error([&] { open_model_folder(folder.path() / "m", "m", at::kCPU); }, "config.json");
}

/// Head outputs as W_O reads them: on the first batch, the constants give every head the RMS that the norm gives.
TEST(ConstantGain, MatchesTheNormsScale) {
  const Trainer trainer(recipe("constant_gain"), data(), at::kCPU);
  const auto& constants = trainer.model().head_constants();
  EXPECT_EQ(constants.sizes(), (std::vector<int64_t>{2, 4}));
  EXPECT_TRUE((constants > 1).all().item<bool>());  // values are small at initialisation
}

}  // namespace
}  // namespace replicate
