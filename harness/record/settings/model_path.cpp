#include "harness/record/settings/model_path.h"

#include "base/error.h"
#include "base/text_file.h"
#include "harness/record/settings/hub_model.h"
#include "models/formats/shard_name.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

/// How the cache calls the folder of ORGANISATION/NAME: models--ORGANISATION--NAME.
constexpr std::string_view kCached = "models--", kCachedSeparator = "--";

bool is_cached(const fs::path& folder) { return folder.filename().string().starts_with(kCached); }

/// The snapshot of a model in the cache; any other path as it is.
fs::path resolved(const fs::path& path) {
  std::error_code error;
  if (!is_cached(path) || !fs::is_directory(path / "snapshots", error)) return path;
  if (const auto found = snapshot(path, "main")) return *found;
  throw Error("the cache has no snapshot that refs/main names", path.string(), "name a folder under snapshots/");
}

/// A path that is there goes before a model of the hub that has the same name.
fs::path located(const std::string& text, const fs::path& assets) {
  if (is_there(text)) {
    const fs::path path = text;
    return resolved(path.has_filename() ? path : path.parent_path());  // a slash at its end
  }
  const auto extension = fs::path(text).extension();
  const bool is_file = extension == ".gguf" || extension == ".safetensors" || extension == ".json";
  if (const auto hub_name = is_file ? std::nullopt : HubName::of(text))
    return find_in_caches(*hub_name, hub_caches(assets));
  throw Error("there is no such model file", text, "check the path given with --model");
}

/// ORG/NAME@COMMIT of models--ORG--NAME/snapshots/COMMIT; nothing for another path.
std::optional<std::string> name_on_hub(const fs::path& path) {
  const auto snapshot = fs::absolute(path).lexically_normal();
  const auto cached = snapshot.parent_path().parent_path();
  if (snapshot.parent_path().filename() != "snapshots" || !is_cached(cached)) return std::nullopt;
  auto name = cached.filename().string().substr(kCached.size());
  if (const auto separator = name.find(kCachedSeparator); separator != std::string::npos)
    name.replace(separator, kCachedSeparator.size(), "/");
  return name + "@" + snapshot.filename().string();
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

ModelSettings model_from_path(const std::string& text, const fs::path& assets) {
  ModelSettings model;
  model.from_path = true;
  model.file = located(text, assets);
  model.name = name_of(model.file);
  model.hub = name_on_hub(model.file);
  model.bos = std::nullopt;
  return model;
}

}  // namespace replicate
