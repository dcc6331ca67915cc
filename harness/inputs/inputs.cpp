#include "harness/inputs/inputs.h"

#include <algorithm>

#include "base/error.h"
#include "base/run_folder.h"
#include "base/sha256.h"
#include "base/statistics.h"
#include "base/utf8.h"

namespace replicate {

InputsRecord inputs_record(const TokenIds& tokens) {
  return {tokens.label, tokens.kind, tokens.sequences(), tokens.length(), tokens.sha256, tokens.bos};
}

std::string name_of(InputKind kind) {
  switch (kind) {
    case InputKind::natural: return "natural";
    case InputKind::random: return "random";
    case InputKind::repeated: return "repeated";
  }
  return "";
}

std::string name_of(Region region) {
  switch (region) {
    case Region::survey: return "survey";
    case Region::calibration: return "calibration";
    case Region::measure: return "judged";
  }
  return "";
}

namespace {

constexpr size_t kPageBytes = 1 << 16;
constexpr size_t kPagesInTurn = 4;    // of 4 pages of prose one is the survey's, one the calibration's
constexpr size_t kBytesPerToken = 8;  // prose has about 4 per token; passages must not run short

Tokens finish(std::string label, std::string kind, const std::vector<int64_t>& ids, InputShape shape, bool bos,
              Region region = Region::measure) {
  return make_tokens(at::tensor(ids, at::kLong).view({shape.sequences, shape.length}), std::move(label),
                     std::move(kind), bos, name_of(region));
}

/// Passages start with the first word of a line, so that they read like text and not like its middle. Indentation
/// would give many of them the same first token.
size_t next_line(const std::string& text, size_t position) {
  const auto newline = position == 0 ? 0 : text.find('\n', position);
  return std::min(text.find_first_not_of(" \t\r\n", newline), text.size());
}

Region region_of(size_t page) {
  const auto turn = page % kPagesInTurn;
  return turn == 0 ? Region::survey : turn == 1 ? Region::calibration : Region::measure;
}

/// What the seed of a draw is derived for.
std::string purpose(InputKind kind, Region region) {
  const char* suffix[] = {"/survey", "/calibration", ""};
  return name_of(kind) + suffix[static_cast<int>(region)];
}

/// Starts of all passages of a region that have `bytes` to themselves.
std::vector<size_t> passage_starts(const std::string& text, size_t bytes, Region region) {
  std::vector<size_t> starts;
  for (size_t page = 0; page * kPageBytes < text.size(); ++page) {
    if (region_of(page) != region) continue;
    const auto end = std::min((page + 1) * kPageBytes, text.size());
    for (auto start = page * kPageBytes; start + bytes <= end; start += bytes) {
      starts.push_back(start);
    }
  }
  return starts;
}

}  // namespace

InputMaker::InputMaker(std::shared_ptr<const Tokenizer> tokenizer, int64_t vocabulary, TextSource prose, uint64_t seed)
    : tokenizer_(std::move(tokenizer)), prose_(std::move(prose)), seed_(seed) {
  // Models may have more rows of embedding than there are tokens.
  for (int64_t id = 0; id < std::min(vocabulary, tokenizer_->vocabulary_size()); ++id) {
    if (!tokenizer_->is_special(id)) ordinary_.push_back(id);
  }
  if (ordinary_.empty()) {
    throw Error("every token of the vocabulary is special", "inputs", "use a file with a sound vocabulary");
  }
}

std::string InputMaker::prose_sha256() {
  auto sha256 = sha256_hex(std::as_bytes(std::span(text())));
  for (const auto id : prose_.opening) (sha256 += ' ') += std::to_string(id);
  return sha256;
}

Tokens InputMaker::make(InputKind kind, InputShape shape, bool bos, Region region) {
  const auto key = name_of(kind) + "/" + std::to_string(shape.sequences) + "/" + std::to_string(shape.length) + "/" +
                   std::to_string(bos) + "/" + std::to_string(static_cast<int>(region));
  if (const auto found = made_.find(key); found != made_.end()) return found->second;
  auto ids = draw(kind, shape, region);
  if (bos) {
    for (int64_t b = 0; b < shape.sequences; ++b) {
      const auto first = ids.begin() + b * shape.length;
      std::copy_backward(first, first + shape.length - 1, first + shape.length);
      *first = this->bos();
    }
  }
  const auto label = name_of(kind) + (bos ? "_bos" : "");
  return made_[key] = finish(label, name_of(kind), ids, shape, bos, region);
}

std::string InputMaker::word(int64_t id) const {
  if (id >= tokenizer_->vocabulary_size()) return "";  // a row of the embedding without a token
  return replace_invalid_utf8(tokenizer_->decode(std::span(&id, 1)));
}

int64_t InputMaker::bos() const {
  if (tokenizer_->bos()) return *tokenizer_->bos();
  throw Error("the vocabulary has no BOS token", "inputs with bos", "measure this model with --bos off");
}

std::vector<int64_t> InputMaker::ordinary_ids(int64_t n, const std::string& purpose) const {
  Random random(derive_seed(seed_, purpose));
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(ordinary_[random.below(ordinary_.size())]);
  return ids;
}

Tokens InputMaker::one_token_each(int64_t most) {
  auto& made = made_["one_token_each/" + std::to_string(most)];
  if (made) return made;
  auto ids = ordinary_;
  if (static_cast<int64_t>(ids.size()) > most) {
    Random random(derive_seed(seed_, "one_token_each"));
    const auto order = random.permutation(static_cast<int64_t>(ids.size()));
    for (int64_t i = 0; i < most; ++i) ids[i] = ordinary_[order[i]];
    ids.resize(most);
  }
  const InputShape shape{static_cast<int64_t>(ids.size()), 1};
  return made = finish("one_token_each", "vocabulary", ids, shape, false);
}

std::vector<int64_t> InputMaker::draw(InputKind kind, InputShape shape, Region region) {
  if (kind == InputKind::natural) return natural(shape, region);
  Random random(derive_seed(seed_, purpose(kind, region)));
  const auto draw_id = [&] { return ordinary_[random.below(ordinary_.size())]; };
  std::vector<int64_t> ids;
  for (int64_t b = 0; b < shape.sequences; ++b) {
    const auto repeated = draw_id();
    for (int64_t t = 0; t < shape.length; ++t) {
      ids.push_back(kind == InputKind::repeated ? repeated : draw_id());
    }
  }
  return ids;
}

std::vector<int64_t> InputMaker::natural(InputShape shape, Region region) {
  const auto& opening = prose_.opening;
  const auto own = shape.length - static_cast<int64_t>(opening.size());  // tokens of a passage
  if (2 * own < shape.length) {
    throw Error(
        "the chat template takes " + std::to_string(opening.size()) + " of " + std::to_string(shape.length) + " tokens",
        "inputs", "ask for longer sequences");
  }
  const auto bytes = static_cast<size_t>(shape.length) * kBytesPerToken;
  const auto starts = passage_starts(text(), bytes, region);
  Random random(derive_seed(seed_, purpose(InputKind::natural, region)));
  std::vector<int64_t> ids;
  int64_t made = 0;
  for (const auto pick : random.permutation(static_cast<int64_t>(starts.size()))) {
    if (made == shape.sequences) break;
    const auto begin = next_line(text(), starts[pick]), end = starts[pick] + bytes;
    if (begin >= end) continue;
    const auto passage = tokenizer_->encode(std::string_view(text()).substr(begin, end - begin));
    if (static_cast<int64_t>(passage.size()) < own) continue;
    ids.insert(ids.end(), opening.begin(), opening.end());
    ids.insert(ids.end(), passage.begin(), passage.begin() + own);
    ++made;
  }
  if (made < shape.sequences) {
    throw Error("the prose has only " + std::to_string(made) + " distinct passages of " + std::to_string(shape.length) +
                    " tokens, " + std::to_string(shape.sequences) + " are asked for",
                prose_.folder.string(), "ask for fewer or shorter sequences");
  }
  return ids;
}

const std::string& InputMaker::text() {
  if (!text_.empty()) return text_;
  std::vector<std::filesystem::path> files;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(prose_.folder, none)) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) text_ += read_text(file);
  if (text_.empty()) {
    throw Error("no prose for natural inputs", prose_.folder.string(), "run scripts/setup to fetch it");
  }
  return text_;
}

Tokens replaced(const TokenIds& tokens, int64_t position, const std::vector<int64_t>& ids, const std::string& label) {
  auto changed = tokens.ids.clone();
  changed.select(1, position).copy_(at::tensor(ids, at::kLong));
  return make_tokens(changed, label, tokens.kind, tokens.bos && position != 0, tokens.region);
}

}  // namespace replicate
