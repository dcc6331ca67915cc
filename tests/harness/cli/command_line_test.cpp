#include "harness/cli/command_line.h"

#include <gtest/gtest.h>

#include <sstream>

#include "harness/cli/options.h"
#include "tests/support/temporary_folder.h"

namespace replicate::cli {
namespace {

using Command = CommandLine::Command;

using Words = std::vector<std::string>;

CommandLine parse(Words words) {
  words.insert(words.begin(), "replicate");
  std::vector<const char*> argv;
  for (const auto& word : words) argv.push_back(word.c_str());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

std::string message(const Words& words) {
  return message_of([&] { parse(words); });
}

void expect_has(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' not in: " << message;
}

TEST(CommandLine, ReadsEveryOption) {
  const CommandLine line = parse({"--only",
                                  "sink.*",
                                  "--profile=smoke",
                                  "--model",
                                  "smollm2",
                                  "--tokens",
                                  "ids.jsonl",
                                  "--device",
                                  "cuda:1",
                                  "--seed",
                                  "18446744073709551615",
                                  "--threads",
                                  "2",
                                  "--out",
                                  "results/x",
                                  "--resume",
                                  "--save-inputs",
                                  "--fail-on",
                                  "new",
                                  "--against",
                                  "results/last",
                                  "--set",
                                  "seed=1",
                                  "--set",
                                  "claims.a.b=[1, 2]",
                                  "--accept-licence",
                                  "gemma"});
  EXPECT_EQ(line.command, Command::run);
  EXPECT_EQ(line.only, "sink.*");
  EXPECT_EQ(line.profile, "smoke");
  EXPECT_EQ(line.model, "smollm2");
  EXPECT_EQ(line.tokens, "ids.jsonl");
  EXPECT_EQ(line.device, "cuda:1");
  EXPECT_EQ(line.seed, UINT64_MAX);
  EXPECT_EQ(line.threads, 2);
  EXPECT_EQ(line.out, "results/x");
  EXPECT_TRUE(line.resume);
  EXPECT_TRUE(line.save_inputs);
  EXPECT_EQ(line.fail_on, "new");
  EXPECT_EQ(line.against, "results/last");
  EXPECT_EQ(line.overrides, (std::vector<std::string>{"seed=1", "claims.a.b=[1, 2]"}));
  EXPECT_EQ(line.accepted_licences, (std::vector<std::string>{"gemma"}));
}

TEST(CommandLine, HasQuietDefaults) {
  const CommandLine line = parse({"--all"});
  EXPECT_EQ(line.command, Command::run);
  EXPECT_EQ(line.only, "");
  EXPECT_EQ(line.profile, "");
  EXPECT_EQ(line.device, "auto");
  EXPECT_EQ(line.threads, 0);
  EXPECT_FALSE(line.seed || line.tokens || line.out || line.resume || line.save_inputs || line.against);
  EXPECT_EQ(line.fail_on, "none");
}

TEST(CommandLine, ChoosesTheCommand) {
  EXPECT_EQ(parse({"--all"}).command, Command::run);
  EXPECT_EQ(parse({"--list"}).command, Command::list);
  EXPECT_EQ(parse({"--dry-run"}).command, Command::dry_run);
  EXPECT_EQ(parse({"--all", "--dry-run"}).command, Command::dry_run);
  EXPECT_EQ(parse({"--dry-run", "--only", "x"}).only, "x");
  EXPECT_EQ(parse({"report", "results/x"}).command, Command::report);
  EXPECT_EQ(parse({"report", "results/x"}).folders.at(0), "results/x");
  EXPECT_EQ(parse({"report", "a", "b", "--out", "c"}).folders.size(), 2u);
  EXPECT_EQ(parse({"diff", "a", "--format=text", "b"}).folders.at(1), "b");
  EXPECT_EQ(parse({"diff", "a", "b", "--format", "junit"}).format, "junit");
  EXPECT_EQ(parse({"reproduce", "--threads", "1", "a"}).folders.at(0), "a");
  EXPECT_EQ(parse({"doctor"}).command, Command::doctor);
  EXPECT_EQ(parse({"validate"}).command, Command::validate);
  EXPECT_EQ(parse({"--version"}).command, Command::version);
  EXPECT_EQ(parse({"--all", "--yes", "--offline"}).command, Command::run);
  EXPECT_EQ(parse({"doctor", "--offline"}).command, Command::doctor);
}

TEST(CommandLine, NothingAskedForIsHelpAndAUsageError) {
  EXPECT_EQ(parse({}).command, Command::help);
  EXPECT_EQ(parse({}).exit_code, 2);
  EXPECT_EQ(parse({"--help"}).exit_code, 0);
  EXPECT_EQ(parse({"-h"}).command, Command::help);
  EXPECT_EQ(parse({"report", "--help"}).command, Command::help);
  const std::string usage = parse({}).text;
  EXPECT_LE(std::count(usage.begin(), usage.end(), '\n'), 11) << usage;
  for (const char* part : {"--all", "--list", "--help", "Say what to run"}) expect_has(usage, part);
  expect_has(message({"--profile", "smoke"}), "nothing says what to run");
  EXPECT_EQ(parse_command_line(0, nullptr).command, Command::help);
}

TEST(CommandLine, HelpListsTheCommands) {
  const std::string help = parse({"--help"}).text;
  for (const auto& spec : command_specs()) expect_has(help, "  " + spec.name);
}

TEST(CommandLine, EveryCommandDescribesItsOptionsAndFitsATerminal) {
  for (const auto& spec : command_specs()) {
    const std::string help = parse(spec.name.empty() ? Words{"--help"} : Words{spec.name, "--help"}).text;
    for (const char* part : {"Usage: replicate", "--help", "--version", "--yes", "--offline", "\n  0 ", "\n  2 "}) {
      expect_has(help, part);
    }
    for (const auto& option : spec.options) expect_has(help, "  --" + option + " ");
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  }
  EXPECT_EQ(parse({"diff", "--help"}).text.find("--seed"), std::string::npos);
}

TEST(CommandLine, UnknownWordsAreSuggested) {
  expect_has(message({"--al"}), "did you mean '--all'?");
  expect_has(message({"--all", "--profil", "smoke"}), "did you mean '--profile'?");
  expect_has(message({"--all", "--dryrun"}), "did you mean '--dry-run'?");
  expect_has(message({"repotr", "x"}), "did you mean 'report'?");
  expect_has(message({"--frobnicate"}), "unknown option '--frobnicate'");
  expect_has(message({"--all", "stray"}), "a run of claims does not take 'stray'");
  expect_has(message({"-x"}), "-x");
}

/// What people type before they have read the help.
TEST(CommandLine, WordsOfOtherProgramsAreAnswered) {
  struct Case {
    std::string typed, answer;
  };
  for (const auto& [typed, answer] : {Case{"sink_onset", "this is a claim: write --only sink_onset"},
                                      Case{"smollm2", "this is a model: write --all --model smollm2"},
                                      Case{"smoke", "this is a profile: write --all --profile smoke"},
                                      Case{"list", "--list shows the claims"},
                                      Case{"run", "--all runs every claim"},
                                      Case{"help", "--help shows the options"},
                                      Case{"compare", "diff A B"},
                                      Case{"setup", "scripts/setup"},
                                      Case{"/", "this is a path"},
                                      Case{"--claims", "--only NAME"},
                                      Case{"--batch-size", "natural.sequences=N"},
                                      Case{"--seq-len", "natural.length=N"},
                                      Case{"--gpu", "--device cuda"},
                                      Case{"--output-dir", "--out DIR"},
                                      Case{"--fp16", "--dtype float16"},
                                      Case{"--jobs", "--threads N"},
                                      Case{"--model_name_or_path", "write --model"},
                                      Case{"--quick", "--profile quick"},
                                      Case{"--prompt", "--text-literal TEXT"},
                                      Case{"--dataset", "--text FILE"},
                                      Case{"--revision", "ORG/NAME@REVISION"},
                                      Case{"--json", "summary.json"},
                                      Case{"--overwrite", "no run is overwritten"}})
    expect_has(message({typed}), answer);
  expect_has(message({"--all", "--batch-size", "4"}), "natural.sequences=N");
  expect_has(message({"../claims/sink_onset"}), "unknown command");
}

TEST(CommandLine, MissingValuesAreErrors) {
  for (const char* option : {"--only", "--profile", "--model", "--tokens", "--seed", "--set", "--device", "--threads",
                             "--out", "--accept-licence"}) {
    EXPECT_FALSE(message({"--all", option}).empty()) << option;
    EXPECT_FALSE(message({"--all", std::string(option) + "="}).empty()) << option;
  }
  expect_has(message({"--only", "--resume"}), "only");
  expect_has(message({"--all", "--seed"}), "--seed lacks its value (command line): add it");
  expect_has(message({"--all", "--seed="}), "--seed lacks its value");
  expect_has(message({"--all", "--out", ""}), "--out lacks its value");
  expect_has(message({"--all=x"}), "--all");
  expect_has(message({"report"}), "report lacks a run folder (command line): write replicate report RUN");
  expect_has(message({"diff", "a"}), "diff lacks a run folder");
}

TEST(CommandLine, FailOnTakesThreeWordsAndGoesWithAgainst) {
  EXPECT_EQ(parse({"--all", "--fail-on", "any"}).fail_on, "any");
  EXPECT_EQ(parse({"report", "a", "--fail-on", "new", "--against", "b"}).against, "b");
  EXPECT_EQ(parse({"report", "a", "--fail-on=new", "--against=b"}).against, "b");
  EXPECT_EQ(parse({"diff", "a", "b", "--format=junit"}).format, "junit");
  expect_has(message({"report", "a", "--fail-on"}), "--fail-on lacks its value");
  expect_has(message({"--all", "--fail-on", "neww"}), "did you mean 'new'?");
  expect_has(message({"report", "a", "--fail-on", "anny"}), "did you mean 'any'?");
  expect_has(message({"--all", "--against", "b"}), "add --fail-on new");
  expect_has(message({"--all", "--fail-on", "any", "--against", "b"}), "add --fail-on new");
  expect_has(message({"report", "a", "b", "--out", "c", "--fail-on", "any"}), "leave them out");
  expect_has(message({"reproduce", "a", "--fail-on", "any"}), "reproduce does not take --fail-on");
  expect_has(message({"train", "--out", "a", "--fail-on", "any"}), "train does not take --fail-on");
}

TEST(CommandLine, ContradictionsAreErrors) {
  expect_has(message({"--all", "--only", "x"}), "contradict");
  expect_has(message({"--list", "--dry-run"}), "contradict");
  expect_has(message({"--all", "--resume"}), "--out");
  expect_has(message({"--only", "a", "--only", "b"}), "twice");
  expect_has(message({"doctor", "now"}), "'now'");
  expect_has(message({"validate", "--all"}), "validate does not take --all");
  expect_has(message({"--all", "--rate", "1"}), "a run of claims does not take --rate");
  expect_has(message({"diff", "a", "b", "c"}), "diff does not take 'c'");
  expect_has(message({"report", "a", "b"}), "does not say where to");
  expect_has(message({"report", "a", "--agianst", "b"}), "did you mean '--against'?");
}

TEST(CommandLine, NumbersAndDevicesAreChecked) {
  for (const char* seed : {"-1", "1.5", "x", "18446744073709551616", " 1", "0x10"}) {
    EXPECT_FALSE(message({"--all", "--seed", seed}).empty()) << seed;
  }
  for (const char* threads : {"-1", "two", "1025", "1e3"}) {
    EXPECT_FALSE(message({"--all", "--threads", threads}).empty()) << threads;
  }
  for (const char* device : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1234", "CPU", "cpu:0"}) {
    EXPECT_FALSE(message({"--all", "--device", device}).empty()) << device;
  }
  for (const char* device : {"auto", "cpu", "cuda", "cuda:0", "cuda:15"}) {
    EXPECT_EQ(parse({"--all", "--device", device}).device, device);
  }
}

TEST(CommandLine, EveryErrorIsOneLine) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--all", "--x\ny"}, {"a\nb"}, {"--all", "--seed", "1\n2"}}) {
    const std::string text = message(words);
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace replicate::cli
