#include "base/did_you_mean.h"

#include <algorithm>
#include <numeric>

namespace replicate {
namespace {

constexpr size_t kMostListed = 12;
constexpr size_t kLongestWord = 200;

/// Levenshtein's distance.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string listing(const std::vector<std::string>& candidates) {
  if (candidates.empty()) return "there is none";
  std::string text = "choose one of ";
  for (size_t i = 0; i < std::min(candidates.size(), kMostListed); ++i) {
    text += (i == 0 ? "" : ", ") + candidates[i];
  }
  return candidates.size() > kMostListed ? text + ", ..." : text;
}

/// A name that the word is a part of: "onset" for sink_onset.
std::string containing(const std::string& word, const std::vector<std::string>& candidates) {
  if (word.size() < 3) return {};
  const auto found = std::find_if(candidates.begin(), candidates.end(),
                                  [&](const std::string& name) { return name.find(word) != std::string::npos; });
  return found == candidates.end() ? std::string() : *found;
}

std::string closest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : candidates) {
    const size_t distance = edit_distance(word, name);
    if (distance < best_distance && distance < name.size()) best = name, best_distance = distance;
  }
  return best.empty() ? containing(word, candidates) : best;
}

}  // namespace

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string name = word.size() > kLongestWord ? std::string() : closest(word, candidates);
  return name.empty() ? listing(candidates) : "did you mean '" + name + "'?";
}

}  // namespace replicate
