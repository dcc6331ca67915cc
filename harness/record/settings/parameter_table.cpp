#include "harness/record/settings/parameter_table.h"

#include <algorithm>

#include "base/did_you_mean.h"
#include "base/error.h"

namespace replicate {
namespace {

using Type = Parameter::Type;

/// What any claim's parameter of this name must lie within; other names are free.
struct Bounds {
  const char* name;
  double least, most;
};

constexpr double kMostTokens = 1 << 20;
constexpr Bounds kRanges[] = {{"sequences", 1, 1e6},
                              {"length", 16, kMostTokens},
                              {"lengths", 16, kMostTokens},
                              {"target", 1, kMostTokens},
                              {"sweep", 1, kMostTokens},
                              {"dose", 0, kMostTokens},
                              {"eps", 0, 1}};

Type type_of(const Yaml& value) {
  const std::string text = value.text();
  if (value.is_quoted()) return Type::text;
  if (as_integer(text)) return Type::integer;
  if (as_real(text)) return Type::real;
  return as_flag(text) ? Type::flag : Type::text;
}

std::string wording(Type type, bool list) {
  switch (type) {
    case Type::integer: return list ? "a list of whole numbers such as [5, 20]" : "a whole number such as 8";
    case Type::real: return list ? "a list of numbers such as [0.1, 0.5]" : "a number such as 0.5";
    case Type::flag: return list ? "a list of true and false" : "true or false";
    case Type::text: break;
  }
  return list ? "a list of words" : "a word";
}

/// A whole number will do where a number is asked for, and anything will do as a text.
bool fits(Type value, Type wanted) {
  return value == wanted || wanted == Type::text || (wanted == Type::real && value == Type::integer);
}

std::vector<Yaml> leaves(const Yaml& value) { return value.is_list() ? value.items() : std::vector<Yaml>{value}; }

void check_range(const Parameter& parameter, const Yaml& value) {
  const std::string name = parameter.key.substr(parameter.key.rfind('.') + 1);
  const auto range =
      std::find_if(std::begin(kRanges), std::end(kRanges), [&](const Bounds& entry) { return name == entry.name; });
  if (range == std::end(kRanges)) return;
  for (const std::string& text : parameter.values) {
    const auto number = as_real(text);
    if (number && *number >= range->least && *number <= range->most) continue;
    value.fail("is " + in_quotes(text) + ", out of range",
               "choose between " + std::to_string(static_cast<int64_t>(range->least)) + " and " +
                   std::to_string(static_cast<int64_t>(range->most)));
  }
}

Parameter schema_parameter(const std::string& key, const Yaml& value) {
  Parameter parameter{key, Type::integer, value.is_list(), {}, value.where()};
  for (const Yaml& leaf : leaves(value)) {
    if (!leaf.is_scalar()) leaf.fail("has no value", "give it one: its type is the schema");
    const Type type = type_of(leaf);
    if (parameter.values.empty() || fits(parameter.type, type)) parameter.type = type;
    if (!fits(type, parameter.type)) value.fail("mixes types", "use one type in a list");
    parameter.values.push_back(leaf.text());
  }
  check_range(parameter, value);
  return parameter;
}

void override_parameter(Parameter& parameter, const Yaml& value) {
  Parameter changed{parameter.key, parameter.type, parameter.list, {}, value.where()};
  for (const Yaml& leaf : leaves(value)) {
    const bool good = value.is_list() == parameter.list && leaf.is_scalar() && fits(type_of(leaf), parameter.type);
    if (!good) value.fail("has the wrong type", "give " + wording(parameter.type, parameter.list));
    changed.values.push_back(leaf.text());
  }
  check_range(changed, value);
  parameter = changed;
}

std::string value_text(const Parameter& parameter) {
  std::string text;
  for (const std::string& value : parameter.values) {
    if (!text.empty()) text += ", ";
    text += parameter.type == Type::text ? yaml_quoted(value) : value;
  }
  return parameter.list ? "[" + text + "]" : text;
}

std::vector<std::string> split(const std::string& key) {
  std::vector<std::string> parts;
  for (size_t first = 0; first <= key.size();) {
    const size_t dot = std::min(key.find('.', first), key.size());
    parts.push_back(key.substr(first, dot - first));
    first = dot + 1;
  }
  return parts;
}

}  // namespace

ParameterTable::ParameterTable(const Yaml& schema) { add_schema(schema, {}); }

void ParameterTable::add_schema(const Yaml& mapping, const std::string& prefix) {
  for (const auto& [key, value] : mapping.entries()) {
    if (key.find('.') != std::string::npos) value.fail("has a dot in its key", "nest it instead");
    if (value.is_mapping()) {
      add_schema(value, prefix + key + ".");
    } else {
      parameters_.push_back(schema_parameter(prefix + key, value));
    }
  }
}

void ParameterTable::merge(const Yaml& mapping) { merge(mapping, {}); }

void ParameterTable::merge(const Yaml& mapping, const std::string& prefix) {
  for (const auto& [key, value] : mapping.entries()) {
    if (value.is_mapping()) {
      merge(value, prefix + key + ".");
    } else {
      set(prefix + key, value);
    }
  }
}

void ParameterTable::set(const std::string& key, const Yaml& value) {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Parameter& entry) { return entry.key == key; });
  if (found == parameters_.end()) {
    throw Error("unknown key " + in_quotes(key), value.where(), did_you_mean(key, keys()));
  }
  override_parameter(*found, value);
}

const Parameter* ParameterTable::find(const std::string& key) const {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Parameter& entry) { return entry.key == key; });
  return found == parameters_.end() ? nullptr : &*found;
}

std::vector<std::string> ParameterTable::keys() const {
  std::vector<std::string> keys;
  for (const Parameter& parameter : parameters_) keys.push_back(parameter.key);
  return keys;
}

std::string ParameterTable::yaml(int indent) const {
  std::string text;
  std::vector<std::string> open;  // the mappings that the line above stands in
  for (const Parameter& parameter : parameters_) {
    const std::vector<std::string> parts = split(parameter.key);
    const auto depth = static_cast<size_t>(
        std::mismatch(open.begin(), open.end(), parts.begin(), parts.end() - 1).first - open.begin());
    open.assign(parts.begin(), parts.end() - 1);
    for (size_t level = depth; level < parts.size(); ++level) {
      const bool leaf = level + 1 == parts.size();
      text += std::string(static_cast<size_t>(indent) + 2 * level, ' ') + parts[level] + ":";
      text += leaf ? " " + value_text(parameter) + "\n" : "\n";
    }
  }
  return text;
}

}  // namespace replicate
