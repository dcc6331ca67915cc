#include "harness/record/settings/hub_model.h"

#include <algorithm>
#include <cstdlib>
#include <regex>

#include "base/error.h"
#include "base/text_file.h"
#include "models/formats/tensor_store.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLongestCommit = 256;
constexpr size_t kFewestDigits = 4;  // of a commit that is not given whole

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// As scripts/hub.py has it. The client's folders have "--" between an organisation and a name.
bool is_part(const std::string& text) {
  static const std::regex kPart("[A-Za-z0-9_]([A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?");
  return std::regex_match(text, kPart) && text.find("--") == std::string::npos &&
         text.find("..") == std::string::npos && !text.ends_with(".git");
}

bool is_revision(const std::string& text) {
  static const std::regex kRevision("[A-Za-z0-9][A-Za-z0-9._/-]{0,199}");
  return std::regex_match(text, kRevision) && text.find("..") == std::string::npos;
}

bool is_commit(const std::string& text) {
  static const std::regex kCommit("[0-9a-f]{1,64}");
  return std::regex_match(text, kCommit);
}

/// A download that broke off leaves less. As scripts/hub.py has it: what one takes for whole, the other must.
bool is_whole(const fs::path& folder) {
  if (!is_there(folder / "config.json")) return false;
  const auto has = [&](const char* name) { return is_there(folder / name); };
  if (!has("tokenizer.json") && !has("tokenizer.model") && !has("vocab.json")) return false;
  try {
    return !safetensors_files(folder).empty();
  } catch (const Error&) {  // a part is missing, or the index cannot be read
    return false;
  }
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \r\n\t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \r\n\t") - first + 1);
}

/// By its first digits; nothing where several begin so.
std::optional<fs::path> only_snapshot_of(const fs::path& snapshots, const std::string& digits) {
  std::optional<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(snapshots, error)) {
    if (!entry.path().filename().string().starts_with(digits)) continue;
    if (found) return std::nullopt;
    found = entry.path();
  }
  return found;
}

/// "~/x" as a shell has it: these variables are often set where no shell expands them.
fs::path expanded(const std::string& path) {
  return path.starts_with("~/") ? fs::path(environment("HOME")) / path.substr(2) : fs::path(path);
}

}  // namespace

std::optional<HubName> HubName::of(const std::string& text) {
  const auto slash = text.find('/'), at = text.find('@');
  if (slash == std::string::npos || at < slash) return std::nullopt;
  HubName model{text.substr(0, slash), text.substr(slash + 1, at == std::string::npos ? at : at - slash - 1)};
  if (at != std::string::npos) model.revision = text.substr(at + 1);
  const bool is_name = is_part(model.organisation) && is_part(model.name) && is_revision(model.revision);
  return is_name ? std::optional(model) : std::nullopt;
}

std::string HubName::text() const { return organisation + "/" + name + (revision == "main" ? "" : "@" + revision); }

std::vector<fs::path> hub_caches(const fs::path& assets) {
  const auto cache = environment("HF_HUB_CACHE"), home = environment("HF_HOME"), user = environment("XDG_CACHE_HOME");
  std::vector<fs::path> caches;
  if (!cache.empty()) caches.push_back(expanded(cache));
  if (!home.empty()) caches.push_back(expanded(home) / "hub");
  caches.push_back(expanded(user.empty() ? "~/.cache" : user) / "huggingface" / "hub");
  caches.push_back(assets / "hub");
  return caches;
}

std::optional<fs::path> snapshot(const fs::path& cached, const std::string& revision) {
  const auto reference = cached / "refs" / revision, snapshots = cached / "snapshots";
  const auto commit = is_there(reference) ? trimmed(read_text(reference, kLongestCommit)) : revision;
  if (!is_commit(commit)) return std::nullopt;
  if (is_there(snapshots / commit)) return snapshots / commit;
  return commit == revision && commit.size() >= kFewestDigits ? only_snapshot_of(snapshots, commit) : std::nullopt;
}

fs::path find_in_caches(const HubName& model, const std::vector<fs::path>& caches) {
  const auto folder = "models--" + model.organisation + "--" + model.name;
  for (const auto& cache : caches)
    if (const auto found = snapshot(cache / folder, model.revision); found && is_whole(*found)) return *found;
  std::string places;
  for (const auto& cache : caches) places += (places.empty() ? "" : ", ") + cache.string();
  throw Error("the model " + model.text() + " has not been fetched", places,
              "scripts/setup --model " + model.text() + " fetches it; or name a folder or a GGUF file");
}

}  // namespace replicate
