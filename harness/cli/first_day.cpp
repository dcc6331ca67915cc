#include "harness/cli/first_day.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/text_file.h"
#include "harness/cli/program.h"

namespace replicate::cli {
namespace {

struct Instead {
  std::vector<std::string> words;
  std::string write;
};

const std::vector<Instead>& commands() {
  static const std::vector<Instead> all = {
      {{"list", "ls", "claims", "show"}, "--list shows the claims"},
      {{"run", "all", "start", "test", "measure", "evaluate", "eval"}, "--all runs every claim, --only NAME one"},
      {{"help", "usage"}, "--help shows the options"},
      {{"version"}, "write --version"},
      {{"compare"}, "diff A B compares two runs, report A B ... shows several side by side"},
      {{"resume", "continue"}, "add --resume and --out DIR to the command of the run"},
      {{"setup", "install", "download", "fetch"}, "scripts/setup prepares a machine"},
      {{"bench", "benchmark"}, "scripts/bench runs the benchmarks"},
      {{"check", "verify"},
       "doctor checks the installation, ./check runs the tests, validate checks settings and records"},
      {{"clean"}, "remove the run's folder in results/"}};
  return all;
}

const std::vector<Instead>& options() {
  static const std::vector<Instead> all = {
      {{"--claims", "--claim", "--tests", "--test", "--task", "--tasks", "--filter", "--select", "-k"},
       "--only NAME runs one claim, --list shows them"},
      {{"--batch-size", "--batch", "--batchsize", "--bs", "-b"},
       "how many sequences run together follows from the memory; --set claims.CLAIM.natural.sequences=N changes how "
       "many are "
       "measured"},
      {{"--seq-len", "--seqlen", "--length", "--max-length", "--max-tokens", "--context"},
       "--set claims.CLAIM.natural.length=N changes the length of a claim's sequences"},
      {{"--num-samples", "--samples", "--limit", "-n"},
       "--set claims.CLAIM.natural.sequences=N changes how many sequences a claim measures"},
      {{"--prompt", "--string"}, "write --text-literal TEXT"},
      {{"--input", "--data", "--dataset", "--file"},
       "--text FILE measures on your own text; --set training.data=PATH takes text to train on"},
      {{"--gpu", "--cuda", "--gpus"}, "write --device cuda"},
      {{"--cpu"}, "write --device cpu"},
      {{"--output", "--output-dir", "--outdir", "--save", "-o"}, "write --out DIR"},
      {{"--fp16", "--half", "--precision", "--torch-dtype"}, "write --dtype float16 or bfloat16"},
      {{"--bf16"}, "write --dtype bfloat16"},
      {{"--workers", "--jobs", "--num-threads", "--cores", "-j", "-t"}, "write --threads N"},
      {{"--quick", "--fast", "--small"}, "write --profile quick"},
      {{"--full", "--paper"}, "write --profile paper"},
      {{"--model-name", "--model_name", "--model-path", "--model_name_or_path", "--pretrained", "-m"}, "write --model"},
      {{"--revision"}, "write --model ORG/NAME@REVISION"},
      {{"--cache-dir", "--hf-home"}, "set HF_HOME"},
      {{"--token", "--hf-token"}, "set HF_TOKEN"},
      {{"--steps", "--epochs", "--lr", "--learning-rate"},
       "`replicate train --rate R` trains one arm; --set training.steps=N changes its length"},
      {{"--quiet", "-q", "--silent"}, "send standard error elsewhere: progress is written there"},
      {{"--debug", "-v"}, "write --verbose; the run's folder holds a log"},
      {{"--json", "--csv"}, "the run's folder holds summary.json and a record.json per claim"},
      {{"--force", "--overwrite"}, "give another --out, or remove the folder: no run is overwritten"},
      {{"--baseline", "--compare"}, "write --fail-on new --against RUN, or `replicate diff A B`"}};
  return all;
}

std::optional<std::string> found(const std::vector<Instead>& all, const std::string& word) {
  for (const auto& [words, write] : all)
    if (std::ranges::find(words, word) != words.end()) return write;
  return std::nullopt;
}

bool names_a_setting(const std::string& word, const char* folder) {
  const bool is_name = word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") == std::string::npos;
  return is_name && is_there(home() / "configs" / folder / (word + ".yaml"));
}

}  // namespace

std::optional<std::string> instead_of_command(const std::string& word) {
  if (names_a_setting(word, "claims")) return "this is a claim: write --only " + word;
  if (names_a_setting(word, "models")) return "this is a model: write --all --model " + word;
  if (names_a_setting(word, "profiles")) return "this is a profile: write --all --profile " + word;
  if (is_there(word))
    return "this is a path: write --all --model " + word + " for a model, report " + word + " for a run";
  return found(commands(), word);
}

std::optional<std::string> instead_of_option(const std::string& option) { return found(options(), option); }

}  // namespace replicate::cli
