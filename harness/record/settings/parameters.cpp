#include "harness/record/settings/parameters.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/did_you_mean.h"
#include "base/error.h"
#include "harness/record/settings/parameter_table.h"

namespace replicate {

struct Parameters::Impl {
  ParameterTable table;
  std::string where;
  mutable std::set<std::string> read;

  [[noreturn]] void fail(const Parameter& parameter, const std::string& expected) const {
    throw Error("parameter " + in_quotes(parameter.key) + " is not " + expected, parameter.where,
                "correct its value in " + where);
  }

  const Parameter& at(const std::string& key) const {
    const Parameter* parameter = table.find(key);
    if (!parameter) {
      throw Error("no parameter " + in_quotes(key), where, did_you_mean(key, table.keys()));
    }
    read.insert(key);
    return *parameter;
  }

  const std::string& scalar(const std::string& key) const {
    const Parameter& parameter = at(key);
    if (parameter.list) fail(parameter, "a single value but a list");
    return parameter.values.front();
  }

  template <typename T>
  std::vector<T> list(const std::string& key, std::optional<T> (*read_one)(const std::string&),
                      const std::string& kind) const {
    const Parameter& parameter = at(key);
    if (!parameter.list) fail(parameter, "a list");
    std::vector<T> values;
    for (const std::string& text : parameter.values) {
      const auto value = read_one(text);
      if (!value) fail(parameter, "a list of " + kind);
      values.push_back(*value);
    }
    return values;
  }
};

Parameters::Parameters() : Parameters(ParameterTable(), "no settings") {}

Parameters::Parameters(const YAML::Node& node, std::string where)
    : Parameters(node.IsNull() ? ParameterTable() : ParameterTable(Yaml::wrap(node, where)), where) {}

Parameters::Parameters(const ParameterTable& table, std::string where)
    : impl_(std::make_shared<Impl>(Impl{table, std::move(where), {}})) {}

Parameters::~Parameters() = default;
Parameters::Parameters(const Parameters&) = default;
Parameters& Parameters::operator=(const Parameters&) = default;

int64_t Parameters::integer(const std::string& key) const {
  if (const auto value = as_integer(impl_->scalar(key))) return *value;
  impl_->fail(impl_->at(key), "a whole number");
}

double Parameters::real(const std::string& key) const {
  if (const auto value = as_real(impl_->scalar(key))) return *value;
  impl_->fail(impl_->at(key), "a number");
}

bool Parameters::flag(const std::string& key) const {
  if (const auto value = as_flag(impl_->scalar(key))) return *value;
  impl_->fail(impl_->at(key), "true or false");
}

std::string Parameters::text(const std::string& key) const { return impl_->scalar(key); }

std::vector<int64_t> Parameters::integers(const std::string& key) const {
  return impl_->list<int64_t>(key, as_integer, "whole numbers");
}

std::vector<double> Parameters::reals(const std::string& key) const {
  return impl_->list<double>(key, as_real, "numbers");
}

bool Parameters::has(const std::string& key) const { return impl_->table.find(key) != nullptr; }

std::string Parameters::yaml() const { return impl_->table.yaml(0); }

void Parameters::allow(const std::vector<std::string>& keys) const {
  for (const Parameter& parameter : impl_->table.parameters()) {
    if (std::ranges::find(keys, parameter.key) != keys.end()) continue;
    throw Error("no claim reads the parameter " + in_quotes(parameter.key), parameter.where,
                did_you_mean(parameter.key, keys));
  }
}

std::vector<std::string> Parameters::unread() const {
  std::vector<std::string> keys;
  for (const std::string& key : impl_->table.keys()) {
    if (!impl_->read.contains(key)) keys.push_back(key);
  }
  return keys;
}

}  // namespace replicate
