#pragma once

// YAML as this project reads it: every value knows where it stands, so that every complaint names
// file, line and key. Files that could not be configuration (huge, deeply nested, exploding
// aliases, keys given twice) are refused. Only sources that read YAML include this header.

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace replicate {

class Yaml {
 public:
  Yaml(const Yaml&) = default;
  /// YAML::Node's own assignment would turn both nodes into one, for everybody who holds either of them.
  Yaml& operator=(const Yaml& other) {
    node_.reset(other.node_);
    file_ = other.file_;
    name_ = other.name_;
    lines_ = other.lines_;
    return *this;
  }

  /// Error when the file cannot be read or is no YAML.
  static Yaml read(const std::filesystem::path& file);
  /// The text of `file`, which the caller has: messages name its lines.
  static Yaml parse_file(const std::string& text, const std::string& file);
  /// YAML text that stands in no file: `where` and `name` are what messages call its place and
  /// itself.
  static Yaml parse(const std::string& text, const std::string& where, const std::string& name = {});
  /// A node that somebody else has read.
  static Yaml wrap(const YAML::Node& node, const std::string& where);

  bool is_mapping() const { return node_.IsMap(); }
  bool is_list() const { return node_.IsSequence(); }
  bool is_scalar() const { return node_.IsScalar(); }
  bool is_quoted() const;  ///< "3" in quotes is a text, not a number

  /// Error when a key stands in the mapping that is not one of `keys`.
  void allow(const std::vector<std::string>& keys) const;
  bool has(const std::string& key) const { return find(key).has_value(); }
  std::optional<Yaml> find(const std::string& key) const;
  Yaml at(const std::string& key) const;  ///< Error when it is missing
  std::vector<std::pair<std::string, Yaml>> entries() const;
  std::vector<Yaml> items() const;

  std::string text() const;
  bool flag() const;
  double real() const;  ///< finite
  int64_t integer() const;
  int64_t integer(int64_t least, int64_t most) const;
  uint64_t natural() const;
  std::vector<std::string> texts() const;

  /// The value of `key`, or a default where it is absent.
  std::string text_or(const std::string& key, const std::string& fallback) const;
  bool flag_or(const std::string& key, bool fallback) const;
  int64_t integer_or(const std::string& key, int64_t fallback, int64_t least, int64_t most) const;

  const std::string& name() const { return name_; }  ///< dotted path from the root
  std::string where() const;                         ///< "file:line"
  /// Throws "'key' <what> (file:line): remedy".
  [[noreturn]] void fail(const std::string& what, const std::string& remedy) const;

 private:
  Yaml(const YAML::Node& node, std::string file, std::string name, bool lines)
      : node_(node), file_(std::move(file)), name_(std::move(name)), lines_(lines) {}
  Yaml child(const YAML::Node& node, const std::string& name) const;
  const std::string& scalar(const std::string& expected) const;

  YAML::Node node_;
  std::string file_, name_;
  bool lines_;  ///< line numbers mean something
};

/// Strict readings of a scalar: the whole text or nothing.
std::optional<int64_t> as_integer(const std::string& text);
std::optional<double> as_real(const std::string& text);  ///< finite only
std::optional<bool> as_flag(const std::string& text);    ///< true/false, yes/no, on/off

/// `text` as a double-quoted YAML scalar on one line.
std::string yaml_quoted(const std::string& text);

}  // namespace replicate
