#pragma once

// attention.json: attention maps of single heads, for a reader who wants to look at any of them.

#include <cstdint>
#include <string>
#include <vector>

namespace replicate {

/// Attention of every head among the first positions of a few texts, in several passes over the same ids.
struct HeadMaps {
  int64_t layers = 0, heads = 0;
  int64_t first_layer = 1;                      ///< that is worth seeing first, from 1
  std::vector<std::string> passes;              ///< what was changed in each: "untouched", ...
  std::vector<std::vector<std::string>> texts;  ///< their tokens, by position; all of one length
  /// base64 of a byte per probability, in steps of 1/255: [pass][text][layer][head][query][key], keys from 0 to the
  /// query.
  std::string shares;

  int64_t positions() const { return texts.empty() ? 0 : static_cast<int64_t>(texts.front().size()); }
};

std::string head_maps_to_json(const HeadMaps& maps);

/// The reverse. Error, naming `where`, where fields are missing, sizes do not fit together or the numbers are no
/// base64.
HeadMaps head_maps_from_json(const std::string& text, const std::string& where);

}  // namespace replicate
