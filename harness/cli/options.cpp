#include "harness/cli/options.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <regex>
#include <sstream>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "base/exit_codes.h"
#include "base/yaml.h"

namespace replicate::cli {
namespace {

namespace po = boost::program_options;
using Command = CommandLine::Command;
using Words = std::vector<std::string>;
using Adder = po::options_description_easy_init;

constexpr uint64_t kMostThreads = 1024;

// ---- values: their names in the help text, and how they are checked and stored ------------------------

using Store = std::function<void(const std::string&)>;

auto* value(const std::string& name, const Store& store) {
  return po::value<std::string>()->value_name(name)->notifier(store);
}
auto* text(const char* name, std::string& into) { return po::value(&into)->value_name(name); }
auto* texts(const char* name, Words& into) { return po::value(&into)->composing()->value_name(name); }
auto* path(const char* name, std::optional<std::filesystem::path>& into) {
  return value(name, [&into](const std::string& given) { into = given; });
}

/// A whole number in [0, most].
template <typename Number>
auto* whole(const std::string& option, Number& into, uint64_t most) {
  return value("N", [option, &into, most](const std::string& given) {
    uint64_t number = 0;
    const char* end = given.data() + given.size();
    const auto [stop, error] = std::from_chars(given.data(), end, number);
    if (error != std::errc() || stop != end || number > most) {
      refuse(option + " is " + in_quotes(given), "give a whole number between 0 and " + std::to_string(most));
    }
    into = number;
  });
}

auto* positive(const std::string& option, std::optional<double>& into) {
  return value("R", [option, &into](const std::string& given) {
    into = as_real(given);
    if (!into || *into <= 0) refuse(option + " is " + in_quotes(given), "give a positive number, such as 0.001");
  });
}

auto* choice(const std::string& option, std::string& into, const Words& known) {
  const auto store = [option, &into, known](const std::string& given) {
    if (!std::count(known.begin(), known.end(), given))
      refuse(option + " is " + in_quotes(given), did_you_mean(given, known));
    into = given;
  };
  std::string name;
  for (const auto& word : known) name += (name.empty() ? "" : "|") + word;
  return value(name, store);
}

auto* device(std::string& into) {
  return value("NAME", [&into](const std::string& given) {
    if (!std::regex_match(given, std::regex("auto|cpu|cuda(:[0-9]{1,3})?"))) {
      refuse("unknown device " + in_quotes(given), "give auto, cpu, cuda or cuda:N");
    }
    into = given;
  });
}

// ---- every option, once ------------------------------------------------------------------------------

void add_claims_and_arms(Adder add, CommandLine& line) {
  add("all", "every claim");
  add("only", text("NAME,NAME", line.only),
      "these claims: ids, patterns (REGEX), or kinds:\nmechanism, intervention, training");
  add("list", "list the claims and run nothing");
  add("dry-run", "show what a run would cost and run no claim");
  add("arm", text("NAME", line.arm), "variant of the model (default: baseline)");
  add("rate", positive("--rate", line.rate), "learning rate (default: the profile's middle one)");
}

void add_settings(Adder add, CommandLine& line) {
  add("profile", text("NAME", line.profile), "in configs/profiles (default: cpu; on a GPU nightly)");
  add("model", text("NAME|PATH", line.model),
      "in configs/models, a GGUF file or Hugging Face folder, or ORG/NAME[@REVISION] of Hugging Face");
  add("bos", text("on|off|auto", line.bos), "BOS first (auto: where the model is known to need it)");
  add("text", path("FILE", line.text_file), "measure on this text (UTF-8) in place of the program's own");
  add("text-literal", value("TEXT", [&line](const std::string& given) { line.text_literal = given; }),
      "the same, the text itself");
  add("tokens", path("FILE", line.tokens), "measure on these token ids: JSON Lines, one array per sequence");
  add("seed", whole("--seed", line.seed, UINT64_MAX), "seed of inputs, null models and intervals");
  add("set", texts("KEY=VALUE", line.overrides),
      "change a setting, may be repeated:\nclaims.sink_onset.natural.sequences=4");
  add("accept-licence", texts("NAME", line.accepted_licences), "for models whose licence asks for it");
}

void add_machine(Adder add, CommandLine& line) {
  add("device", device(line.device), "auto, cpu, cuda or cuda:N (auto: a GPU if present)");
  add("threads", whole("--threads", line.threads, kMostThreads), "processor threads (default: one per core)");
  add("dtype", text("NAME", line.dtype), "of matrix products: float32, bfloat16 or float16");
}

void add_results(Adder add, CommandLine& line) {
  add("out", path("DIR", line.out), "folder to write (default of a run: new, in results/)");
  add("figures", path("DIR", line.figures), "also write each panel as SVG and PDF, a paper's column wide");
  add("resume", "keep what --out already has and compute the rest");
  add("save-inputs", "write the token ids of each claim beside its record");
  add("verbose", "end with every judged number and the reason of each verdict");
  add("fail-on", choice("--fail-on", line.fail_on, {"none", "any", "new"}),
      "end with 1 when a claim fails (any) or a verdict differs from the recorded one (new)");
  add("against", path("RUN", line.against), "with --fail-on new: compare with the verdicts of RUN");
  add("format", choice("--format", line.format, {"text", "markdown", "junit"}), "how to show it (default: text)");
  add("definitions", "of valid settings: print each claim's version and hash");
}

void add_general(Adder add, CommandLine&) {
  add("help,h", "show this help");
  add("version", "show the version");
  add("yes", "./replicate installs what is missing without asking");
  add("offline", "./replicate installs nothing and says what is missing");
}

struct Group {
  const char* heading;
  void (*add)(Adder, CommandLine&);
};
constexpr Group kGroups[] = {{"What to run", add_claims_and_arms},
                             {"Settings", add_settings},
                             {"Machine", add_machine},
                             {"Results", add_results},
                             {"Other", add_general}};
const Words kGeneral = {"help", "version", "yes", "offline"};  // of every command

bool takes(const CommandSpec& spec, const std::string& option) {
  return std::count(spec.options.begin(), spec.options.end(), option) ||
         std::count(kGeneral.begin(), kGeneral.end(), option);
}

// ---- help texts --------------------------------------------------------------------------------------

std::string row(const std::string& word, size_t width, const std::string& meaning) {
  return "  " + word + std::string(width - word.size(), ' ') + meaning + "\n";
}

std::string command_list() {
  std::string text;
  for (const CommandSpec& spec : command_specs()) {
    if (!spec.name.empty()) text += row(spec.name, 11, spec.summary);
  }
  return text;
}

std::string exit_codes(const CommandSpec& spec) {
  const auto code = [](int number, const std::string& meaning) { return row(std::to_string(number), 5, meaning); };
  std::string text = code(0, spec.success);
  if (!spec.failure.empty()) text += code(kFailed, spec.failure);
  text += code(kUsage, "wrong usage, settings or environment; the message says what to change");
  text += code(kBroken, "a claim, or the program itself, ended in an error");
  return takes(spec, "resume") ? text + code(kInterrupted, "interrupted; --resume --out DIR goes on") : text;
}

}  // namespace

const std::vector<CommandSpec>& command_specs() {
  static const std::vector<CommandSpec> kSpecs = {
      {Command::run,
       "",
       "(--all | --only REGEX | --list | --dry-run) [OPTION...]",
       "measures a paper's claims on real models and says which of them hold",
       {"all",          "only",   "list",        "dry-run", "profile",        "model",  "bos",     "text",
        "text-literal", "tokens", "seed",        "set",     "accept-licence", "device", "threads", "dtype",
        "out",          "resume", "save-inputs", "verbose", "fail-on",        "against"},
       "everything was measured, whatever the verdicts",
       "--fail-on found something"},
      {Command::train,
       "train",
       "--out DIR [OPTION...]",
       "train one model by the profile's recipe",
       {"arm", "rate", "profile", "seed", "set", "accept-licence", "device", "threads", "dtype", "out", "resume"},
       "the training is finished"},
      {Command::report,
       "report",
       "RUN | RUN RUN... --out DIR",
       "write the report of a run again, or compare several runs",
       {"out", "figures", "fail-on", "against"},
       "the report is written",
       "--fail-on found something",
       {1, SIZE_MAX}},
      {Command::diff,
       "diff",
       "RUN RUN [--format NAME]",
       "show what changed between two runs beyond noise",
       {"format"},
       "nothing changed",
       "something changed, other than time and memory",
       {2, 2}},
      {Command::reproduce,
       "reproduce",
       "RUN [OPTION...]",
       "run the claims of a run again as recorded, then diff",
       {"accept-licence", "device", "threads", "out", "resume"},
       "the numbers agree",
       "numbers disagree",
       {1, 1}},
      {Command::doctor,
       "doctor",
       "[OPTION]",
       "show what this machine can run and what is missing",
       {},
       "nothing is missing"},
      {Command::validate,
       "validate",
       "[--definitions]",
       "check all settings in configs/",
       {"definitions"},
       "all settings are valid"}};
  return kSpecs;
}

po::options_description options_of(const CommandSpec& spec, CommandLine& line) {
  po::options_description options;
  for (const Group& group : kGroups) {
    po::options_description every, taken(group.heading);
    group.add(every.add_options(), line);
    for (const auto& option : every.options()) {
      if (takes(spec, option->long_name())) taken.add(option);
    }
    if (!taken.options().empty()) options.add(taken);
  }
  return options;
}

std::string help_text(const CommandSpec& spec) {
  CommandLine unused;
  std::ostringstream text;
  const std::string words = spec.name.empty() ? "replicate" : "replicate " + spec.name;
  text << words << ": " << spec.summary << "\n\nUsage: " << words << " " << spec.usage << "\n";
  if (spec.name.empty()) {
    text << "       replicate COMMAND [OPTION...]\n\nCommands (replicate COMMAND --help):\n" << command_list();
  }
  text << options_of(spec, unused) << "\nExit codes:\n" << exit_codes(spec);
  return text.str();
}

std::string usage_text() {
  return "replicate: " + command_specs().front().summary +
         "\n\nSay what to run:\n"
         "  replicate --all                        measure every claim on the default model\n"
         "  replicate --all --profile smoke        the same in a minute, to see that it runs\n"
         "  replicate --all --model DIR|FILE       measure your own model\n"
         "  replicate --all --text FILE            measure on your own text\n"
         "  replicate --only REGEX                 measure some claims\n"
         "  replicate --list                       list the claims\n"
         "  replicate --help                       all options and commands\n";
}

void refuse(const std::string& what, const std::string& remedy) { throw Error(what, "command line", remedy); }

}  // namespace replicate::cli
