#pragma once

// One list of fields per struct, for writing it as JSON and for reading it back:
//
//   template <typename Visitor>
//   void fields(Visitor& visit, Spike& spike) {
//     visit("layer", spike.layer);
//     visit.optional("note", spike.note);
//   }
//
// JsonWriter and JsonReader are the visitors. Fields are written in the order of the list. A number that is not finite
// is written as null, which is read as NaN.

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace replicate {

/// A value of a JSON file and its place there, for messages such as "metrics[2].value". `remedy` is what every message
/// ends with.
class JsonField {
 public:
  JsonField(const nlohmann::json& json, std::string file, std::string name, const char* remedy)
      : json_(json), file_(std::move(file)), name_(std::move(name)), remedy_(remedy) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw Error("field " + in_quotes(name_) + " " + what, file_, remedy_);
  }

  bool has(const std::string& key) const { return json_.is_object() && json_.contains(key); }
  bool is_null() const { return json_.is_null(); }
  bool is_text() const { return json_.is_string(); }

  JsonField at(const std::string& key) const {
    if (!json_.is_object()) fail("is not an object");
    const std::string name = name_.empty() ? key : name_ + "." + key;
    const auto found = json_.find(key);
    if (found == json_.end()) throw Error("field " + in_quotes(name) + " is missing", file_, remedy_);
    return {*found, file_, name, remedy_};
  }

  std::vector<JsonField> items() const {
    if (!json_.is_array()) fail("is not a list");
    std::vector<JsonField> fields;
    for (const auto& item : json_) {
      fields.emplace_back(item, file_, name_ + "[" + std::to_string(fields.size()) + "]", remedy_);
    }
    return fields;
  }

  std::vector<std::pair<std::string, JsonField>> entries() const {
    if (!json_.is_object()) fail("is not an object");
    std::vector<std::pair<std::string, JsonField>> fields;
    for (const auto& [key, value] : json_.items()) fields.emplace_back(key, at(key));
    return fields;
  }

  std::string text() const {
    if (!json_.is_string()) fail("is not a text");
    return json_.get<std::string>();
  }

  bool flag() const {
    if (!json_.is_boolean()) fail("is not true or false");
    return json_.get<bool>();
  }

  int64_t integer() const {
    const bool too_large = json_.is_number_unsigned() && json_.get<uint64_t>() > INT64_MAX;
    if (!json_.is_number_integer() || too_large) fail("is not a whole number");
    return json_.get<int64_t>();
  }

  uint64_t natural() const {
    if (!json_.is_number_unsigned()) fail("is not a whole number of 0 or more");
    return json_.get<uint64_t>();
  }

  /// null is how NaN is written.
  double real() const {
    if (json_.is_null()) return std::numeric_limits<double>::quiet_NaN();
    if (!json_.is_number()) fail("is not a number");
    return json_.get<double>();
  }

 private:
  const nlohmann::json& json_;
  std::string file_, name_;
  const char* remedy_;
};

/// The visitor that writes a struct's fields into a JSON object.
class JsonWriter {
 public:
  static constexpr bool kReads = false;
  using Json = nlohmann::ordered_json;  // keys stay in their order; it searches all of them, so it is not for reading

  template <typename T>
  static Json write(const T& value) {
    JsonWriter writer;
    fields(writer, const_cast<T&>(value));  // one list serves both visitors, and this one changes nothing
    return std::move(writer.json_);
  }

  template <typename T>
  void operator()(const char* key, const T& value) {
    json_[key] = to_json(value);
  }
  template <typename T>
  void optional(const char* key, const T& value) {
    (*this)(key, value);
  }
  template <typename T>
  void if_set(const char* key, const std::optional<T>& value) {
    if (value) (*this)(key, *value);
  }
  template <typename T>
  void nullable(const char* key, const std::optional<T>& value) {
    json_[key] = value ? to_json(*value) : Json(nullptr);
  }
  template <typename T, typename Write, typename Read>
  void list(const char* key, const std::vector<T>& values, const Write& write_item, const Read&) {
    json_[key] = Json::array();
    for (const T& value : values) json_[key].push_back(write_item(value));
  }
  template <typename Check>
  void when_read(const Check&) {}
  template <typename Check>
  void when_read(const char*, const Check&) {}

 private:
  static Json to_json(const std::string& value) { return value; }
  static Json to_json(bool value) { return value; }
  static Json to_json(int value) { return value; }
  static Json to_json(int64_t value) { return value; }
  static Json to_json(uint64_t value) { return value; }
  static Json to_json(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
  static Json to_json(const std::map<std::string, int64_t>& value) { return value; }
  template <typename T>
  static Json to_json(const std::vector<T>& values) {
    Json json = Json::array();
    for (const T& value : values) json.push_back(to_json(value));
    return json;
  }
  template <typename T>
  static Json to_json(const T& value) {
    if constexpr (requires { json_value(value); }) {
      return json_value(value);
    } else {
      return write(value);
    }
  }

  Json json_ = Json::object();
};

/// The visitor that reads a struct's fields out of a JSON object. Error, naming file and field, on a field that is
/// missing or of the wrong kind.
class JsonReader {
 public:
  static constexpr bool kReads = true;

  template <typename T>
  static void read(const JsonField& field, T& value) {
    JsonReader reader(field);
    fields(reader, value);
  }

  template <typename T>
  void operator()(const char* key, T& value) {
    from_json(field_.at(key), value);
  }
  /// May be absent; the struct then keeps its default.
  template <typename T>
  void optional(const char* key, T& value) {
    if (field_.has(key)) from_json(field_.at(key), value);
  }
  /// Absent where it is not set.
  template <typename T>
  void if_set(const char* key, std::optional<T>& value) {
    if (field_.has(key)) from_json(field_.at(key), value.emplace());
  }
  /// Null or absent where it is not set.
  template <typename T>
  void nullable(const char* key, std::optional<T>& value) {
    if (field_.has(key) && !field_.at(key).is_null()) from_json(field_.at(key), value.emplace());
  }
  /// A list of which each item is read by read_item(field) and written by write_item(value).
  template <typename T, typename Write, typename Read>
  void list(const char* key, std::vector<T>& values, const Write&, const Read& read_item) {
    for (const JsonField& item : field_.at(key).items()) values.push_back(read_item(item));
  }
  /// Calls check(field) for the object itself, after the fields above were read.
  template <typename Check>
  void when_read(const Check& check) {
    check(field_);
  }
  /// The same for one of its fields.
  template <typename Check>
  void when_read(const char* key, const Check& check) {
    check(field_.at(key));
  }

 private:
  explicit JsonReader(const JsonField& field) : field_(field) {}

  static void from_json(const JsonField& field, std::string& value) { value = field.text(); }
  static void from_json(const JsonField& field, bool& value) { value = field.flag(); }
  static void from_json(const JsonField& field, int64_t& value) { value = field.integer(); }
  static void from_json(const JsonField& field, uint64_t& value) { value = field.natural(); }
  static void from_json(const JsonField& field, double& value) { value = field.real(); }
  static void from_json(const JsonField& field, int& value) {
    const int64_t whole = field.integer();
    if (whole < INT32_MIN || whole > INT32_MAX) field.fail("is out of range");
    value = static_cast<int>(whole);
  }
  static void from_json(const JsonField& field, std::map<std::string, int64_t>& value) {
    for (const auto& [key, item] : field.entries()) value[key] = item.integer();
  }
  template <typename T>
  static void from_json(const JsonField& field, std::vector<T>& values) {
    for (const JsonField& item : field.items()) from_json(item, values.emplace_back());
  }
  template <typename T>
  static void from_json(const JsonField& field, T& value) {
    if constexpr (requires { read_json_value(field, value); }) {
      read_json_value(field, value);
    } else {
      read(field, value);
    }
  }

  const JsonField& field_;
};

}  // namespace replicate
