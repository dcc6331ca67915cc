#include "models/tokenizer/chat_template.h"

#include <nlohmann/json.hpp>

#include "base/json_section.h"
#include "base/python_json.h"
#include "base/text_file.h"

namespace replicate {
namespace {

constexpr size_t kLongest = 1 << 16;  // templates have a few thousand characters; a longer one is not looked at

/// In a string of the template, where a new line may be spelled `\n`.
std::string with_line_breaks(std::string text) {
  for (auto at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at + 1)) text.replace(at, 2, "\n");
  return text;
}

/// ChatML's system turn with the words that the template itself gives it, as opposed to those of a message.
std::string default_system_turn(const std::string& program) {
  const std::string begin = "<|im_start|>system\n", end = "<|im_end|>\n";
  for (auto at = program.find(begin); at != std::string::npos; at = program.find(begin, at + 1)) {
    const auto close = program.find(end, at);
    if (close == std::string::npos) return {};
    const auto turn = program.substr(at, close + end.size() - at);
    const auto words = turn.substr(begin.size(), turn.size() - begin.size() - end.size());
    if (words.find_first_of("'\"{}<") == std::string::npos) return turn;
  }
  return {};
}

}  // namespace

std::optional<std::string> chat_opening(const std::string& chat_template) {
  if (chat_template.size() > kLongest) return std::nullopt;
  const auto program = with_line_breaks(chat_template);
  if (program.find("<|im_start|>") != std::string::npos) {
    return default_system_turn(program) + "<|im_start|>user\n";
  }
  if (program.find("<start_of_turn>") != std::string::npos) return "<start_of_turn>user\n";
  return std::nullopt;
}

std::optional<std::string> chat_template_of(const std::filesystem::path& folder) {
  if (const auto own = folder / "chat_template.jinja"; is_there(own)) return read_text(own);
  const auto file = folder / "tokenizer_config.json";
  if (!is_there(file)) return std::nullopt;
  const auto json = parse_json(quote_python_numbers(read_text(file)), file.string());
  const auto found = json.is_object() ? json.find("chat_template") : json.end();
  if (found == json.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return std::nullopt;
  for (const auto& one : *found) {
    if (one.is_object() && one.value("name", nlohmann::json()) == "default" && one.contains("template") &&
        one["template"].is_string()) {
      return one["template"].get<std::string>();
    }
  }
  return std::nullopt;
}

}  // namespace replicate
