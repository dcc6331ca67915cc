#include "harness/record/settings/model_path.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/text_file.h"
#include "models/formats/shard_name.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

/// How the cache calls the folder of ORGANISATION/NAME: models--ORGANISATION--NAME.
constexpr std::string_view kCached = "models--", kCachedSeparator = "--";
constexpr uintmax_t kLongestRevision = 256;

bool is_cached(const fs::path& folder) { return folder.filename().string().starts_with(kCached); }

/// The snapshot of a model in the cache; any other path as it is.
fs::path resolved(const fs::path& path) {
  std::error_code error;
  if (!is_cached(path) || !fs::is_directory(path / "snapshots", error)) return path;
  const auto reference = path / "refs" / "main";
  const auto revision = is_there(reference) ? read_text(reference, kLongestRevision) : std::string();
  const bool is_hash = !revision.empty() &&
                       std::all_of(revision.begin(), revision.end(), [](unsigned char c) { return std::isalnum(c); });
  if (is_hash && is_there(path / "snapshots" / revision)) return path / "snapshots" / revision;
  throw Error("the cache has no snapshot that refs/main names", path.string(), "name a folder under snapshots/");
}

/// Without the organisation.
std::string name_in_cache(const fs::path& folder) {
  const auto name = folder.filename().string();
  return name.substr(name.rfind(kCachedSeparator) + kCachedSeparator.size());
}

std::string name_of(const fs::path& path) {
  const auto file = fs::absolute(path).lexically_normal();
  if (const auto shard = ShardName::of(file.string())) return fs::path(shard->prefix).filename().string();
  if (file.extension() == ".gguf") return file.stem().string();
  for (auto folder = file; folder.has_relative_path(); folder = folder.parent_path()) {
    if (is_cached(folder)) return name_in_cache(folder);
  }
  return file.filename().string();
}

}  // namespace

ModelSettings model_from_path(const std::string& text) {
  if (!is_there(text)) {
    throw Error("there is no such model file", text, "check the path given with --model");
  }
  fs::path path = text;
  if (!path.has_filename()) path = path.parent_path();  // a slash at its end
  ModelSettings model;
  model.from_path = true;
  model.file = resolved(path);
  model.name = name_of(model.file);
  model.bos = std::nullopt;
  return model;
}

}  // namespace replicate
