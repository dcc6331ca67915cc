#include "harness/cli/command_line.h"

#include <algorithm>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "base/exit_codes.h"
#include "harness/cli/first_day.h"
#include "harness/cli/options.h"

namespace replicate::cli {
namespace {

namespace po = boost::program_options;
using Command = CommandLine::Command;
using Words = std::vector<std::string>;

CommandLine help(const CommandSpec& spec) {
  CommandLine line;
  line.text = help_text(spec);
  return line;
}

/// What a person sees who typed nothing else.
CommandLine usage() {
  CommandLine line;
  line.text = usage_text();
  line.exit_code = kUsage;
  return line;
}

std::string subject(const CommandSpec& spec) { return spec.name.empty() ? "a run of claims" : spec.name; }
std::string see_help(const CommandSpec& spec) {
  return "see replicate " + (spec.name.empty() ? "" : spec.name + " ") + "--help";
}

/// The command that the first word names, which is taken out; without a name the run of claims.
const CommandSpec& take_command(Words& words) {
  const auto& specs = command_specs();
  if (words.front().starts_with("-")) return specs.front();
  Words names;
  for (const CommandSpec& spec : specs) {
    if (spec.name == words.front()) {
      words.erase(words.begin());
      return spec;
    }
    if (!spec.name.empty()) names.push_back(spec.name);
  }
  refuse("unknown command " + in_quotes(words.front()),
         instead_of_command(words.front()).value_or(did_you_mean(words.front(), names)));
}

Words option_names(const CommandSpec& spec) {
  CommandLine unused;
  const po::options_description options = options_of(spec, unused);
  Words names;
  for (const auto& option : options.options()) names.push_back("--" + option->long_name());
  return names;
}

[[noreturn]] void refuse_option(const CommandSpec& spec, const std::string& option) {
  for (const CommandSpec& other : command_specs()) {
    const Words names = option_names(other);
    if (std::count(names.begin(), names.end(), option))
      refuse(subject(spec) + " does not take " + option, "leave it out");
  }
  refuse("unknown option " + in_quotes(option),
         instead_of_option(option).value_or(did_you_mean(option, option_names(spec))));
}

[[noreturn]] void refuse_missing_value(const std::string& option) { refuse(option + " lacks its value", "add it"); }

/// A value that looks like an option is a forgotten value.
void check_values(const po::parsed_options& parsed) {
  for (const auto& option : parsed.options) {
    if (option.position_key >= 0) continue;
    for (const auto& value : option.value) {
      if (value.empty() || value.starts_with("--")) refuse_missing_value("--" + option.string_key);
    }
  }
}

/// Stores what the words say in `line`, but for --help.
po::variables_map store(const CommandSpec& spec, const Words& words, CommandLine& line) {
  const po::options_description options = options_of(spec, line);
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  const auto parsed = po::command_line_parser(words).options(options).style(style).run();
  check_values(parsed);
  po::variables_map values;
  po::store(parsed, values);
  const Words folders = po::collect_unrecognized(parsed.options, po::include_positional);
  line.folders.assign(folders.begin(), folders.end());
  if (!values.count("help")) po::notify(values);
  return values;
}

/// The same; Boost's exceptions become ours.
po::variables_map read(const CommandSpec& spec, const Words& words, CommandLine& line) {
  try {
    return store(spec, words, line);
  } catch (const po::unknown_option& error) {
    refuse_option(spec, error.get_option_name());
  } catch (const po::multiple_occurrences& error) {
    refuse(in_quotes(error.get_option_name()) + " is given twice", "give it once");
  } catch (const po::invalid_command_line_syntax& error) {
    if (error.kind() == po::invalid_syntax::extra_parameter) refuse(error.what(), see_help(spec));
    refuse_missing_value(error.get_option_name());
  } catch (const po::error& error) {
    refuse(error.what(), see_help(spec));
  }
}

void check_folders(const CommandSpec& spec, const CommandLine& line) {
  const auto [fewest, most] = spec.folders;
  if (line.folders.size() < fewest) {
    refuse(spec.name + " lacks a run folder", "write replicate " + spec.name + " " + spec.usage);
  }
  if (line.folders.size() > most) {
    refuse(subject(spec) + " does not take " + in_quotes(line.folders[most].string()), "leave it out");
  }
}

void check_contradictions(const po::variables_map& values, const CommandLine& line) {
  constexpr std::pair<const char*, const char*> kContradictions[] = {
      {"all", "only"},          {"tokens", "bos"},   {"tokens", "text"}, {"tokens", "text-literal"},
      {"text", "text-literal"}, {"list", "dry-run"}, {"list", "resume"}};
  for (const auto& [a, b] : kContradictions) {
    if (!values.count(a) || !values.count(b)) continue;
    refuse(std::string("--") + a + " and --" + b + " contradict each other", "give one of them");
  }
  if (line.resume && !line.out) refuse("--resume does not say which run", "name its folder with --out");
  if (line.against && line.fail_on != "new") {
    refuse("--against compares verdicts for --fail-on new alone", "add --fail-on new");
  }
}

Command command_of(const CommandSpec& spec, const po::variables_map& values) {
  if (values.count("version")) return Command::version;
  if (spec.command != Command::run) return spec.command;
  if (values.count("list")) return Command::list;
  if (values.count("dry-run")) return Command::dry_run;
  if (values.count("all") || values.count("only")) return Command::run;
  refuse("nothing says what to run", "add --all, --only, --list or --dry-run");
}

void check_report(const po::variables_map& values, const CommandLine& line) {
  const bool several = line.folders.size() > 1;
  if (several && !line.out) refuse("a report on several runs does not say where to", "name a folder with --out");
  if (!several && line.out) refuse("the report of one run lies in its folder", "leave --out out");
  if (several && line.figures) refuse("--figures takes one run", "leave it out, or name one run");
  if (several && (values.count("fail-on") || values.count("against"))) {
    refuse("a report on several runs takes no --fail-on or --against", "leave them out");
  }
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  Words words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) return usage();
  const CommandSpec& spec = take_command(words);
  CommandLine line;
  const auto values = read(spec, words, line);
  if (values.count("help")) return help(spec);
  line.resume = values.count("resume") > 0;
  line.save_inputs = values.count("save-inputs") > 0;
  line.verbose = values.count("verbose") > 0;
  line.definitions = values.count("definitions") > 0;
  line.command = command_of(spec, values);
  if (line.command == Command::version) return line;
  check_folders(spec, line);
  check_contradictions(values, line);
  if (line.command == Command::report) check_report(values, line);
  if (line.command == Command::train && !line.out) refuse("train does not say where to", "name a folder with --out");
  return line;
}

}  // namespace replicate::cli
