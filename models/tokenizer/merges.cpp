#include "models/tokenizer/merges.h"

#include <queue>
#include <tuple>

namespace replicate {
namespace {

constexpr int64_t kNone = -1;

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

/// A piece of the word. Pieces are linked, so that a merge moves nothing.
struct Piece {
  int32_t id;
  int64_t left;
  int64_t right;
  bool merged = false;  ///< into a piece further left
};

/// A merge of a piece with its right neighbour, as it was when queued.
struct Candidate {
  int32_t rank;
  int64_t piece;

  /// For std::priority_queue, whose top is the greatest: the lowest rank, then the leftmost piece.
  bool operator<(const Candidate& other) const { return std::tie(rank, piece) > std::tie(other.rank, other.piece); }
};

}  // namespace

/// One application of a table.
class MergeRun {
 public:
  MergeRun(const MergeTable& table, const std::vector<int32_t>& ids) : table_(table) {
    const auto count = static_cast<int64_t>(ids.size());
    pieces_.reserve(ids.size());
    for (int64_t i = 0; i < count; ++i) {
      pieces_.push_back({ids[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : kNone});
    }
    for (int64_t i = 0; i < count; ++i) queue_merge(i);
  }

  void merge_all() {
    while (!queue_.empty()) {
      const Candidate candidate = queue_.top();
      queue_.pop();
      const MergeTable::Merge* merge = possible(candidate.piece);
      // Queued before one of the two changed; what they became was queued then.
      if (!merge || merge->rank != candidate.rank) continue;
      merge_with_right(candidate.piece, merge->result);
    }
  }

  void write(std::vector<int32_t>& ids) const {
    ids.clear();
    for (const Piece& piece : pieces_) {
      if (!piece.merged) ids.push_back(piece.id);
    }
  }

 private:
  Piece& at(int64_t piece) { return pieces_[static_cast<size_t>(piece)]; }

  const MergeTable::Merge* possible(int64_t piece) {
    if (piece == kNone || at(piece).merged || at(piece).right == kNone) return nullptr;
    return table_.find(at(piece).id, at(at(piece).right).id);
  }

  void queue_merge(int64_t piece) {
    if (const MergeTable::Merge* merge = possible(piece)) queue_.push({merge->rank, piece});
  }

  void merge_with_right(int64_t piece, int32_t result) {
    Piece& gone = at(at(piece).right);
    gone.merged = true;
    at(piece).id = result;
    at(piece).right = gone.right;
    if (gone.right != kNone) at(gone.right).left = piece;
    queue_merge(at(piece).left);
    queue_merge(piece);
  }

  const MergeTable& table_;
  std::vector<Piece> pieces_;
  std::priority_queue<Candidate> queue_;
};

void MergeTable::add(int32_t left, int32_t right, int32_t result) {
  merges_.insert_or_assign(pair_key(left, right), Merge{next_rank_++, result});
}

const MergeTable::Merge* MergeTable::find(int32_t left, int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void MergeTable::apply(std::vector<int32_t>& ids) const {
  MergeRun run(*this, ids);
  run.merge_all();
  run.write(ids);
}

}  // namespace replicate
