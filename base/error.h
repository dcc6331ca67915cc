#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace replicate {

/// The project's one exception: what happened, where, and what the reader can do about it, each a
/// phrase without a full stop. The message is one line, "what (where): remedy"; parts that are
/// empty leave no trace in it.
class Error : public std::runtime_error {
 public:
  Error(std::string what_happened, std::string where, std::string remedy);

  const std::string& what_happened() const { return what_happened_; }
  const std::string& where() const { return where_; }
  const std::string& remedy() const { return remedy_; }

 private:
  std::string what_happened_;
  std::string where_;
  std::string remedy_;
};

/// The remedy where a fetched file does not hold what it must.
inline constexpr const char* kFetchAgain = "the file is damaged or incomplete, fetch it again";

/// The remedy where a claim's own code asks for what cannot be.
inline constexpr const char* kDefect = "this is a defect in the claim's code: correct it, or report it";

/// A name out of a file or a command line, made fit for a one-line message: in single quotes,
/// control characters and bytes outside ASCII as '?', shortened with "..." after 80 characters.
std::string in_quotes(std::string_view name);

}  // namespace replicate
