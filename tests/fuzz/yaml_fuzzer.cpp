// libFuzzer: whatever the bytes are, reading them as settings ends in values or in an Error. Run with
// tests/fuzz/corpus/yaml.

#include <cstdint>

#include "base/yaml.h"
#include "tests/fuzz/one_line.h"

namespace replicate {
namespace {

void read_scalar(const Yaml& value) {
  allow_error([&] { (void)value.text(); });
  allow_error([&] { (void)value.flag(); });
  allow_error([&] { (void)value.real(); });
  allow_error([&] { (void)value.integer(-3, 3); });
  allow_error([&] { (void)value.natural(); });
  allow_error([&] { (void)value.texts(); });
}

void read(const Yaml& value) {
  read_scalar(value);
  allow_error([&] { value.allow({"claims", "seed"}); });
  if (value.is_mapping()) {
    for (const auto& [key, inner] : value.entries()) read(inner);
  } else if (value.is_list()) {
    for (const auto& inner : value.items()) read(inner);
  } else {
    allow_error([&] { (void)Yaml::parse(yaml_quoted(value.text()), "again.yaml").text(); });
  }
}

}  // namespace
}  // namespace replicate

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  replicate::allow_error([&] { replicate::read(replicate::Yaml::parse(text, "fuzz.yaml")); });
  return 0;
}
