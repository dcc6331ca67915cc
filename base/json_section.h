#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace replicate {

/// A JSON text from a file that may be damaged or hostile. Error when it is malformed, nests too deep, or has a key
/// twice.
nlohmann::json parse_json(std::string_view text, const std::string& where);

/// An object of such a file; every access says what is wrong with it.
class JsonSection {
 public:
  JsonSection(const nlohmann::json& value, std::string name, const std::string& where)
      : value_(value), name_(std::move(name)), where_(where) {
    if (!value_.is_object()) fail_kind("", "an object");
  }

  /// Null also when the file says so itself.
  const nlohmann::json* find(const char* key) const {
    const auto found = value_.find(key);
    return found == value_.end() || found->is_null() ? nullptr : &*found;
  }

  const nlohmann::json& require(const char* key) const;
  JsonSection section(const char* key) const { return {require(key), path(key), where_}; }
  std::string text(const char* key) const;
  std::string text_or(const char* key, const char* otherwise) const { return find(key) ? text(key) : otherwise; }
  bool flag_or(const char* key, bool otherwise) const;
  const nlohmann::json& list(const char* key) const;
  auto items() const { return value_.items(); }  ///< by key

  [[noreturn]] void fail_kind(const std::string& key, const std::string& wanted) const;

  std::string path(const std::string& key) const { return name_ + "." + key; }
  const std::string& where() const { return where_; }

 private:
  const nlohmann::json& value_;
  std::string name_;
  const std::string& where_;
};

}  // namespace replicate
