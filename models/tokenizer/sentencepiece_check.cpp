#include "models/tokenizer/sentencepiece_check.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "models/tokenizer/protobuf_fields.h"

namespace replicate {
namespace {

static_assert(std::endian::native == std::endian::little, "rules are read as they lie in the file");

// Numbers of sentencepiece_model.proto.
constexpr uint32_t kPieces = 1, kNormalizer = 3, kDenormalizer = 5;  // of ModelProto
constexpr uint32_t kText = 1, kType = 3;                             // of a piece
constexpr int32_t kUserDefined = 4;
constexpr uint32_t kRules = 2;  // of NormalizerSpec, where it is called precompiled_charsmap

// The library recurses a level for each byte of a piece, and 100,000 end its stack. Pieces of real models are shorter
// than 200 bytes. For what a rule puts in the place of a character, of which real ones write up to 33 bytes, the bound
// keeps a text from growing without end.
constexpr size_t kLongestText = 4096;
// Texts of which each begins with the one before: more than the library keeps room for, and it reads after the room.
constexpr size_t kMostNestedSymbols = 64, kMostNestedRules = 32;

[[noreturn]] void fail(const std::string& what, const std::string& where) {
  throw Error("not a model of SentencePiece, " + what, where, "fetch the file again");
}

/// A unit of Darts-clone's double array. `base` of a state exclusive-or a byte is the unit that the byte leads to, if
/// that has the byte as its label; the unit's place exclusive-or its offset is the base there.
struct Unit {
  uint32_t bits;

  uint32_t label() const { return bits & (1U << 31 | 0xff); }
  uint32_t offset() const { return (bits >> 10) << ((bits & 1U << 9) >> 6); }
  bool ends_rule() const { return (bits >> 8 & 1) != 0; }  ///< the value is the unit at the base
  uint32_t value() const { return bits & ((1U << 31) - 1); }
};

/// What a normalizer replaces: the size of a trie as a number of 32 bits, the trie of what is replaced, and the texts
/// in its place, each with a NUL after it, where the trie's values point to.
class Rules {
 public:
  Rules(std::string_view bytes, const std::string& where) : where_(where) {
    uint32_t size = 0;
    if (bytes.size() < sizeof(size)) fail("rules that break off", where_);
    std::memcpy(&size, bytes.data(), sizeof(size));
    bytes.remove_prefix(sizeof(size));
    if (size == 0 || size % sizeof(Unit) != 0 || size > bytes.size()) fail("rules of a wrong size", where_);
    units_.resize(size / sizeof(Unit));
    std::memcpy(units_.data(), bytes.data(), size);
    texts_ = bytes.substr(size);
  }

  void check() const {
    check_texts();
    check_trie();
  }

 private:
  /// A place that texts lead to, and the most rules that end on a way there.
  struct State {
    uint32_t base;
    uint8_t rules;
  };

  void check_texts() const {
    for (auto left = texts_; !left.empty();) {
      const auto size = left.find('\0');
      if (size == std::string_view::npos) fail("a rule without an end", where_);
      if (size > kLongestText) fail("a rule that gives " + std::to_string(size) + " bytes", where_);
      left.remove_prefix(size + 1);
    }
  }

  /// Goes every way that a text can go, whichever it is, so that the library can read nothing but what was looked at
  /// here.
  void check_trie() const {
    std::vector<uint8_t> known(units_.size());  // by base: the most rules so far, and one
    std::vector<State> open;
    const auto reach = [&](uint32_t base, uint8_t rules) {
      if ((base | 0xff) >= units_.size()) fail("a rule that leads out of the table", where_);
      if (rules > kMostNestedRules) fail("rules within rules", where_);
      if (known[base] > rules) return;
      known[base] = static_cast<uint8_t>(rules + 1);
      open.push_back({base, rules});
    };
    reach(units_.front().offset(), 0);
    while (!open.empty()) {
      const auto [base, rules] = open.back();
      open.pop_back();
      for (uint32_t byte = 0; byte < 256; ++byte) {
        const auto unit = units_[base ^ byte];
        if (unit.label() != byte) continue;
        const auto next = base ^ byte ^ unit.offset();
        reach(next, static_cast<uint8_t>(rules + (unit.ends_rule() ? 1 : 0)));
        if (unit.ends_rule() && units_[next].value() >= texts_.size()) fail("a rule that gives no text", where_);
      }
    }
  }

  const std::string& where_;
  std::vector<Unit> units_;
  std::string_view texts_;
};

/// The library builds a trie of them, in which a NUL ends a text.
void check_nesting(const std::set<std::string_view>& symbols, const std::string& where) {
  std::vector<std::string_view> nested;
  for (const auto symbol : symbols) {  // in order, hence after all that it begins with
    while (!nested.empty() && !symbol.starts_with(nested.back())) nested.pop_back();
    nested.push_back(symbol);
    if (nested.size() > kMostNestedSymbols) fail("user-defined pieces within pieces", where);
  }
}

}  // namespace

void check_sentencepiece_model(std::string_view bytes, const std::string& where) {
  const auto each = [&](std::string_view message, const auto& use) {
    if (!each_field(message, use)) fail("a damaged message", where);
  };
  std::set<std::string_view> symbols;
  const auto check_piece = [&](std::string_view piece) {
    std::string_view text;
    bool is_symbol = false;
    each(piece, [&](const ProtobufField& field) {
      if (field.number == kText && field.bytes) text = *field.bytes;
      if (field.number == kType && field.integer)
        is_symbol = is_symbol || static_cast<int32_t>(*field.integer) == kUserDefined;
    });
    if (text.size() > kLongestText) fail("a piece of " + std::to_string(text.size()) + " bytes", where);
    if (is_symbol) symbols.insert(text.substr(0, text.find('\0')));
  };
  const auto check_normalizer = [&](std::string_view normalizer) {
    each(normalizer, [&](const ProtobufField& field) {
      if (field.number == kRules && field.bytes && !field.bytes->empty()) Rules(*field.bytes, where).check();
    });
  };
  each(bytes, [&](const ProtobufField& field) {
    if (!field.bytes) return;
    if (field.number == kPieces) check_piece(*field.bytes);
    if (field.number == kNormalizer || field.number == kDenormalizer) check_normalizer(*field.bytes);
  });
  check_nesting(symbols, where);
}

}  // namespace replicate
