#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/regex.h"

// What a tokenizer does to a text before its model sees words. Names and meaning are those of PyPI `tokenizers`.

namespace replicate {

/// A change of the text.
using Normalizer = std::function<std::string(std::string_view)>;

/// A text after normalizers, one after the other. Error when it grows beyond all reason.
std::string normalized(const std::vector<Normalizer>& normalizers, std::string_view text);

/// A part of a text.
struct Piece {
  std::string_view text;
  bool is_start = false;  ///< nothing of the text comes before it
};

using UsePiece = std::function<void(const Piece&)>;

/// Splits a piece, or changes it; pieces live as long as the call of `use`, and empty ones are left out.
using Splitter = std::function<void(const Piece&, const UsePiece& use)>;

/// All that happens before the model.
struct TextSteps {
  std::vector<Normalizer> normalizers;
  std::vector<Splitter> splitters;
  std::string description;  ///< texts that are treated otherwise have another one
};

Normalizer canonical_composition();                        ///< Unicode's NFC
Normalizer replacement(std::string from, std::string to);  ///< of every occurrence
Normalizer prefix(std::string text);                       ///< of a text that is not empty

/// What becomes of the matches of a pattern; what lies between them is a piece each.
enum class Matches { isolated, removed, merged_with_previous, merged_with_next };

/// `inverted`: what lies between matches counts as a match, and the other way round.
Splitter split_at(Regex pattern, Matches matches, bool inverted = false);

/// A piece that does not begin with a space gets one.
Splitter space_prefix();

enum class PrefixScheme { always, first, never };

/// Spaces are written as `mark`, and a piece that does not begin with one gets one: always, or where the text begins.
/// `splits`: every mark begins a piece.
Splitter metaspace(const std::string& mark, PrefixScheme scheme, bool splits);

/// Words are the matches of a pattern, and what lies between them; see with_white_space.
TextSteps words_of(std::string_view pattern);

/// A pattern of Hugging Face's dialect, as with_white_space takes it.
Regex word_pattern(std::string_view pattern);

/// A pattern that matches a text as it is.
std::string quoted_pattern(std::string_view text);

/// Runs a piece through splitters, one after the other. Error when they make it grow beyond all reason.
void split_by(const std::vector<Splitter>& splitters, const Piece& piece, const UsePiece& use);

}  // namespace replicate
