#include "base/yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <set>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "base/text_file.h"

namespace replicate {
namespace {

constexpr uintmax_t kLargestFile = 1 << 18;  // the largest of ours has 4 KiB
constexpr int kDeepestYaml = 16;
constexpr int kMostNodes = 20000;  // aliases expand to far more in a "YAML bomb"

/// Visits the tree as a reader would, aliases expanded, and refuses what no configuration is.
void check_size(const YAML::Node& node, const std::string& where, int depth, int& nodes) {
  if (depth > kDeepestYaml || ++nodes > kMostNodes) {
    throw Error(depth > kDeepestYaml ? "the YAML is nested too deeply" : "the YAML expands to too much", where,
                "write it flat and without aliases");
  }
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) check_size(item, where, depth + 1, nodes);
  } else if (node.IsMap()) {
    for (const auto& entry : node) check_size(entry.second, where, depth + 1, nodes);
  }
}

YAML::Node load(const std::string& text, const std::string& where, bool lines) {
  try {
    YAML::Node node = YAML::Load(text);
    int nodes = 0;
    check_size(node, where, 0, nodes);
    return node;
  } catch (const YAML::Exception& error) {
    const bool placed = lines && error.mark.line >= 0;
    throw Error("this is not valid YAML, " + in_quotes(error.msg),
                placed ? where + ":" + std::to_string(error.mark.line + 1) : where, "correct the line");
  }
}

}  // namespace

Yaml Yaml::read(const std::filesystem::path& file) { return parse_file(read_text(file, kLargestFile), file.string()); }

Yaml Yaml::parse_file(const std::string& text, const std::string& file) {
  return {load(text, file, true), file, {}, true};
}

Yaml Yaml::parse(const std::string& text, const std::string& where, const std::string& name) {
  return {load(text, where, false), where, name, false};
}

Yaml Yaml::wrap(const YAML::Node& node, const std::string& where) {
  int nodes = 0;
  check_size(node, where, 0, nodes);
  return {node, where, {}, false};
}

bool Yaml::is_quoted() const { return node_.Tag() == "!"; }

std::string Yaml::where() const {
  const int line = node_.Mark().line;
  return lines_ && line >= 0 ? file_ + ":" + std::to_string(line + 1) : file_;
}

void Yaml::fail(const std::string& what, const std::string& remedy) const {
  throw Error(name_.empty() ? "the YAML " + what : in_quotes(name_) + " " + what, where(), remedy);
}

Yaml Yaml::child(const YAML::Node& node, const std::string& name) const {
  return {node, file_, name_.empty() || name[0] == '[' ? name_ + name : name_ + "." + name, lines_};
}

std::vector<std::pair<std::string, Yaml>> Yaml::entries() const {
  if (!is_mapping()) fail("is not a mapping", "write 'key: value' lines under it");
  std::vector<std::pair<std::string, Yaml>> entries;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) fail("has a key that is not a plain word", "use plain words as keys");
    const std::string key = entry.first.Scalar();
    const Yaml value = child(entry.second, key);
    if (!seen.insert(key).second) value.fail("is given twice", "keep one of the two");
    entries.emplace_back(key, value);
  }
  return entries;
}

std::vector<Yaml> Yaml::items() const {
  if (!is_list()) fail("is not a list", "write it as [a, b]");
  std::vector<Yaml> items;
  for (const YAML::Node& item : node_) {
    items.push_back(child(item, "[" + std::to_string(items.size()) + "]"));
  }
  return items;
}

void Yaml::allow(const std::vector<std::string>& keys) const {
  for (const auto& [key, value] : entries()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    throw Error("unknown key " + in_quotes(value.name()), value.where(), did_you_mean(key, keys));
  }
}

std::optional<Yaml> Yaml::find(const std::string& key) const {
  for (const auto& [name, value] : entries()) {
    if (name == key) return value;
  }
  return std::nullopt;
}

Yaml Yaml::at(const std::string& key) const {
  if (const auto value = find(key)) return *value;
  fail("lacks the key " + in_quotes(key), "add it");
}

const std::string& Yaml::scalar(const std::string& expected) const {
  if (!is_scalar()) fail("is not " + expected, "give one value");
  return node_.Scalar();
}

std::string Yaml::text() const { return scalar("a text"); }

bool Yaml::flag() const {
  const std::string& text = scalar("true or false");
  if (const auto value = as_flag(text)) return *value;
  fail("is " + in_quotes(text) + ", not true or false", "write true or false");
}

double Yaml::real() const {
  const std::string& text = scalar("a number");
  if (const auto value = as_real(text)) return *value;
  fail("is " + in_quotes(text) + ", not a number", "write a number such as 0.5");
}

int64_t Yaml::integer() const {
  const std::string& text = scalar("a whole number");
  if (const auto value = as_integer(text)) return *value;
  fail("is " + in_quotes(text) + ", not a whole number", "write a number such as 8");
}

int64_t Yaml::integer(int64_t least, int64_t most) const {
  const int64_t value = integer();
  if (value >= least && value <= most) return value;
  fail("is " + std::to_string(value) + ", out of range",
       "choose between " + std::to_string(least) + " and " + std::to_string(most));
}

uint64_t Yaml::natural() const {
  const std::string& text = scalar("a whole number of 0 or more");
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && stop == end) return value;
  fail("is " + in_quotes(text) + ", not a whole number of 0 or more", "write a number such as 1");
}

std::vector<std::string> Yaml::texts() const {
  std::vector<std::string> texts;
  for (const Yaml& item : items()) texts.push_back(item.text());
  return texts;
}

std::string Yaml::text_or(const std::string& key, const std::string& fallback) const {
  const auto value = find(key);
  return value ? value->text() : fallback;
}

bool Yaml::flag_or(const std::string& key, bool fallback) const {
  const auto value = find(key);
  return value ? value->flag() : fallback;
}

int64_t Yaml::integer_or(const std::string& key, int64_t fallback, int64_t least, int64_t most) const {
  const auto value = find(key);
  return value ? value->integer(least, most) : fallback;
}

std::optional<int64_t> as_integer(const std::string& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<double> as_real(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<bool> as_flag(const std::string& text) {
  for (const char* word : {"true", "yes", "on"}) {
    if (text == word) return true;
  }
  for (const char* word : {"false", "no", "off"}) {
    if (text == word) return false;
  }
  return std::nullopt;
}

std::string yaml_quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (c >= 0 && c < 0x20) {
      char escape[5];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(c));
      quoted += escape;
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace replicate
