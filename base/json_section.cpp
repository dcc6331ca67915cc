#include "base/json_section.h"

#include <set>
#include <vector>

#include "base/error.h"

namespace replicate {
namespace {

using nlohmann::json;

constexpr int kDeepestJson = 32;

/// Looks on while a text is parsed: keys that come twice would otherwise replace each other, and
/// deep nesting would cost memory.
class Watcher {
 public:
  explicit Watcher(const std::string& where) : where_(where) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    const auto level = static_cast<size_t>(depth);
    if (depth > kDeepestJson) throw Error("JSON nested too deep", where_, kFetchAgain);
    if (event == json::parse_event_t::object_start) {
      keys_.resize(level + 2);
      keys_[level + 1].clear();
    }
    if (event == json::parse_event_t::key && !keys_[level].insert(parsed.get<std::string>()).second) {
      throw Error("the key " + in_quotes(parsed.get<std::string>()) + " is there twice", where_, kFetchAgain);
    }
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> keys_;  ///< of the objects that are open, by depth
};

}  // namespace

json parse_json(std::string_view text, const std::string& where) {
  // The library would take a NUL for the end and never look at what follows.
  if (text.find('\0') != std::string_view::npos) throw Error("a NUL byte", where, kFetchAgain);
  try {
    Watcher watcher(where);
    return json::parse(
        text, [&](int depth, json::parse_event_t event, json& parsed) { return watcher(depth, event, parsed); });
  } catch (const json::exception&) {
    throw Error("malformed JSON", where, kFetchAgain);
  }
}

const json& JsonSection::require(const char* key) const {
  if (const json* found = find(key)) return *found;
  throw Error(path(key) + " is missing", where_, kFetchAgain);
}

std::string JsonSection::text(const char* key) const {
  if (!require(key).is_string()) fail_kind(key, "a text");
  return require(key).get<std::string>();
}

bool JsonSection::flag_or(const char* key, bool otherwise) const {
  const json* found = find(key);
  if (!found) return otherwise;
  if (!found->is_boolean()) fail_kind(key, "a truth value");
  return found->get<bool>();
}

const json& JsonSection::list(const char* key) const {
  if (!require(key).is_array()) fail_kind(key, "a list");
  return require(key);
}

void JsonSection::fail_kind(const std::string& key, const std::string& wanted) const {
  throw Error((key.empty() ? name_ : path(key)) + " is not " + wanted, where_, kFetchAgain);
}

}  // namespace replicate
