#include "models/formats/shard_name.h"

#include <algorithm>
#include <string_view>

namespace replicate {
namespace {

constexpr size_t kDigits = 5;

std::string digits(int64_t number) {
  const std::string text = std::to_string(number);
  return std::string(kDigits - std::min(kDigits, text.size()), '0') + text;
}

/// Five digits as a number, 0 for anything else.
int64_t number_in(std::string_view text) {
  int64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return 0;
    number = number * 10 + (c - '0');
  }
  return number;
}

}  // namespace

std::string shard_ending(int64_t number, int64_t count) {
  return "-" + digits(number) + "-of-" + digits(count) + ".gguf";
}

std::optional<ShardName> ShardName::of(const std::filesystem::path& path) {
  const std::string name = path.string();
  const size_t ending = shard_ending(1, 1).size();
  if (name.size() < ending) return std::nullopt;
  const size_t start = name.size() - ending;
  ShardName result;
  result.prefix = name.substr(0, start);
  result.number = number_in(std::string_view(name).substr(start + 1, kDigits));
  result.count = number_in(std::string_view(name).substr(start + ending - 5 - kDigits, kDigits));
  const bool in_range = 1 <= result.number && result.number <= result.count;
  if (!in_range || result.path() != path) return std::nullopt;
  return result;
}

std::filesystem::path ShardName::path() const { return prefix + shard_ending(number, count); }

std::vector<std::filesystem::path> model_files(const std::filesystem::path& first) {
  const auto name = ShardName::of(first);
  if (!name || name->number != 1) return {first};
  std::vector<std::filesystem::path> files;
  for (int64_t number = 1; number <= name->count; ++number) {
    files.push_back(name->sibling(number).path());
  }
  return files;
}

}  // namespace replicate
