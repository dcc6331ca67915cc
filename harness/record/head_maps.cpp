#include "harness/record/head_maps.h"

#include <cmath>

#include "base/error.h"
#include "base/json_section.h"
#include "harness/record/json_fields.h"

namespace replicate {

template <typename Visitor>
void fields(Visitor& visit, HeadMaps& maps) {
  visit("layers", maps.layers);
  visit("heads", maps.heads);
  visit("first_layer", maps.first_layer);
  visit("passes", maps.passes);
  visit("texts", maps.texts);
  visit("shares", maps.shares);
}

namespace {

constexpr int64_t kMostOfAny = 10'000;  // layers, heads, passes, texts or positions: products of them stay below 2^63
constexpr const char* kRestore = "restore the file or run the claim again";

bool is_base64(const std::string& text) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto end = text.find_first_not_of(kDigits);
  const auto padding = end == std::string::npos ? 0 : text.size() - end;
  return text.size() % 4 == 0 && padding <= 2 &&
         text.find_first_not_of('=', text.size() - padding) == std::string::npos;
}

bool is_size(int64_t n) { return n >= 1 && n <= kMostOfAny; }

bool fit_together(const HeadMaps& maps) {
  const auto passes = std::ssize(maps.passes), texts = std::ssize(maps.texts), positions = maps.positions();
  if (!is_size(maps.layers) || !is_size(maps.heads) || !is_size(passes) || !is_size(texts) || !is_size(positions))
    return false;
  for (const auto& tokens : maps.texts)
    if (std::ssize(tokens) != positions) return false;
  if (maps.first_layer < 1 || maps.first_layer > maps.layers) return false;
  const double bytes = static_cast<double>(passes * texts) * static_cast<double>(maps.layers * maps.heads) *
                       (static_cast<double>(positions) * static_cast<double>(positions + 1) / 2);
  return is_base64(maps.shares) && static_cast<double>(maps.shares.size()) == 4 * std::ceil(bytes / 3);
}

}  // namespace

std::string head_maps_to_json(const HeadMaps& maps) {
  return JsonWriter::write(maps).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

HeadMaps head_maps_from_json(const std::string& text, const std::string& where) {
  const auto json = parse_json(text, where);
  HeadMaps maps;
  JsonReader::read(JsonField(json, where, "", kRestore), maps);
  if (!fit_together(maps)) throw Error("the sizes of these attention maps do not fit together", where, kRestore);
  return maps;
}

}  // namespace replicate
