#pragma once

// What each command takes. The parser and the help texts are made from the same descriptions.

#include <boost/program_options.hpp>
#include <string>
#include <utility>
#include <vector>

#include "harness/cli/command_line.h"

namespace replicate::cli {

/// A command and what it takes.
struct CommandSpec {
  CommandLine::Command command;
  std::string name;   ///< the first word of the command line; empty for a run of claims
  std::string usage;  ///< what follows the name
  std::string summary;
  std::vector<std::string> options;  ///< long names; --help, --version, --yes and --offline go with every command
  std::string success;               ///< what exit code 0 means
  std::string failure = {};          ///< what exit code 1 means; empty: it does not occur
  std::pair<size_t, size_t> folders = {0, 0};  ///< how many it takes at least and at most
};

/// All commands; the first one is the run of claims.
const std::vector<CommandSpec>& command_specs();

/// The options of one command. Once parsed and notified, their values are checked and stored in `line`.
boost::program_options::options_description options_of(const CommandSpec& spec, CommandLine& line);

/// The help text of one command; that of the run of claims lists the other commands.
std::string help_text(const CommandSpec& spec);

/// What to type first, in ten lines.
std::string usage_text();

/// Throws the Error for a wrong command line.
[[noreturn]] void refuse(const std::string& what, const std::string& remedy);

}  // namespace replicate::cli
