#pragma once

// Models by the name that they have on Hugging Face's hub, in the caches that its client fills.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace replicate {

/// ORGANISATION/NAME, or ORGANISATION/NAME@REVISION: a branch, a tag, a commit or its first digits.
struct HubName {
  std::string organisation, name;
  std::string revision = "main";

  /// Nothing where the text cannot be such a name.
  static std::optional<HubName> of(const std::string& text);
  std::string text() const;
};

/// Where the hub's client and set-up put models: HF_HUB_CACHE, hub/ in HF_HOME, the user's cache, hub/ in `assets`.
/// scripts/hub.py looks there, too, and in this order.
std::vector<std::filesystem::path> hub_caches(const std::filesystem::path& assets);

/// The folder of a revision's snapshot in a model's folder of a cache (models--ORGANISATION--NAME); nothing where the
/// cache does not have it.
std::optional<std::filesystem::path> snapshot(const std::filesystem::path& cached, const std::string& revision);

/// The snapshot in the first of the caches that has it whole. Error, with the command that fetches it, where
/// none has.
std::filesystem::path find_in_caches(const HubName& model, const std::vector<std::filesystem::path>& caches);

}  // namespace replicate
