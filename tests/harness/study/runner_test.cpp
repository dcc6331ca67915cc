// The runner on claims of the test's own, on a small model file.

#include "harness/study/runner/runner.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/study/claim.h"
#include "harness/study/runner/measured_record.h"
#include "harness/study/runner/saved_inputs.h"
#include "models/core/watch.h"
#include "tests/support/assets.h"
#include "tests/support/small_file.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

int declared = 0;

/// The norm of the residual stream at position 0, after the last layer.
void looks_at_norms(Claim& claim) {
  ++declared;
  const auto on = claim.primary();
  const auto norms = claim.run(on).add(watch_residual(
      [](const Tensor& x) { return at::linalg_vector_norm(x.select(1, 0), 2, {-1}, false, at::kDouble); }));
  claim.report([=](Measure& measure) { measure.mean("norm", on, norms->layers().select(1, -1)); });
}

/// The norm, judged.
void judges_norms(Claim& claim) {
  const auto on = claim.primary();
  const auto norms = claim.run(on).add(watch_residual(
      [](const Tensor& x) { return at::linalg_vector_norm(x.select(1, 0), 2, {-1}, false, at::kDouble); }));
  claim.report([=](Measure& measure) { measure.judged("norm", on, norms->layers().select(1, -1)); });
}

/// The same at each stage of the model: the norm above what the claim's stage asks.
void looks_at_a_stage(Claim& claim) {
  const auto spike = claim.stage().last_spike();
  const auto on = claim.primary();
  const auto norms = claim.run(on).add(watch_residual(
      [](const Tensor& x) { return at::linalg_vector_norm(x.select(1, 0), 2, {-1}, false, at::kDouble); }));
  claim.report([=](Measure& measure) {
    const double asked = spike == 2 ? 1e9 : 0;
    measure.judged("norm_beyond", on, norms->layers().select(1, -1) - asked);
  });
}

/// Has a stage, and nothing to measure there.
void does_not_apply(Claim& claim) {
  (void)claim.stage();
  claim.report([](Measure& measure) { measure.inapplicable("it does not apply"); });
}

/// Its probe throws while the pass runs, which no check of the plan can see.
void throws_in_its_pass(Claim& claim) {
  claim.run(claim.primary()).add(watch_residual([](const Tensor& x) -> Tensor {
    if (x.size(0) > 0) throw std::runtime_error("a planted fault");
    return x;
  }));
}

/// The claims of this test, which are taken out again: other tests count those of the program.
class OwnClaims {
 public:
  OwnClaims() {
    register_claim("first_look", &looks_at_norms, {"natural"});
    register_claim("second_look", &looks_at_norms, {"natural"});
    register_claim("varied_look", &judges_norms, {"natural"});
    register_claim("staged_look", &looks_at_a_stage, {"natural"});
    register_claim("inapplicable_look", &does_not_apply, {"natural"});
    register_claim("planted_fault", &throws_in_its_pass, {"natural"});
  }
  ~OwnClaims() {
    auto& registry = const_cast<std::map<std::string, ClaimProcedures>&>(claim_registry());
    for (const auto* id :
         {"first_look", "second_look", "varied_look", "staged_look", "inapplicable_look", "planted_fault"}) {
      registry.erase(id);
    }
  }
};

class Runner : public testing::Test {
 protected:
  Runner() {
    std::filesystem::create_directories(folder_ / "configs/models");
    small_file().write(folder_ / "small.gguf");
    std::filesystem::copy_file(source_folder() / "configs/judging.yaml", folder_ / "configs/judging.yaml");
    folder_.write("configs/profiles/smoke.yaml", "name: smoke\nmodel: " + (folder_ / "small.gguf").string() +
                                                     "\nseed: 1\nbootstrap_resamples: 50\nsweep_sequences: 6\n");
    std::string prose, ids;  // prose for a survey and for what is judged: a page of 64 KiB belongs to one of them
    for (int line = 0; line < 20000; ++line) prose += std::to_string(line * 7919 % 10007) + " lines of some prose\n";
    folder_.write("assets/prose/prose.txt", prose);
    for (int sequence = 0; sequence < kFewestGiven; ++sequence) {
      ids += "[";
      for (int i = 0; i < 16; ++i) ids += (i ? ", " : "") + std::to_string((sequence * 31 + i * 7) % 256);
      ids += "]\n";
    }
    folder_.write("tokens.jsonl", ids);
  }

  void add(const std::string& id, const std::string& judging = "") const {
    folder_.write("configs/claims/" + id + ".yaml", "id: " + id +
                                                        "\ntitle: a title\nkind: mechanism\nstatement: a statement\n"
                                                        "paper: {figures: [], expected: an expectation}\n"
                                                        "parameters: {natural: {sequences: 6, length: 16}}\n" +
                                                        judging);
  }

  RunRequest request() const {
    return {.settings = resolve(load_settings({.configs = folder_ / "configs",
                                               .assets = folder_ / "assets",
                                               .profile = "smoke",
                                               .model = (folder_ / "small.gguf").string(),
                                               .only = "",
                                               .overrides = {},
                                               .seed = 1})),
            .assets = folder_ / "assets",
            .given = GivenSource{GivenSource::Kind::tokens, (folder_ / "tokens.jsonl").string()},
            .out = folder_ / "run",
            .training = folder_ / "training",
            .command = "test"};
  }

  std::map<std::string, Record> run() const {
    std::map<std::string, Record> records;
    for (auto& record : run_claims(request(), *make_progress()).records) records[record.claim] = std::move(record);
    std::filesystem::remove_all(folder_ / "run");
    return records;
  }

  OwnClaims claims_;
  TemporaryFolder folder_;
};

TEST_F(Runner, AClaimThatFailsInASharedPassTakesNoOtherWithIt) {
  add("first_look");
  add("second_look");
  const auto without = run();
  declared = 0;
  add("planted_fault");
  const auto with = run();
  EXPECT_EQ(declared, 4);  // once for the shared pass, and again after it had failed
  EXPECT_EQ(with.at("planted_fault").verdict, Verdict::error);
  EXPECT_NE(with.at("planted_fault").reason.find("a planted fault"), std::string::npos);
  for (const std::string id : {"first_look", "second_look"}) {
    ASSERT_EQ(with.at(id).measurement.metrics.size(), 1u) << with.at(id).reason;
    EXPECT_EQ(with.at(id).measurement.metrics[0].value, without.at(id).measurement.metrics[0].value);
    EXPECT_EQ(with.at(id).measurement.metrics[0].low, without.at(id).measurement.metrics[0].low);
    EXPECT_EQ(with.at(id).verdict, without.at(id).verdict);
  }
}

/// A vocabulary without BOS costs the variation with BOS and nothing else, and one that changes nothing is not counted.
TEST_F(Runner, AVariationThatCannotSayAnythingIsNotMeasured) {
  add("varied_look",
      "version: 2\nfamily: beyond\nunits: 6\n"
      "requires: [{metric: norm, op: \">\", threshold: 0, source: a test}]\n"
      "sweep: {points: {with: {bos: on}, without: {bos: off}, longer: {natural.length: 32}}}\n");
  auto own = request();
  own.given.reset();
  const auto record = run_claims(own, *make_progress()).records.at(0);
  EXPECT_EQ(record.verdict, Verdict::pass) << record.reason;
  ASSERT_EQ(record.variations.size(), 3U);
  EXPECT_EQ(record.variations[0].reason, "the vocabulary has no BOS");
  EXPECT_EQ(record.variations[1].reason, "it changes nothing: natural inputs begin without BOS");
  EXPECT_FALSE(record.variations[0].agrees || record.variations[1].agrees);
  EXPECT_EQ(record.variations[2].agrees, true) << record.variations[2].reason;
  for (const auto& metric : record.measurement.metrics) EXPECT_EQ(metric.name.find("_with"), std::string::npos);
}

/// A text that is not set up, a model without a chat template, and a text that measures.
TEST_F(Runner, AVariationOnAnotherTextIsMeasuredWhereTheTextIsThere) {
  add("varied_look",
      "version: 2\nfamily: beyond\nunits: 6\n"
      "requires: [{metric: norm, op: \">\", threshold: 0, source: a test}]\n"
      "sweep: {points: {longer: {natural.length: 32}}}\n");
  std::string other;
  for (int line = 0; line < 20000; ++line) other += "x = " + std::to_string(line * 7919 % 10007) + ";  // some code\n";
  folder_.write("assets/text/code/code.txt", other);
  const auto profile = folder_ / "configs/profiles/smoke.yaml";
  folder_.write("configs/profiles/smoke.yaml", read_text(profile) + "sweep_texts: [encyclopaedia, code, chat]\n");
  auto own = request();
  own.given.reset();
  const auto record = run_claims(own, *make_progress()).records.at(0);
  ASSERT_EQ(record.variations.size(), 4U);
  EXPECT_EQ(record.variations[1].reason,
            "the text is not set up (assets/text/encyclopaedia): run scripts/setup --with texts");
  EXPECT_EQ(record.variations[2].agrees, true) << record.variations[2].reason;
  EXPECT_EQ(record.variations[2].changes, "text: code");
  EXPECT_NE(record.variations[3].reason.find("the model has no chat template"), std::string::npos);
  const auto value = [&](const std::string& name) -> std::optional<double> {
    for (const auto& metric : record.measurement.metrics) {
      if (metric.name == name) return metric.value;
    }
    return std::nullopt;
  };
  EXPECT_TRUE(value("norm_code"));
  EXPECT_NE(value("norm_code"), value("norm"));
}

/// Noise is asked for by name, changes what is measured, and is refused where there is no step to draw it from.
TEST_F(Runner, NoiseOnTheWeightsMovesTheNumbers) {
  add("first_look");
  int runs = 0;
  const auto value = [&](uint64_t noise) {
    auto own = request();
    own.settings.weight_noise = noise;
    own.out = folder_ / ("run" + std::to_string(runs++));
    const auto record = run_claims(own, *make_progress()).records.at(0);
    EXPECT_EQ(record.model.quantization, noise == 0 ? "Q4_0" : "Q4_0 with noise " + std::to_string(noise));
    return record.measurement.metrics.at(0).value;
  };
  EXPECT_THROW(value(1), Error);  // the file holds float32
  small_file(TensorType::q4_0).write(folder_ / "small.gguf");
  EXPECT_EQ(value(0), value(0));
  EXPECT_EQ(value(1), value(1));
  EXPECT_NE(value(1), value(0));
  EXPECT_NE(value(1), value(2));
}

std::vector<nlohmann::json> lines_of(const std::filesystem::path& file) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(read_text(file));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

TEST_F(Runner, SavesTheTokenIdsBesideTheRecords) {
  add("first_look");
  auto wanted = request();
  wanted.given = std::nullopt;
  wanted.save_inputs = true;
  const auto record = run_claims(wanted, *make_progress()).records.front();
  const auto judged = lines_of(wanted.out / "first_look" / kInputsFile);
  ASSERT_EQ(judged.size(), 1U) << "the claim has one input";
  EXPECT_EQ(judged[0]["label"], "natural");
  EXPECT_EQ(judged[0]["region"], "judged");
  EXPECT_EQ(judged[0]["sha256"], record.inputs.front().sha256);
  const auto ids = judged[0]["ids"].get<std::vector<std::vector<int64_t>>>();
  ASSERT_EQ(ids.size(), 6U);
  std::vector<int64_t> flat;
  for (const auto& row : ids) flat.insert(flat.end(), row.begin(), row.end());
  EXPECT_EQ(make_tokens(at::tensor(flat, at::kLong).view({6, 16}))->sha256, record.inputs.front().sha256);
  const auto survey = lines_of(wanted.out / "survey_inputs.jsonl");
  ASSERT_EQ(survey.size(), 1U);
  EXPECT_EQ(survey[0]["region"], "survey");
  EXPECT_NE(survey[0]["ids"], judged[0]["ids"]);
}

TEST_F(Runner, SavesNoTokenIdsUnasked) {
  add("first_look");
  run_claims(request(), *make_progress());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run/first_look" / kInputsFile));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run/survey_inputs.jsonl"));
}

/// What a survey of a model with two spikes would say.
Survey survey_of_two_stages() {
  Survey survey;
  survey.stages = {{.spike = 1, .first = 2, .last = 2, .sinks = {2}},
                   {.spike = 2, .first = 3, .last = 3, .sinks = {3}}};
  survey.stage_writers = {{.spike = 1}, {.spike = 2}};
  return survey;
}

std::vector<int64_t> spikes_of(const Record& record) {
  std::vector<int64_t> spikes;
  for (const auto& stage : record.stages) spikes.push_back(stage.spike);
  return spikes;
}

class StagedRunner : public Runner {
 protected:
  static constexpr const char* kJudging =
      "version: 2\nfamily: beyond\nunits: 8\nstages: each and all\n"
      "requires: [{metric: norm_beyond, op: \">\", threshold: 0, source: a test}]\n";

  StagedRunner() { add("staged_look", kJudging); }

  /// Measured with this survey in place of the model's.
  static Record record_of(Session& session, const Survey& survey) {
    const auto& settings = session.settings.claims.front();
    auto claim = start(session, settings);
    session.surveys[session.survey_for(claim.judged.context)] = survey;
    prepare(session, claim);
    replicate::run(claim.plan, {});
    auto record = blank_record(session, settings);
    measure_and_judge(session, claim, record);
    return record;
  }
};

TEST_F(StagedRunner, TheFirstStageIsTheVerdictAndTheOthersStandBesideIt) {
  const auto request = this->request();
  Session session(request);
  const auto record = record_of(session, survey_of_two_stages());
  EXPECT_EQ(spikes_of(record), (std::vector<int64_t>{1, 2, 0}));
  EXPECT_EQ(record.verdict, Verdict::pass) << record.reason;
  EXPECT_EQ(record.stages[0].verdict, Verdict::pass);
  EXPECT_EQ(record.stages[1].verdict, Verdict::fail) << "it asks more of layer 2, and all together do, too";
  EXPECT_EQ(record.stages[2].verdict, Verdict::fail);
  EXPECT_EQ(record.stages[2].sinks, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(record.bearing, Bearing::supports);
  EXPECT_EQ(record.standing, Standing::unregistered);
  EXPECT_EQ(record.edition, 2);
  EXPECT_EQ(record.version, 2);
  EXPECT_EQ(record.measurement.metrics.size(), 3u);
  EXPECT_EQ(record.measurement.samples.size(), 3u);
}

TEST_F(StagedRunner, AVerdictIsConfirmatoryWhereItWasPredictedAndNothingElseChanged) {
  const auto request = this->request();
  Session session(request);
  const auto measured = record_of(session, survey_of_two_stages());
  auto settings = session.settings.claims.front();
  auto record = blank_record(session, settings);
  record.measurement = measured.measurement;
  const auto standing = [&] {
    judge_record(settings, measured.stages, record);
    return record.standing;
  };
  settings.predicted_models = {"another", record.model.sha256};
  EXPECT_EQ(standing(), Standing::unregistered) << "the definition is not registered";
  record.registration.emplace().as_registered = true;
  EXPECT_EQ(standing(), Standing::confirmatory);
  record.registration->as_registered = false;
  EXPECT_EQ(standing(), Standing::unregistered);
  record.registration->as_registered = true;
  record.environment.dtype = "bfloat16";
  EXPECT_EQ(standing(), Standing::unregistered);
  record.environment.dtype = "float32";
  record.model.reinitialised = true;
  EXPECT_EQ(standing(), Standing::unregistered);
  record.model.reinitialised = false;
  settings.predicted_models = {"another"};
  EXPECT_EQ(standing(), Standing::unregistered);
  settings.predicted_models = {record.model.sha256};
  settings.calibrated = true;
  EXPECT_EQ(standing(), Standing::calibrated);
}

TEST_F(StagedRunner, AClaimThatDoesNotApplyIsNotJudgedAtItsStage) {
  add("inapplicable_look", kJudging);
  const auto request = this->request();
  Session session(request);
  const auto record = record_of(session, survey_of_two_stages());
  ASSERT_EQ(record.claim, "inapplicable_look");
  EXPECT_EQ(record.verdict, Verdict::not_applicable) << record.reason;
  ASSERT_EQ(record.stages.size(), 3U);
  for (const auto& stage : record.stages) {
    EXPECT_EQ(stage.verdict, Verdict::not_applicable) << stage.spike;
    EXPECT_EQ(stage.reason, "it does not apply");
  }
}

TEST_F(StagedRunner, AModelWithoutAStageIsNoModelForTheClaim) {
  const auto request = this->request();
  Session session(request);
  const auto record = record_of(session, Survey());
  EXPECT_EQ(record.verdict, Verdict::not_applicable);
  EXPECT_EQ(record.reason, "no spike with a sink after it");
  EXPECT_TRUE(record.stages.empty());
  EXPECT_EQ(record.bearing, Bearing::silent);
}

TEST_F(StagedRunner, JudgesARecordAgainAsItWasJudged) {
  const auto request = this->request();
  Session session(request);
  const auto before = record_of(session, survey_of_two_stages());
  auto again = blank_record(session, session.settings.claims.front());
  again.measurement = before.measurement;
  judge_record(session.settings.claims.front(), before.stages, again);
  ASSERT_EQ(spikes_of(again), spikes_of(before));
  for (size_t i = 0; i < before.stages.size(); ++i) {
    EXPECT_EQ(again.stages[i].verdict, before.stages[i].verdict);
    EXPECT_EQ(again.stages[i].reason, before.stages[i].reason);
  }
  EXPECT_EQ(again.reason, before.reason);
}

TEST_F(StagedRunner, AVariationAgreesWhereItsPointEstimatesDo) {
  const auto request = this->request();
  Session session(request);
  const auto& settings = session.settings.claims.front();
  auto record = record_of(session, survey_of_two_stages());
  Measurement varied;
  varied.metrics = {
      {.name = "norm_beyond", .value = 0.1, .low = {}, .high = {}, .n = 8, .inputs = "natural", .where = {}}};
  const Variation variation{"k5", "target: 5", {}, {}};
  EXPECT_EQ(compared(variation, varied, settings, record).agrees, true);
  varied.metrics[0].value = -0.1;
  EXPECT_EQ(compared(variation, varied, settings, record).agrees, false);
  record.verdict = Verdict::inconclusive;
  EXPECT_EQ(compared(variation, varied, settings, record).agrees, std::nullopt);
  record.verdict = Verdict::pass;
  varied.unmet = "no spike with a sink after it";
  EXPECT_EQ(compared(variation, varied, settings, record).reason, "no spike with a sink after it");
}

}  // namespace
}  // namespace replicate
