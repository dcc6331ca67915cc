#include "harness/cli/command_line.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "harness/cli/program.h"
#include "harness/record/settings/settings.h"

namespace replicate {
namespace {

namespace po = boost::program_options;
using Command = CommandLine::Command;
using Words = std::vector<std::string>;

constexpr const char* kWhere = "command line";
constexpr int kMostThreads = 1024;

constexpr const char* kHelp =
    R"(replicate: measures a paper's claims on real models and says which of them hold.

  replicate --all                run every claim
  replicate --only REGEX         run the claims whose id matches
  replicate --list               list the claims
  replicate --dry-run            show what a run would cost, and compute nothing
  replicate train --arm NAME --rate R --out DIR
                                 one training run of the profile's recipe
  replicate report DIR           write the report of a finished run again; takes
                                 --fail-on and --against
  replicate report DIR... --out DIR
                                 what replicates where: claims x models
  replicate diff A B [--format text|markdown|junit]
                                 what changed between two runs beyond noise;
                                 exit 1 when something did, but for time and
                                 memory
  replicate reproduce RUN        run the claims of a folder again as recorded
                                 there, then diff; takes --out, --device,
                                 --threads, --accept-licence
  replicate doctor               what this machine can run, and what is missing
  replicate validate             check all settings in configs/

What to run
  --profile NAME                 configs/profiles: smoke, cpu, nightly
                                 (without it: nightly on a GPU, cpu elsewhere)
  --model NAME|PATH              configs/models, or a GGUF file, a Hugging Face
                                 folder, or a model's folder in its cache
  --bos on|off|auto              put BOS before what is measured (auto: where a
                                 model given by its path is known to need it)
  --tokens FILE                  token ids in place of the inputs: JSON Lines,
                                 one array a sequence, all of one length
  --seed N                       seed of inputs, null models and intervals
  --set KEY=VALUE                change any setting, may be repeated:
                                 --set claims.sink_onset.natural.sequences=4
  --accept-licence NAME          for models whose licence asks for it

How to run it
  --device auto|cpu|cuda[:N]     where to compute (auto: a GPU if there is one)
  --threads N                    processor threads (default: one a core)
  --dtype float32|bfloat16|float16
                                 of the forward's products; what a claim counts
                                 stays float32, and margins smaller than the
                                 error that this makes are inconclusive

Results
  --out DIR                      folder of the run (default: new, in results/)
  --resume                       keep what --out already has, compute the rest
  --fail-on none|any|new         what makes a run end with 1: nothing (the
                                 default), any claim that fails, or a verdict
                                 that differs from the one recorded for this
                                 model, profile and thresholds
  --against RUN                  with --fail-on new: compare with the verdicts
                                 in the folder RUN

Set-up (the launcher ./replicate)
  --yes                          install what is missing without asking
  --offline                      install nothing, say what is missing

Other
  --help, --version

Exit codes
  0  what was asked was measured, whatever the verdicts
  1  --fail-on found something; diff: something changed; reproduce: numbers
     disagree
  2  usage or environment: nothing was run
  3  a claim ended in an error
  130  interrupted
)";

/// The options of running claims, of which `train` takes some and adds its own.
po::options_description run_options() {
  const auto word = [] { return po::value<std::string>(); };
  const auto words = [] { return po::value<Words>()->composing(); };
  po::options_description options;
  options.add_options()("all", "")("only", word(), "")("list", "")("dry-run", "");
  options.add_options()("profile", word(), "")("model", word(), "")("tokens", word(), "");
  options.add_options()("seed", word(), "")("set", words(), "")("accept-licence", words(), "");
  options.add_options()("device", word(), "")("threads", word(), "")("out", word(), "");
  options.add_options()("dtype", word(), "")("bos", word(), "");
  options.add_options()("fail-on", word(), "")("against", word(), "");
  options.add_options()("resume", "")("yes", "")("offline", "");
  options.add_options()("help,h", "")("version", "")("arm", word(), "")("rate", word(), "");
  return options;
}

Words option_names() {
  const po::options_description options = run_options();
  Words names;
  for (const auto& option : options.options()) names.push_back("--" + option->long_name());
  return names;
}

[[noreturn]] void fail(const std::string& what, const std::string& remedy) { throw Error(what, kWhere, remedy); }

[[noreturn]] void fail_unknown(const std::string& option) {
  const std::string dashed = option.starts_with("-") ? option : "--" + option;
  fail("unknown option " + in_quotes(dashed), did_you_mean(dashed, option_names()));
}

/// Runs Boost's parser; its exceptions become ours.
po::variables_map parse_options(const Words& words) {
  const po::options_description options = run_options();
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::variables_map values;
  try {
    po::store(po::command_line_parser(words)
                  .options(options)
                  .positional(po::positional_options_description())
                  .style(style)
                  .run(),
              values);
  } catch (const po::unknown_option& error) {
    fail_unknown(error.get_option_name());
  } catch (const po::multiple_occurrences& error) {
    fail(in_quotes(error.get_option_name()) + " is given twice", "give it once");
  } catch (const po::too_many_positional_options_error&) {
    fail("a word without an option", "see replicate --help");
  } catch (const po::error& error) {
    fail(error.what(), "see replicate --help");
  }
  return values;
}

std::string text(const po::variables_map& values, const std::string& name) {
  if (!values.count(name)) return {};
  const auto value = values[name].as<std::string>();
  // An option that stands where a value should is a forgotten value.
  if (value.empty() || value.starts_with("--")) fail("--" + name + " lacks its value", "add it");
  return value;
}

Words texts(const po::variables_map& values, const std::string& name) {
  return values.count(name) ? values[name].as<Words>() : Words();
}

/// A whole number without sign in [0, most].
std::optional<uint64_t> number(const po::variables_map& values, const std::string& name, uint64_t most) {
  const std::string given = text(values, name);
  if (given.empty()) return std::nullopt;
  uint64_t value = 0;
  const char* end = given.data() + given.size();
  const auto [stop, error] = std::from_chars(given.data(), end, value);
  if (error == std::errc() && stop == end && value <= most) return value;
  fail("--" + name + " is " + in_quotes(given), "give a whole number between 0 and " + std::to_string(most));
}

bool is_device(const std::string& device) {
  if (device == "auto" || device == "cpu" || device == "cuda") return true;
  const std::string prefix = "cuda:";
  if (!device.starts_with(prefix) || device.size() == prefix.size()) return false;
  return device.size() <= prefix.size() + 3 &&
         device.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
}

std::string device(const po::variables_map& values) {
  const std::string given = text(values, "device");
  if (given.empty()) return "auto";
  if (!is_device(given)) fail("unknown device " + in_quotes(given), "give auto, cpu, cuda or cuda:N");
  return given;
}

std::optional<std::filesystem::path> path(const po::variables_map& values, const std::string& name) {
  if (!values.count(name)) return std::nullopt;
  return text(values, name);
}

void check_contradictions(const po::variables_map& values) {
  const auto both = [&](const std::string& a, const std::string& b) {
    if (values.count(a) && values.count(b)) {
      fail("--" + a + " and --" + b + " contradict each other", "give one of them");
    }
  };
  both("all", "only");
  both("tokens", "bos");
  both("list", "dry-run");
  both("list", "resume");
  if (values.count("resume") && !values.count("out")) {
    fail("--resume does not say which run", "name its folder with --out");
  }
}

Command run_command(const po::variables_map& values) {
  if (values.count("list")) return Command::list;
  if (values.count("dry-run")) return Command::dry_run;
  if (values.count("all") || values.count("only")) return Command::run;
  fail("nothing says what to run", "add --all, --only, --list or --dry-run");
}

double positive(const std::string& name, const std::string& given) {
  double value = 0;
  const char* end = given.data() + given.size();
  const auto [stop, error] = std::from_chars(given.data(), end, value);
  if (error == std::errc() && stop == end && value > 0 && value < 1e9) return value;
  fail("--" + name + " is " + in_quotes(given), "give a positive number, as 0.001");
}

CommandLine help(int exit_code) {
  CommandLine line;
  line.text = kHelp;
  line.exit_code = exit_code;
  return line;
}

/// What runs and training share.
CommandLine common_line(const po::variables_map& values) {
  check_contradictions(values);
  CommandLine line;
  line.profile = text(values, "profile");
  line.model = text(values, "model");
  line.tokens = path(values, "tokens");
  line.out = path(values, "out");
  line.device = device(values);
  line.seed = number(values, "seed", UINT64_MAX);
  line.threads = static_cast<int>(number(values, "threads", kMostThreads).value_or(0));
  line.overrides = texts(values, "set");
  line.accepted_licences = texts(values, "accept-licence");
  line.dtype = text(values, "dtype");
  line.bos = text(values, "bos");
  line.resume = values.count("resume") > 0;
  return line;
}

void refuse_options(const po::variables_map& values, const std::string& command, const Words& names) {
  for (const auto& name : names) {
    if (values.count(name)) fail(command + " does not take --" + name, "leave it out");
  }
}

/// What a run of claims, or a report on one, ends with.
void set_fail_on(const std::optional<std::string>& word, const std::optional<std::string>& against, CommandLine& line) {
  const Words known = {"none", "any", "new"};
  if (word && std::find(known.begin(), known.end(), *word) == known.end()) {
    fail("--fail-on is " + in_quotes(*word), did_you_mean(*word, known));
  }
  if (word) line.fail_on = *word;
  if (against) line.against = *against;
  if (line.against && line.fail_on != "new")
    fail("--against compares verdicts for --fail-on new alone", "add --fail-on new");
}

std::optional<std::string> given(const po::variables_map& values, const std::string& name) {
  return values.count(name) ? std::optional(text(values, name)) : std::nullopt;
}

CommandLine run_line(const Words& words) {
  const po::variables_map values = parse_options(words);
  if (values.count("help")) return help(0);
  if (values.count("version")) {
    CommandLine line;
    line.command = Command::version;
    return line;
  }
  refuse_options(values, "a run of claims", {"arm", "rate"});
  auto line = common_line(values);
  line.command = run_command(values);
  line.only = text(values, "only");
  set_fail_on(given(values, "fail-on"), given(values, "against"), line);
  return line;
}

CommandLine train_line(const Words& words) {
  const po::variables_map values = parse_options(words);
  if (values.count("help")) return help(0);
  refuse_options(values, "train", {"all", "only", "list", "dry-run", "tokens", "model", "bos", "fail-on", "against"});
  auto line = common_line(values);
  line.command = Command::train;
  line.arm = text(values, "arm");
  if (const auto rate = text(values, "rate"); !rate.empty()) line.rate = positive("rate", rate);
  if (!line.out) fail("train does not say where to", "name a folder with --out");
  return line;
}

bool asks_for_help(const Words& words) {
  return std::any_of(words.begin(), words.end(),
                     [](const std::string& word) { return word == "--help" || word == "-h"; });
}

/// What the launcher may have been told besides.
bool is_setup_option(const std::string& word) { return word == "--yes" || word == "--offline"; }

CommandLine reproduce_line(const Words& words) {
  if (asks_for_help(words)) return help(0);
  if (words.empty() || words[0].starts_with("-")) fail("reproduce lacks its run", "write replicate reproduce RUN");
  const po::variables_map values = parse_options({words.begin() + 1, words.end()});
  refuse_options(values, "reproduce",
                 {"all", "only", "list", "dry-run", "tokens", "model", "bos", "profile", "seed", "set", "dtype",
                  "fail-on", "against", "arm", "rate"});
  auto line = common_line(values);
  line.command = Command::reproduce;
  line.before = words[0];
  return line;
}

/// The value of `--option value` or `--option=value`, taken out of the words; nothing without the option.
std::optional<std::string> take_value(Words& arguments, const std::string& option) {
  const auto found = std::find_if(arguments.begin(), arguments.end(), [&](const std::string& word) {
    return word == option || word.starts_with(option + "=");
  });
  if (found == arguments.end()) return std::nullopt;
  const bool joined = *found != option;
  if (!joined && found + 1 == arguments.end()) fail(option + " lacks its value", "add it");
  const auto value = joined ? found->substr(option.size() + 1) : *(found + 1);
  arguments.erase(found, found + (joined ? 1 : 2));
  return value;
}

CommandLine diff_line(Words arguments) {
  if (asks_for_help(arguments)) return help(0);
  std::erase_if(arguments, is_setup_option);
  CommandLine line;
  line.command = Command::diff;
  if (const auto format = take_value(arguments, "--format")) line.format = *format;
  const Words formats = {"text", "markdown", "junit"};
  if (std::find(formats.begin(), formats.end(), line.format) == formats.end()) {
    fail("--format is " + in_quotes(line.format), did_you_mean(line.format, formats));
  }
  for (const auto& word : arguments) {
    if (word.starts_with("--")) fail_unknown(word);
  }
  if (arguments.size() != 2) fail("diff takes two run folders", "write replicate diff A B");
  line.before = arguments[0];
  line.after = arguments[1];
  return line;
}

CommandLine report_line(Words arguments) {
  if (asks_for_help(arguments)) return help(0);
  std::erase_if(arguments, is_setup_option);
  CommandLine line;
  line.command = Command::report;
  if (const auto out = take_value(arguments, "--out")) line.out = *out;
  const auto fail_on = take_value(arguments, "--fail-on"), against = take_value(arguments, "--against");
  set_fail_on(fail_on, against, line);
  for (const auto& word : arguments) {
    if (word.starts_with("--")) fail_unknown(word);
    line.report_folders.emplace_back(word);
  }
  if (arguments.empty()) fail("report lacks its folder", "write replicate report DIR");
  if (arguments.size() > 1 && !line.out)
    fail("a report on several runs does not say where to", "name a folder with --out");
  if (arguments.size() == 1 && line.out) fail("the report of one run lies in its folder", "leave --out out");
  if (arguments.size() > 1 && (fail_on || against))
    fail("a report on several runs takes no --fail-on or --against", "leave them out");
  return line;
}

CommandLine subcommand(const std::string& name, Words arguments) {
  if (asks_for_help(arguments)) return help(0);
  std::erase_if(arguments, is_setup_option);
  CommandLine line;
  line.command = name == "doctor" ? Command::doctor : Command::validate;
  if (!arguments.empty()) fail(name + " does not take " + in_quotes(arguments[0]), "leave it out");
  return line;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  const Words words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) return help(kUsage);
  if (words[0].starts_with("-")) return run_line(words);
  if (words[0] == "train") return train_line({words.begin() + 1, words.end()});
  if (words[0] == "report") return report_line({words.begin() + 1, words.end()});
  if (words[0] == "diff") return diff_line({words.begin() + 1, words.end()});
  if (words[0] == "reproduce") return reproduce_line({words.begin() + 1, words.end()});
  const Words names = {"train", "report", "diff", "reproduce", "doctor", "validate"};
  if (std::find(names.begin(), names.end(), words[0]) == names.end()) {
    fail("unknown command " + in_quotes(words[0]), did_you_mean(words[0], names));
  }
  return subcommand(words[0], {words.begin() + 1, words.end()});
}

}  // namespace replicate
