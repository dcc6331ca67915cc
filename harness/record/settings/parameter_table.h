#pragma once

// A claim's parameters while they are being merged: a flat list of typed leaves under dotted keys.
// The first mapping is the schema; what comes later may change the value of a key that stands
// there, in the type that stands there, and nothing else.

#include <string>
#include <vector>

#include "base/yaml.h"

namespace replicate {

struct Parameter {
  enum class Type { integer, real, flag, text };
  std::string key;  ///< "natural.sequences"
  Type type = Type::integer;
  bool list = false;
  std::vector<std::string> values;  ///< one, unless a list
  std::string where;                ///< file and line that had the last say
};

class ParameterTable {
 public:
  ParameterTable() = default;
  /// Error on empty values, lists of mixed types and values out of range.
  explicit ParameterTable(const Yaml& schema);

  /// Overrides with every leaf of `mapping`. Error on a key or a type that the schema does not
  /// have.
  void merge(const Yaml& mapping);
  void set(const std::string& key, const Yaml& value);

  const Parameter* find(const std::string& key) const;
  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::vector<std::string> keys() const;
  std::string yaml(int indent) const;  ///< nested again, lists in brackets, one line a leaf

 private:
  void add_schema(const Yaml& mapping, const std::string& prefix);
  void merge(const Yaml& mapping, const std::string& prefix);

  std::vector<Parameter> parameters_;
};

}  // namespace replicate
