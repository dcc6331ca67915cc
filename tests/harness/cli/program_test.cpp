// The program as a person meets it: commands, messages, exit codes and what they leave behind.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/run_folder.h"
#include "models/formats/safetensors.h"
#include "tests/support/assets.h"
#include "tests/support/byte_tokenizer.h"
#include "tests/support/small_file.h"
#include "tests/support/temporary_folder.h"

namespace replicate::cli {
namespace {

using nlohmann::json;

struct Ended {
  int code = -1;
  std::string output;  // stdout and stderr
};

Ended program(const std::string& arguments) {
  const std::string command = std::string(REPLICATE_PROGRAM) + " " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  Ended outcome;
  std::array<char, 4096> buffer;
  while (const auto n = fread(buffer.data(), 1, buffer.size(), pipe)) outcome.output.append(buffer.data(), n);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

/// One line that starts like ours and holds `part`; exit 2.
void expect_refused(const std::string& arguments, const std::string& part) {
  const auto outcome = program(arguments);
  EXPECT_EQ(outcome.code, 2) << arguments << "\n" << outcome.output;
  EXPECT_EQ(outcome.output.rfind("replicate: ", 0), 0) << outcome.output;
  EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
  EXPECT_NE(outcome.output.find(part), std::string::npos) << outcome.output;
}

/// A folder with a small model and, as assets, prose of its own: nothing here needs set-up.
class Program : public testing::Test {
 protected:
  void SetUp() override {
    std::string prose;
    for (int i = 0; i < 20000; ++i)
      prose +=
          "line " + std::to_string(i * 7919 % 10007) + " of some prose: the quick brown fox jumps over the lazy dog\n";
    folder_.write("assets/prose/prose.txt", prose);
    small_file().write(folder_ / "small.gguf");
    setenv("REPLICATE_ASSETS", (folder_ / "assets").c_str(), 1);
    setenv("REPLICATE_HOME", source_folder().c_str(), 1);
  }
  void TearDown() override {
    if (before_.empty()) {
      unsetenv("REPLICATE_ASSETS");
    } else {
      setenv("REPLICATE_ASSETS", before_.c_str(), 1);
    }
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  /// Every claim about a model.
  std::string small_run(const std::string& out, const std::string& more = "") const {
    return "--all " + of_small_model(out) + more;
  }
  std::string with_training(const std::string& out) const {
    return "--only mechanism,intervention,training " + of_small_model(out);
  }
  std::string of_small_model(const std::string& out) const {
    return "--profile smoke --model " + path("small.gguf") + " --out " + path(out) + brief_training();
  }
  /// A training that takes a second; the prose has too few letters for the profile's.
  static std::string brief_training() {
    std::string options = " ";
    for (const auto* setting : {"vocabulary=30", "steps=6", "warmup=1", "decay=2", "rate_steps=4", "validation.every=3",
                                "validation.sequences=8", "checkpoint_seconds=0"}) {
      options += std::string("--set training.") + setting + " ";
    }
    return options;
  }
  json record(const std::string& out, const std::string& claim) const {
    return json::parse(read_text(folder_ / out / claim / "record.json"));
  }

  /// Those that have a record.
  std::vector<std::string> claims_in(const std::string& out) const {
    std::vector<std::string> claims;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / out)) {
      if (std::filesystem::exists(entry.path() / "record.json")) claims.push_back(entry.path().filename());
    }
    EXPECT_FALSE(claims.empty());
    return claims;
  }

  const std::string before_ = std::getenv("REPLICATE_ASSETS") ? std::getenv("REPLICATE_ASSETS") : "";
  TemporaryFolder folder_;
};

/// Every claim that configs/claims has.
std::vector<std::string> all_claims() {
  std::vector<std::string> claims;
  for (const auto& entry : std::filesystem::directory_iterator(source_folder() / "configs/claims")) {
    claims.push_back(entry.path().stem());
  }
  return claims;
}

/// Claims that may hold in any weights, by arithmetic.
bool holds_by_arithmetic(const std::string& claim) {
  return claim == "variance_discrepancy" || claim == "output_projection_alignment";
}

TEST_F(Program, SmallModelRunsToItsReport) {
  const auto outcome = program(with_training("run"));
  EXPECT_EQ(outcome.code, 0) << outcome.output;  // untrained weights have no sink: a claim fails, and that is a result
  for (const auto& claim : all_claims()) {
    const auto r = record("run", claim);
    EXPECT_EQ(r["claim"], claim);
    EXPECT_TRUE(holds_by_arithmetic(claim) || r["verdict"] != "pass") << claim;
    EXPECT_NE(r["verdict"], "error") << r["reason"];
    EXPECT_TRUE(std::filesystem::exists(folder_ / "run" / claim / "samples.csv")) << claim;
    EXPECT_EQ(std::filesystem::exists(folder_ / "run" / claim / "plot.svg"), !r["series"].empty()) << claim;
  }
  for (const auto* file : {"summary.json", "report.md", "report.html", "junit.xml", "metrics.csv", "curves.csv",
                           "heads.csv", "config.yaml", "log.txt"}) {
    EXPECT_GT(std::filesystem::file_size(folder_ / "run" / file), 0U) << file;
  }
  EXPECT_EQ(record("run", "mask_induced_sink")["verdict"], "not applicable");
}

/// Everything but what differs between two runs of the same thing.
json stable(json record) {
  for (const auto* field : {"seconds", "peak_memory_mb", "command", "environment"}) record.erase(field);
  return record;
}

TEST_F(Program, SameSeedGivesTheSameNumbersAndAnotherOneDoesNot) {
  program(small_run("a"));
  program(small_run("b", "--threads 1"));
  program(small_run("c", "--seed 2"));
  for (const auto& claim : claims_in("a")) EXPECT_EQ(stable(record("a", claim)), stable(record("b", claim)));
  EXPECT_NE(record("a", "sink_onset")["inputs"], record("c", "sink_onset")["inputs"]);
}

TEST_F(Program, OneClaimAloneMeasuresWhatItMeasuresAmongOthers) {
  program(small_run("all"));
  program("--only rank_collapse --profile smoke --model " + path("small.gguf") + " --out " + path("one"));
  EXPECT_EQ(stable(record("all", "rank_collapse")), stable(record("one", "rank_collapse")));
}

TEST_F(Program, ResumeKeepsFinishedClaimsAndComputesTheRest) {
  program(small_run("run"));
  std::filesystem::remove_all(folder_ / "run" / "rank_collapse");
  const auto before = record("run", "sink_onset");
  program(small_run("run", "--resume"));
  EXPECT_EQ(record("run", "sink_onset"), before);  // its seconds too: it was not computed again
  EXPECT_TRUE(std::filesystem::exists(folder_ / "run" / "rank_collapse" / "record.json"));
  program(small_run("run", "--resume --set claims.sink_onset.natural.sequences=5"));
  EXPECT_NE(record("run", "sink_onset")["metrics"], before["metrics"]);
}

/// As after a change in configs/claims: the record was judged by other thresholds than today's.
TEST_F(Program, ResumeJudgesAgainWhenOnlyAThresholdChanged) {
  program(small_run("run"));
  const auto before = record("run", "sink_onset");
  auto judged_otherwise = before;
  judged_otherwise["thresholds_sha256"] = std::string(64, '0');
  judged_otherwise["verdict"] = before["verdict"] == "fail" ? "pass" : "fail";
  folder_.write("run/sink_onset/record.json", judged_otherwise.dump());
  program(small_run("run", "--resume"));
  EXPECT_EQ(record("run", "sink_onset"), before);  // its seconds too: it was not measured again
}

TEST_F(Program, RefusesAFolderWithAnotherRunsRecords) {
  program(small_run("run"));
  const auto before = record("run", "sink_onset");
  expect_refused(small_run("run", "--seed 2"), "--resume");
  EXPECT_EQ(record("run", "sink_onset"), before);
}

TEST_F(Program, ResumeMeasuresADamagedRecordAgain) {
  program(small_run("run"));
  folder_.write("run/rank_collapse/record.json", "{\"schema\": 1");
  program(small_run("run", "--resume"));
  EXPECT_EQ(record("run", "rank_collapse")["claim"], "rank_collapse");
}

TEST_F(Program, ReportIsMadeAgainFromRecordsAlone) {
  program(small_run("run"));
  const auto html = read_text(folder_ / "run" / "report.html");
  std::filesystem::remove(folder_ / "run" / "report.html");
  EXPECT_EQ(program("report " + path("run")).code, 0);
  EXPECT_EQ(read_text(folder_ / "run" / "report.html"), html);
}

/// A line of 20 ids per sequence.
std::string token_lines(int sequences) {
  std::string lines;
  for (int b = 0; b < sequences; ++b) {
    json ids;
    for (int t = 0; t < 20; ++t) ids.push_back((b * 31 + t * 17) % 256);
    lines += ids.dump() + "\n";
  }
  return lines;
}

TEST_F(Program, SetsAThirdOfTheGivenTokensAside) {
  folder_.write("tokens.jsonl", token_lines(25));
  program(small_run("run", "--tokens " + path("tokens.jsonl")));
  const auto measured = record("run", "sink_onset");
  EXPECT_EQ(measured["inputs"][0]["sequences"], 17);
  EXPECT_TRUE(measured["too_few"].is_null());
}

TEST_F(Program, JudgesNothingOnFewGivenTokens) {
  folder_.write("tokens.jsonl", token_lines(23));
  const auto run = small_run("run", "--tokens " + path("tokens.jsonl"));
  for (const auto& arguments : {run, run + " --resume"}) {
    program(arguments);
    const auto measured = record("run", "sink_onset");
    EXPECT_EQ(measured["inputs"][0]["sequences"], 23);
    EXPECT_NE(measured["too_few"].dump().find("23 are given"), std::string::npos);
  }
}

TEST_F(Program, GivenTokensReplaceTheInputs) {
  folder_.write("tokens.jsonl", token_lines(3));
  program(small_run("run", "--tokens " + path("tokens.jsonl")));
  const auto inputs = record("run", "sink_onset")["inputs"];
  ASSERT_EQ(inputs.size(), 1U);
  EXPECT_EQ(inputs[0]["kind"], "tokens");
  EXPECT_EQ(inputs[0]["sequences"], 3);
  EXPECT_EQ(inputs[0]["length"], 20);
  EXPECT_EQ(record("run", "sink_onset")["notes"].dump().find("was trained for"), std::string::npos);
}

TEST_F(Program, SequencesLongerThanTheModelWasTrainedForGetANote) {
  small_file().unsigned_integer("llama.context_length", 16).write(folder_ / "small.gguf");
  folder_.write("tokens.jsonl", token_lines(3));
  program("--only sink_onset " + of_small_model("run") + "--tokens " + path("tokens.jsonl"));
  EXPECT_NE(record("run", "sink_onset")["notes"].dump().find("Sequences of 20 tokens are longer than the 16"),
            std::string::npos);
}

TEST_F(Program, AGivenModelIsNoReasonToTrain) {
  const auto outcome = program(small_run("run"));
  EXPECT_NE(outcome.output.find("claims about training, which train models of their own; --only training runs them"),
            std::string::npos)
      << outcome.output;
  for (const auto& claim : claims_in("run")) EXPECT_NE(record("run", claim)["kind"], "training") << claim;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "training"));
}

TEST_F(Program, ATextReplacesTheInputsAndIsReproduced) {
  std::string text = "\xef\xbb\xbf";
  for (int i = 0; i < 400; ++i) text += "a line of my own, number " + std::to_string(i * i) + "\n";
  folder_.write("own.txt", text);
  program("--only sink_onset " + of_small_model("run") + "--text " + path("own.txt"));
  const auto measured = record("run", "sink_onset");
  EXPECT_EQ(measured["inputs"][0]["kind"], "tokens");
  EXPECT_EQ(measured["inputs"][0]["length"], 128);
  EXPECT_NE(measured["notes"].dump().find("The given text is measured in"), std::string::npos) << measured["notes"];
  EXPECT_NE(measured["command"].dump().find("--text " + path("own.txt")), std::string::npos) << measured["command"];
  std::filesystem::remove(folder_ / "own.txt");
  const auto again = program("reproduce " + path("run") + " --out " + path("again"));
  EXPECT_EQ(again.code, 0) << again.output;
  EXPECT_EQ(record("again", "sink_onset")["inputs"], measured["inputs"]);
  expect_refused(small_run("none", "--text-literal 'too short'"), "the text has 9 tokens");
  expect_refused(small_run("none", "--text a --tokens b"), "contradict each other");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "none"));
}

TEST_F(Program, ReproducesARunFromItsFolderAlone) {
  folder_.write("ids.jsonl",
                "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]\n[5,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]\n");
  const auto first = program(small_run("first", "--seed 5 --tokens " + path("ids.jsonl")));
  std::filesystem::remove(folder_ / "ids.jsonl");
  const auto again = program("reproduce " + path("first") + " --out " + path("again"));
  EXPECT_NE(again.output.find("nothing changed beyond noise"), std::string::npos) << again.output;
  EXPECT_EQ(again.code, 0) << again.output << first.output;
  const auto record = json::parse(read_text(folder_ / "again" / "sink_onset" / "record.json"));
  EXPECT_EQ(record["seed"], 5);
  expect_refused("reproduce " + path("nothing"), "there is no config.yaml");
  expect_refused("reproduce", "reproduce lacks a run folder");
}

/// In a kept record, so that the next run differs from it.
void flip_verdict(const std::filesystem::path& file) {
  auto record = json::parse(read_text(file));
  record["verdict"] = record["verdict"] == "pass" ? "fail" : "pass";
  std::ofstream(file) << record.dump();
}

TEST_F(Program, EndsWithOneWhereFailOnAsksForItAndNowhereElse) {
  const auto run = [&](const std::string& out, const std::string& more) {
    return program("--only '^(output_projection_alignment|rank_collapse)$' --profile smoke --model " +
                   path("small.gguf") + " --out " + path(out) + more)
        .code;
  };
  const auto junit = [&](const std::string& out) { return read_text(folder_ / out / "junit.xml"); };
  EXPECT_EQ(run("first", " --fail-on any"), 1);
  EXPECT_EQ(record("first", "output_projection_alignment")["verdict"], "fail");
  EXPECT_NE(junit("first").find("<failure"), std::string::npos);
  EXPECT_EQ(program("report " + path("first")).code, 0);
  EXPECT_EQ(junit("first").find("<failure"), std::string::npos);
  EXPECT_EQ(program("report " + path("first") + " --fail-on any").code, 1);
  EXPECT_EQ(run("second", " --fail-on new"), 0);  // of this model nothing is known
  EXPECT_EQ(run("third", " --fail-on new --against " + path("second")), 0);
  flip_verdict(folder_ / "second/output_projection_alignment/record.json");
  EXPECT_EQ(run("fourth", " --fail-on new --against " + path("second")), 1);
  EXPECT_NE(junit("fourth").find("pass became fail"), std::string::npos) << junit("fourth");
  EXPECT_NE(junit("fourth").find("failures=\"1\""), std::string::npos) << junit("fourth");
  expect_refused("--all --fail-on new --against " + path("nowhere"), "no record.json in any folder");
}

/// The embedding's row of one token, and one token is one byte, holds NaN.
GgufWriter file_with_a_bad_row(char token) {
  return small_file(TensorType::f32, [token](const std::string& tensor, std::vector<float>& numbers) {
    if (tensor == "token_embd.weight") numbers[token * kSmallWidth + 3] = NAN;
  });
}

/// scripts/nightly.sh in a copy of its own, with this build's program in place of the launcher.
/// What a night does with its outcomes is tests/nightly_test.py's; here two are really run.
TEST_F(Program, TwoNightsAgree) {
  namespace fs = std::filesystem;
  const auto root = folder_ / "root";
  fs::create_directories(root / "build/test");
  fs::copy(source_folder() / "scripts", root / "scripts", fs::copy_options::recursive);
  fs::create_symlink(REPLICATE_PROGRAM, root / "build/test/replicate");
  folder_.write("root/replicate", "#!/bin/sh\nexec '" REPLICATE_PROGRAM "' \"$@\"\n");
  fs::permissions(root / "replicate", fs::perms::owner_all);
  const auto night = [&] {
    const auto command = "sleep 1; REPLICATE_PRESET=test NIGHTLY_DIR=" + path("nights") + " " +
                         (root / "scripts/nightly.sh").string() +
                         " --profile smoke --only '^(output_projection_alignment|rank_collapse)$' --model " +
                         path("small.gguf") + " >" + path("output") + " 2>&1";
    return WEXITSTATUS(std::system(command.c_str()));
  };
  const auto output = [&] { return read_text(folder_ / "output"); };
  EXPECT_EQ(night(), 0) << output();
  EXPECT_EQ(night(), 0) << output();
  EXPECT_NE(output().find("nothing changed beyond noise"), std::string::npos) << output();
  EXPECT_NE(output().find("- 1 fail: `output_projection_alignment`"), std::string::npos) << output();
}

TEST_F(Program, RefusesBadNames) {
  expect_refused("--all --model " + path("none.gguf"), "none.gguf");
  expect_refused("--all --model smolm2", "did you mean 'smollm2'?");
  expect_refused("--all --profile smoky", "did you mean 'smoke'?");
  expect_refused("--all --dtype bfloat61", "did you mean 'bfloat16'?");
  expect_refused("--only sink_onst", "sink_onset");
  expect_refused("--only '('", "--only");
  expect_refused("--all --set seeed=1", "did you mean 'seed'?");
  expect_refused("--all --set claims.sink_onset.natural.sequences=many", "sequences");
  expect_refused("--all --profil smoke", "did you mean '--profile'?");
  expect_refused("frobnicate", "frobnicate");
  expect_refused("report " + path("nothing"), "nothing");
}

TEST_F(Program, RefusesBadTokens) {
  const auto refuse = [&](const std::string& text, const std::string& part) {
    folder_.write("bad.jsonl", text);
    expect_refused(small_run("out", "--tokens " + path("bad.jsonl")), part);
  };
  const std::string good = "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]\n";
  refuse("", "empty");
  refuse("\n\n", "empty");
  refuse("[]\n", "bad.jsonl:1");
  refuse("[1, 2\n", "bad.jsonl:1");
  refuse("{\"a\": 1}\n", "bad.jsonl:1");
  refuse(good + "[1, 2\n", "bad.jsonl:2");
  refuse("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,256]\n", "256");
  refuse("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,-1]\n", "-1");
  refuse("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,1.5]\n", "1.5");
  refuse("[1, 2, 3]\n", "too short");
  expect_refused(small_run("out", "--tokens " + path("none.jsonl")), "none.jsonl");
  expect_refused(small_run("out", "--tokens " + folder_.path().string()), "token file");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(Program, RefusesBadModelFiles) {
  const auto refuse = [&](const GgufWriter& file, const std::string& part) {
    file.write(folder_ / "bad.gguf");
    expect_refused("--all --profile smoke --model " + path("bad.gguf") + " --out " + path("out"), part);
  };
  const auto sound = small_file().bytes();
  const std::string text(reinterpret_cast<const char*>(sound.data()), sound.size());
  for (const size_t size : {size_t{0}, size_t{3}, size_t{20}, text.size() / 2, text.size() - 4}) {
    folder_.write("cut.gguf", text.substr(0, size));
    expect_refused("--all --model " + path("cut.gguf") + " --out " + path("out"), "cut.gguf");
  }
  folder_.write("text.gguf", "this is not a model\n");
  expect_refused("--all --model " + path("text.gguf"), "text.gguf");
  refuse(GgufWriter().text("general.architecture", "gptneox"), "gptneox");
  refuse(GgufWriter(99).text("general.architecture", "llama"), "99");
  refuse(small_file().tensor("blk.0.attn_q.bias", {kSmallWidth}, std::vector<float>(kSmallWidth)), "blk.0.attn_q.bias");
  refuse(small_file().tensor("rope_freqs.weight", {4}, std::vector<float>(4)), "RoPE divisor");
  refuse(small_file().unsigned_integer("llama.rope.dimension_count", 5), "dimension_count");
  refuse(small_file().real("llama.rope.scale_linear", -4), "RoPE divisor");
  refuse(small_file().text("llama.rope.scaling.type", "yarn"), "yarn");
  refuse(small_file().integers("tokenizer.ggml.token_type", std::vector<int32_t>(256, 3)), "special");
  refuse(small_file().raw_tensor("extra", {256, 32}, 20, 0), "IQ4_NL");
  refuse(small_file().raw_tensor("extra", {int64_t{1} << 40, 32}, 0, 0), "extra");
  refuse(small_file().raw_tensor("extra", {4}, 0, uint64_t{1} << 62), "extra");
  refuse(GgufWriter().text("general.architecture", "llama").unsigned_integer("llama.block_count", 4000000000U), "");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(Program, AWeightThatIsNotFiniteIsTheErrorOfEveryClaimAboutTheModel) {
  file_with_a_bad_row('e').write(folder_ / "small.gguf");
  const auto outcome = program(with_training("run"));
  EXPECT_EQ(outcome.code, 3) << outcome.output;
  for (const auto& claim : all_claims()) {
    const auto r = record("run", claim);
    EXPECT_EQ(r["verdict"] == "error", r["kind"] != "training") << claim << r["reason"];
    if (r["kind"] == "training") continue;
    const std::string expected = "tensor 'token_embd.weight' holds NaN at [101, 3] (" + path("small.gguf") + "): ";
    EXPECT_EQ(r["reason"].get<std::string>().find(expected), 0U) << r["reason"];
  }
}

TEST_F(Program, AWeightThatNothingReadsMayBeAnything) {
  const auto metrics = [&](const std::string& out) {
    EXPECT_EQ(program("--only sink_onset --profile smoke --model " + path("small.gguf") + " --out " + path(out)).code,
              0);
    return record(out, "sink_onset")["metrics"];
  };
  const auto sound = metrics("sound");
  file_with_a_bad_row('\1').write(folder_ / "small.gguf");
  EXPECT_EQ(metrics("bad"), sound);
}

TEST_F(Program, RefusesOutputItCannotWrite) {
  folder_.write("file", "in the way");
  expect_refused(small_run("file"), "file");
  expect_refused("--all --profile smoke --model " + path("small.gguf") + " --out /proc/replicate", "/proc/replicate");
}

TEST_F(Program, KeepsFinishedRecordsWhenTheDiskFillsUp) {
  program(small_run("run"));
  std::filesystem::remove_all(folder_ / "run" / "sink_onset");
  const auto kept = read_text(folder_ / "run" / "rank_collapse" / "record.json");
  // A limit on the size of files makes writes fail as a full disk does, without filling one.
  const auto shell = "sh -c 'trap \"\" XFSZ; ulimit -f 30; exec " + std::string(REPLICATE_PROGRAM) + " " +
                     small_run("run", "--resume") + "' >" + path("output") + " 2>&1";
  const int status = std::system(shell.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 3) << read_text(folder_ / "output");
  EXPECT_NE(read_text(folder_ / "output").find("record.json"), std::string::npos) << read_text(folder_ / "output");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run" / "sink_onset" / "record.json"));
  EXPECT_EQ(read_text(folder_ / "run" / "rank_collapse" / "record.json"), kept);
}

TEST_F(Program, ListsValidatesAndPredicts) {
  const auto list = program("--list");
  EXPECT_EQ(list.code, 0);
  for (const auto& claim : all_claims())  // scripts/slurm reads the indented lines
    EXPECT_NE(list.output.find("\n  " + claim + " "), std::string::npos) << claim;
  EXPECT_EQ(program("validate").code, 0);
  const auto definitions = program("validate --definitions");
  EXPECT_EQ(definitions.code, 0);
  for (const auto& claim : all_claims()) EXPECT_NE(definitions.output.find(claim + ": {version: "), std::string::npos);
  EXPECT_EQ(program("--version").output.rfind("replicate ", 0), 0);
  const auto dry = program(small_run("never", "--dry-run"));
  EXPECT_EQ(dry.code, 0) << dry.output;
  EXPECT_NE(dry.output.find("mask_induced_sink"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "never"));
}

TEST_F(Program, TrainsNothingForAVerdictThatIsInconclusiveBeforehand) {
  const auto few = "--only convergence_speedup " + of_small_model("few") + "--set training.even_if_inconclusive=false";
  const auto outcome = program(few);
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  const auto r = record("few", "convergence_speedup");
  EXPECT_EQ(r["verdict"], "not run");
  EXPECT_EQ(r["reason"], "not trained: the baseline has 2 seeds and needs 8");
  const auto dry = program(few + " --dry-run");
  EXPECT_NE(dry.output.find("not trained: the baseline has 2 seeds"), std::string::npos) << dry.output;
}

// --- Training ---

class TrainProgram : public Program {
 protected:
  std::string train(const std::string& out, const std::string& more = "") const {
    return "train --profile smoke --out " + path(out) + brief_training() + more;
  }
  std::string weights(const std::string& out, const std::string& step) const {
    return read_text(folder_ / out / ("step-" + step) / "model.safetensors");
  }
};

TEST_F(TrainProgram, LeavesItsWeightsAndItsCurve) {
  const auto outcome = program(train("run", "--arm head_rms_norm --rate 0.01"));
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  const auto run = json::parse(read_text(folder_ / "run/run.json"));
  EXPECT_EQ(run["curve"].size(), 3U);  // steps 0, 3, 6
  EXPECT_EQ(run["stopped"], "");
  EXPECT_NE(weights("run", "000000"), weights("run", "000006"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run/state.safetensors"));
  expect_refused(train("run"), "--resume");
  expect_refused(train("run", "--resume"), "another training run");
}

/// Killed again and again, at whatever moment: what is left at the end is what an uninterrupted run leaves.
/// REPLICATE_KILLS sets how often.
TEST_F(TrainProgram, KilledRunsEndWithTheSameBits) {
  const std::string longer = "--set training.steps=90 --set training.validation.every=10 ";
  EXPECT_EQ(program(train("whole", longer)).code, 0);
  const char* setting = std::getenv("REPLICATE_KILLS");
  const int kills = setting ? std::atoi(setting) : 3;
  for (int i = 0; i < kills; ++i) {
    const auto seconds = 0.15 + 0.07 * (i * 7 % 11);  // from before the first state to near the end
    const auto command = "timeout -s KILL " + std::to_string(seconds) + " " + REPLICATE_PROGRAM + " " +
                         train("killed", longer + "--resume") + " >" + path("output") + " 2>&1";
    (void)!std::system(command.c_str());
  }
  const auto outcome = program(train("killed", longer + "--resume"));
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_EQ(weights("killed", "000090"), weights("whole", "000090"));
  const auto curve = [&](const std::string& out) {
    auto points = json::parse(read_text(folder_ / out / "run.json"))["curve"];
    for (auto& point : points) point.erase(1);  // seconds
    return points;
  };
  EXPECT_EQ(curve("killed"), curve("whole"));
}

/// Two processes with the variables that torchrun sets.
class TrainTogether : public TrainProgram {
 protected:
  static std::string rank(int rank, int size = 2) {
    const auto port = 20000 + getpid() % 20000;
    return "env WORLD_SIZE=" + std::to_string(size) + " RANK=" + std::to_string(rank) +
           " LOCAL_RANK=" + std::to_string(rank) + " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port) + " ";
  }

  /// Their exit codes and what both of them say; `limit` is a command that starts each.
  std::string together(const std::string& arguments, const std::string& limit = "") const {
    const auto start = [&](int i) {
      return rank(i) + limit + REPLICATE_PROGRAM + " " + arguments + " >" + path("rank" + std::to_string(i)) + " 2>&1";
    };
    const auto shell =
        start(1) + " & other=$!; " + start(0) + "; first=$?; wait $other; echo $first $? >" + path("codes");
    (void)!std::system(("sh -c '" + shell + "'").c_str());
    return read_text(folder_ / "codes");
  }
  std::string said() const { return read_text(folder_ / "rank0") + read_text(folder_ / "rank1"); }

  std::vector<float> numbers(const std::string& out, const std::string& step) const {
    const auto bytes = weights(out, step);
    const auto file = SafetensorsFile::parse(std::as_bytes(std::span(bytes)), out);
    std::vector<float> all;
    for (const auto& tensor : file.tensors()) {
      all.resize(all.size() + static_cast<size_t>(tensor.elements()));
      decode_floats(tensor, all.data() + all.size() - tensor.elements());
    }
    return all;
  }
};

TEST_F(TrainTogether, TwoProcessesTrainAsOneOnTheSameBatches) {
  EXPECT_EQ(program(train("one", "--set training.accumulate=2")).code, 0);
  EXPECT_EQ(together(train("two")), "0 0\n") << said();
  const auto one = numbers("one", "000006"), two = numbers("two", "000006"), start = numbers("one", "000000");
  ASSERT_EQ(one.size(), two.size());
  double apart = 0, moved = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    apart = std::max(apart, std::abs(static_cast<double>(one[i]) - two[i]));
    moved = std::max(moved, std::abs(static_cast<double>(one[i]) - start[i]));
  }
  EXPECT_LT(apart, 1e-4 * moved);
  const auto loss = [&](const std::string& out) {
    return json::parse(read_text(folder_ / out / "run.json"))["curve"].back();
  };
  for (size_t i = 2; i < 5; ++i)
    EXPECT_NEAR(loss("one")[i], loss("two")[i], 1e-5) << i;  // trained, validated, gradient
  EXPECT_EQ(read_text(folder_ / "rank1"), "");
}

TEST_F(TrainTogether, KilledAndStartedAgainTheyEndWithTheSameBits) {
  const std::string longer =
      "--set training.steps=90 --set training.validation.every=10 --set training.checkpoint_seconds=0 ";
  EXPECT_EQ(together(train("whole", longer)), "0 0\n") << said();
  together(train("killed", longer), "timeout -s KILL 0.9 ");
  EXPECT_EQ(together(train("killed", longer + "--resume")), "0 0\n") << said();
  EXPECT_EQ(weights("killed", "000090"), weights("whole", "000090"));
  const auto killed = json::parse(read_text(folder_ / "killed/run.json"))["curve"];
  const auto whole = json::parse(read_text(folder_ / "whole/run.json"))["curve"];
  ASSERT_EQ(killed.size(), whole.size());
  for (size_t i = 1; i < whole.size(); ++i)
    EXPECT_NEAR(killed[i][2], whole[i][2], 1e-5) << i;  // the loss of the batches
}

TEST_F(TrainTogether, RefusesWhatDoesNotFit) {
  const auto refused = [&](const std::string& environment, const std::string& arguments) {
    (void)!std::system((environment + REPLICATE_PROGRAM + " " + arguments + " >" + path("said") + " 2>&1").c_str());
    return read_text(folder_ / "said");
  };
  EXPECT_NE(refused(rank(2), train("x")).find("rank 2 of 2"), std::string::npos);
  EXPECT_NE(refused("env WORLD_SIZE=2 RANK=0 LOCAL_RANK=0 ", train("x")).find("MASTER_ADDR"), std::string::npos);
  EXPECT_NE(refused("env WORLD_SIZE=two ", train("x")).find("not a number (two)"), std::string::npos);
  EXPECT_NE(refused(rank(0), small_run("x")).find("measured by one process"), std::string::npos);
  EXPECT_EQ(together(train("x", "--set training.sequences=5")), "2 2\n") << said();
  EXPECT_NE(said().find("5 sequences cannot be cut into 2"), std::string::npos) << said();
}

TEST_F(TrainProgram, ADivergedRunSaysSoAndEnds) {
  const auto outcome = program(train("run", "--rate 1e8 --set training.clip=1e8 "));
  EXPECT_EQ(outcome.code, 3) << outcome.output;
  EXPECT_NE(outcome.output.find("diverged before step"), std::string::npos) << outcome.output;
  const auto run = json::parse(read_text(folder_ / "run/run.json"));
  EXPECT_NE(run["stopped"].get<std::string>().find("diverged"), std::string::npos) << run;
}

TEST_F(TrainProgram, TrainsOnTextAndTheClaimsRunOnWhatItLeaves) {
  folder_.write("assets/tokenizers/bytes/tokenizer.json", byte_tokenizer_json().dump());
  const std::string text = "--set training.data=prose --set training.tokenizer=bytes --set training.vocabulary=257 ";
  const auto outcome = program(train("run", text));
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  const auto measured =
      program("--only sink_onset --profile smoke --model " + path("run/step-000006") + " --out " + path("claims"));
  EXPECT_LE(measured.code, 1) << measured.output;
  const auto r = record("claims", "sink_onset");
  EXPECT_EQ(r["inputs"][0]["kind"], "natural");
  EXPECT_EQ(r["inputs"][0]["bos"], true);  // as it was trained
  EXPECT_NE(r["verdict"], "error") << r["reason"];
}

TEST_F(TrainProgram, RefusesBadRecipesAndTexts) {
  expect_refused(train("x", "--arm baselin"), "unknown arm");
  expect_refused(train("x", "--rate -1"), "--rate");
  expect_refused(train("x", "--set training.decay=6 "), "constant rate");
  expect_refused(train("x", "--set training.accumulate=3 "), "accumulate");
  expect_refused(train("x", "--set training.data=prose --set training.tokenizer=none "), "no tokenizer");
  folder_.write("assets/tokenizers/bytes/tokenizer.json", byte_tokenizer_json().dump());
  std::filesystem::create_directories(folder_ / "empty");
  const std::string bytes = "--set training.tokenizer=bytes --set training.vocabulary=257 ";
  expect_refused(train("x", bytes + "--set training.data=nowhere"), "no text");
  expect_refused(train("x", bytes + "--set training.data=" + path("empty")), "empty");
  expect_refused("train --profile smoke", "--out");
}

TEST_F(TrainProgram, KeepsTheLastStateWhenTheDiskFillsUp) {
  const auto limited = [&](const std::string& limit) {
    const auto shell = "sh -c 'trap \"\" XFSZ; ulimit -f " + limit + "; exec " + std::string(REPLICATE_PROGRAM) + " " +
                       train("run", "--resume --set training.keep=[100]") + "' >" + path("output") + " 2>&1";
    return WEXITSTATUS(std::system(shell.c_str()));
  };
  EXPECT_EQ(limited("100"), 2) << read_text(folder_ / "output");  // 50 KiB: less than a state
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run/run.json"));
  EXPECT_EQ(limited("unlimited"), 0) << read_text(folder_ / "output");
}

/// The real model, if set-up fetched it: the same path with numbers that mean something.
TEST(RealModel, SmokeProfileEndsWithoutErrorAndItsNullNeverPasses) {
  if (!std::filesystem::exists(model_file())) GTEST_SKIP() << "no model: run scripts/setup";
  const TemporaryFolder folder;
  const auto run = [&](const std::string& model) {
    const auto outcome = program("--all --profile smoke --model " + model + " --out " + (folder / model).string());
    EXPECT_EQ(outcome.code, 0) << outcome.output;
  };
  run("smollm2");
  run("smollm2-null");
  for (const auto& claim : all_claims()) {
    if (!std::filesystem::exists(folder / "smollm2" / claim)) continue;  // about training
    const auto record = json::parse(read_text(folder / "smollm2" / claim / "record.json"));
    const auto null = json::parse(read_text(folder / "smollm2-null" / claim / "record.json"));
    EXPECT_NE(record["verdict"], "error") << record["reason"];
    EXPECT_NE(null["verdict"], "error") << null["reason"];
    EXPECT_TRUE(holds_by_arithmetic(claim) || null["verdict"] != "pass") << claim;
  }
}

/// Not of training claims: the second run would take what the first has trained.
TEST(RealModel, NumbersDoNotDependOnThreadsOrBatches) {
  if (!std::filesystem::exists(model_file())) GTEST_SKIP() << "no model: run scripts/setup";
  const TemporaryFolder folder;
  const auto metrics = [&](const std::string& name, const std::string& how) {
    const auto out = folder / name;
    program("--only 'mechanism|intervention' --profile smoke --tokens " +
            (source_folder() / "tests/golden/parity/tokens.jsonl").string() + " --out " + out.string() + " " + how);
    json all;
    for (const auto& claim : all_claims())
      if (const auto file = out / claim / "record.json"; std::filesystem::exists(file))
        all[claim] = json::parse(read_text(file))["metrics"];
    return all;
  };
  const auto one = metrics("one", "--threads 1 --set batch_tokens=64");
  const auto two = metrics("two", "--threads 2 --set batch_tokens=4096");
  ASSERT_GE(one.size(), 20u);
  for (const auto& [claim, measured] : one.items()) {
    ASSERT_EQ(measured.size(), two[claim].size());
    for (size_t i = 0; i < one[claim].size(); ++i) {
      if (one[claim][i]["value"].is_null()) {
        EXPECT_TRUE(two[claim][i]["value"].is_null()) << claim << one[claim][i]["name"];
        continue;
      }
      const double a = one[claim][i]["value"], b = two[claim][i]["value"];
      EXPECT_LE(std::abs(a - b), 1e-5 * std::max(std::abs(b), 1e-2)) << claim << one[claim][i]["name"];
    }
  }
}

TEST(RealModel, InterruptedRunLeavesWholeRecordsAndSaysHowToGoOn) {
  if (!std::filesystem::exists(model_file())) GTEST_SKIP() << "no model: run scripts/setup";
  const TemporaryFolder folder;
  const std::string output = folder / "output", run = folder / "run";
  // In the foreground: otherwise the signal comes a second time, to the whole group, which ends a program at once.
  const auto command = std::string("timeout --foreground --preserve-status -s INT 8 ") + REPLICATE_PROGRAM +
                       " --all --profile smoke --set claims.mask_induced_sink.natural.sequences=200 --out " + run +
                       " >" + output + " 2>&1";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 130);
  EXPECT_NE(read_text(output).find("--resume --out " + run), std::string::npos) << read_text(output);
  EXPECT_FALSE(std::filesystem::exists(folder / "run/mask_induced_sink/record.json"));
  for (const auto& claim : all_claims()) {
    const auto file = std::filesystem::path(run) / claim / "record.json";
    if (!std::filesystem::exists(file)) continue;
    EXPECT_TRUE(json::accept(read_text(file))) << claim;
  }
}

}  // namespace
}  // namespace replicate::cli
