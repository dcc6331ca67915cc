#pragma once

// What people type before they have read the help: words of other programs, and what is called otherwise here.

#include <optional>
#include <string>

namespace replicate::cli {

/// What to write instead of a first word that is not a command; nothing where that cannot be told.
std::optional<std::string> instead_of_command(const std::string& word);

/// The same for an option ("--batch-size").
std::optional<std::string> instead_of_option(const std::string& option);

}  // namespace replicate::cli
