#include "harness/inputs/given.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/json_section.h"
#include "base/mapped_file.h"
#include "base/number_text.h"
#include "base/run_folder.h"
#include "base/utf8.h"
#include "harness/inputs/inputs.h"

namespace replicate {
namespace {

using Sequences = std::vector<std::vector<int64_t>>;

constexpr size_t kWholeTextBytes = 4 << 20;  // a longer text is read in windows
constexpr size_t kWindowBytes = 64 << 10;
constexpr size_t kWindows = kWholeTextBytes / kWindowBytes;
constexpr int64_t kFewestTextLength = 32;

// ---- token ids -----------------------------------------------------------------------------------------

std::string text_of_tokens(const std::filesystem::path& file) {
  try {
    return read_text(file);
  } catch (const Error& error) {
    throw Error("cannot read the token file: " + error.what_happened(), file.string(),
                "name an existing JSON Lines file");
  }
}

nlohmann::json array_in(const std::string& line, const std::string& where) {
  try {
    auto array = parse_json(line, where);
    if (array.is_array() && !array.empty()) return array;
  } catch (const Error&) {  // its remedy is for files that were fetched
  }
  throw Error("not a JSON array of token ids", where, "write one array like [1, 2, 3] per line");
}

/// Whatever is no number goes by its kind: a list nests, and a text may be as long as the file.
std::string shown(const nlohmann::json& id) {
  return id.is_number() ? id.dump() : std::string("of type ") + id.type_name();
}

Sequences read_tokens(const std::filesystem::path& file, int64_t vocabulary) {
  std::istringstream stream(text_of_tokens(file));
  Sequences all;
  std::string line;
  for (int64_t number = 1; std::getline(stream, line); ++number) {
    const auto where = file.string() + ":" + std::to_string(number);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto& ids = all.emplace_back();
    for (const auto& id : array_in(line, where)) {
      if (!id.is_number_integer() || id < 0 || id >= vocabulary) {
        throw Error("token id " + shown(id) + " is not in the vocabulary", where,
                    "use integers from 0 to " + std::to_string(vocabulary - 1));
      }
      ids.push_back(id.get<int64_t>());
    }
  }
  if (all.empty()) throw Error("the token file is empty", file.string(), "write one array of ids per line");
  return all;
}

/// The length that keeps the most ids, of those that leave at least kFewestGiven sequences or, where there are fewer,
/// all that are long enough; 0 where none is.
int64_t best_length(const Sequences& all) {
  std::vector<int64_t> lengths;
  for (const auto& ids : all) {
    if (std::ssize(ids) >= kShortestGiven) lengths.push_back(std::ssize(ids));
  }
  if (lengths.empty()) return 0;
  std::ranges::sort(lengths, std::greater());
  int64_t best = 0, most = 0;
  for (auto kept = std::min<int64_t>(kFewestGiven, std::ssize(lengths)); kept <= std::ssize(lengths); ++kept) {
    const auto length = lengths[static_cast<size_t>(kept - 1)];
    if (kept * length <= most) continue;
    most = kept * length;
    best = length;
  }
  return best;
}

/// Cuts them to one length, and says so.
Sequences of_one_length(Sequences all, const std::string& where, std::vector<std::string>& notes) {
  const auto [shortest, longest] =
      std::ranges::minmax(all, {}, [](const std::vector<int64_t>& ids) { return ids.size(); });
  const auto length = best_length(all);
  if (length == 0) {
    throw Error("sequences of " + std::to_string(longest.size()) + " ids are too short to measure on", where,
                "give at least " + std::to_string(kShortestGiven) + " ids per sequence");
  }
  if (shortest.size() == longest.size()) return all;
  const auto given = std::ssize(all);
  const auto range = std::to_string(std::ssize(shortest)) + " to " + std::to_string(std::ssize(longest));
  std::erase_if(all, [&](const auto& ids) { return std::ssize(ids) < length; });
  for (auto& ids : all) ids.resize(static_cast<size_t>(length));
  notes.push_back("The given sequences have " + range + " ids: " + std::to_string(std::ssize(all)) + " of " +
                  std::to_string(given) + " are measured, cut to " + std::to_string(length) + " ids.");
  return all;
}

// ---- text ----------------------------------------------------------------------------------------------

/// A part of a text, and the number of bytes before it, which messages name.
struct TextPart {
  std::string_view text;
  size_t offset = 0;
};

/// From the start of the first line within the first half, or else of a character.
size_t start_of_text(std::string_view window) {
  const auto newline = window.substr(0, window.size() / 2).find('\n');
  if (newline != std::string_view::npos) return newline + 1;
  size_t at = 0;
  while (at < 4 && at < window.size() && (static_cast<unsigned char>(window[at]) & 0xc0) == 0x80) ++at;
  return at;
}

/// Without the bytes of a character that is cut off.
size_t end_of_text(std::string_view window) {
  for (size_t back = 1; back <= std::min<size_t>(4, window.size()); ++back) {
    const auto at = window.size() - back;
    if ((static_cast<unsigned char>(window[at]) & 0xc0) == 0x80) continue;
    return at + character_bytes(window[at]) <= window.size() ? window.size() : at;
  }
  return window.size();
}

/// The whole text, or windows that lie evenly spread over a long one: a gigabyte takes no longer than a megabyte.
std::vector<TextPart> parts_of(std::string_view text) {
  if (text.size() <= kWholeTextBytes) return {{text, 0}};
  std::vector<TextPart> parts;
  for (size_t i = 0; i < kWindows; ++i) {
    const auto first = (text.size() - kWindowBytes) / (kWindows - 1) * i;
    const auto window = text.substr(first, kWindowBytes);
    const auto begin = i == 0 ? 0 : start_of_text(window);
    parts.push_back({window.substr(begin, end_of_text(window) - begin), first + begin});
  }
  return parts;
}

Sequences tokenized(std::string_view text, const Tokenizer& tokenizer, const std::string& where) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // which editors put before a text, and is none of it
  const auto begin = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  Sequences parts;
  for (const auto& part : parts_of(text.substr(begin))) {
    if (const auto at = first_not_text(part.text)) {
      throw Error("byte " + std::to_string(begin + part.offset + *at) + " is not UTF-8 text", where,
                  "give text in UTF-8 (iconv converts it), unpacked, or --tokens for ids");
    }
    parts.push_back(tokenizer.encode_with_special(part.text));
  }
  return parts;
}

/// Sequences of `own` tokens that each part has.
int64_t sequences_in(const Sequences& parts, int64_t own) {
  int64_t all = 0;
  for (const auto& part : parts) all += std::ssize(part) / own;
  return all;
}

/// The tokens of the text in a sequence: as asked for, or fewer of a short text.
int64_t own_length(const Sequences& parts, const GivenShape& shape, const std::string& where) {
  const int64_t first = shape.bos ? 1 : 0;
  auto length = shape.length;
  while (sequences_in(parts, length - first) < kFewestGiven && length / 2 >= kFewestTextLength) length /= 2;
  if (sequences_in(parts, length - first) > 0) return length - first;
  const auto tokens = std::ssize(parts.front());
  if (tokens + first >= kShortestGiven) return tokens;
  throw Error("the text has " + std::to_string(tokens) + " tokens, which are too few to measure on", where,
              "give a longer one: verdicts need " + std::to_string(kFewestGiven) + " sequences of " +
                  std::to_string(kFewestTextLength) + " tokens or more");
}

/// Evenly spread ones where there are more than kMostTextSequences.
Sequences cut(const Sequences& parts, int64_t own) {
  Sequences all;
  for (const auto& part : parts) {
    for (auto at = part.begin(); part.end() - at >= own; at += own) all.emplace_back(at, at + own);
  }
  const auto count = std::ssize(all);
  if (count <= kMostTextSequences) return all;
  Sequences spread;
  for (int64_t i = 0; i < kMostTextSequences; ++i) {
    spread.push_back(std::move(all[static_cast<size_t>(i * count / kMostTextSequences)]));
  }
  return spread;
}

std::string note_on_text(const Sequences& parts, int64_t own, const Sequences& taken, const GivenShape& shape) {
  const auto length = own + (shape.bos ? 1 : 0);
  auto note = "The given text is measured in " + plural(taken.size(), "sequence") + " of " + std::to_string(length) +
              " tokens" + (shape.bos ? ", BOS included" : "");
  if (parts.size() > 1) return note + ", taken from all over it.";
  const auto all = sequences_in(parts, own);
  if (all > std::ssize(taken)) return note + ", evenly spread over the " + std::to_string(all) + " that it has.";
  return note + (length < shape.length ? ": it is too short for " + std::to_string(kFewestGiven) + " of " +
                                             std::to_string(shape.length) + "."
                                       : ".");
}

Sequences sequences_of(std::string_view text, const std::string& where, const Tokenizer& tokenizer,
                       const GivenShape& shape, std::vector<std::string>& notes) {
  const auto parts = tokenized(text, tokenizer, where);
  const auto own = own_length(parts, shape, where);
  auto taken = cut(parts, own);
  notes.push_back(note_on_text(parts, own, taken, shape));
  if (shape.bos) {
    if (!tokenizer.bos()) throw Error("the vocabulary has no BOS token", where, "measure this model with --bos off");
    for (auto& ids : taken) ids.insert(ids.begin(), *tokenizer.bos());
  }
  return taken;
}

Sequences read_text_file(const std::string& path, const Tokenizer& tokenizer, const GivenShape& shape,
                         std::vector<std::string>& notes) {
  const auto file = MappedFile::open(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  return sequences_of(text, path, tokenizer, shape, notes);
}

// ---- both ----------------------------------------------------------------------------------------------

/// A sequence that comes again is no second observation.
void leave_out_repeated(Sequences& all, std::vector<std::string>& notes) {
  std::set<std::vector<int64_t>> seen;
  const auto given = std::ssize(all);
  std::erase_if(all, [&](const auto& ids) { return !seen.insert(ids).second; });
  const auto repeated = given - std::ssize(all);
  if (repeated == 0) return;
  notes.push_back(std::to_string(repeated) + " of " + std::to_string(given) +
                  " given sequences repeat another one and are left out: together they are one observation.");
}

bool all_begin_with(const Sequences& all, std::optional<int64_t> id) {
  return id && std::ranges::all_of(all, [&](const auto& ids) { return ids.front() == *id; });
}

Tokens tokens_of(std::span<const std::vector<int64_t>> sequences, bool bos, Region region) {
  std::vector<int64_t> flat;
  for (const auto& ids : sequences) flat.insert(flat.end(), ids.begin(), ids.end());
  const auto ids = at::tensor(flat, at::kLong).view({std::ssize(sequences), -1});
  return make_tokens(ids, "tokens", "tokens", bos, name_of(region));
}

}  // namespace

GivenInputs read_given(const GivenSource& source, const Tokenizer& tokenizer, int64_t vocabulary,
                       const GivenShape& shape) {
  GivenInputs given;
  Sequences all;
  switch (source.kind) {
    case GivenSource::Kind::tokens:
      all = of_one_length(read_tokens(source.value, vocabulary), source.value, given.notes);
      break;
    case GivenSource::Kind::text: all = read_text_file(source.value, tokenizer, shape, given.notes); break;
    case GivenSource::Kind::literal:
      all = sequences_of(source.value, "--text-literal", tokenizer, shape, given.notes);
      break;
  }
  leave_out_repeated(all, given.notes);
  const bool bos = all_begin_with(all, tokenizer.bos());
  const auto aside = std::ssize(all) < kFewestGiven ? 0 : all.size() / 3;
  const std::span sequences(all);
  given.judged = tokens_of(sequences.subspan(aside), bos, Region::measure);
  if (aside > 0) given.set_aside = tokens_of(sequences.first(aside), bos, Region::survey);
  return given;
}

std::string given_jsonl(const GivenInputs& given) {
  std::string lines;
  for (const auto& tokens : {given.set_aside, given.judged}) {
    if (!tokens) continue;
    for (const auto& row : tokens->ids.unbind()) {
      const std::vector<int64_t> ids(row.const_data_ptr<int64_t>(), row.const_data_ptr<int64_t>() + row.numel());
      lines += nlohmann::json(ids).dump() + "\n";
    }
  }
  return lines;
}

}  // namespace replicate
