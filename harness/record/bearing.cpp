#include "harness/record/bearing.h"

#include <algorithm>

namespace replicate {
namespace {

/// The claims that look at one fact.
using EvidencePiece = std::vector<ClaimEvidence>;

std::vector<EvidencePiece> pieces_of(const std::vector<ClaimEvidence>& claims) {
  std::map<std::string, EvidencePiece> pieces;  // by fact
  for (const auto& claim : claims) pieces[claim.fact.empty() ? claim.claim : claim.fact].push_back(claim);
  std::vector<EvidencePiece> all;
  for (auto& [fact, piece] : pieces) all.push_back(std::move(piece));
  return all;
}

bool has(const EvidencePiece& piece, Bearing bearing) {
  return std::any_of(piece.begin(), piece.end(), [&](const auto& claim) { return claim.bearing == bearing; });
}

Bearing bearing_of(const EvidencePiece& piece) {
  if (has(piece, Bearing::contradicts)) return Bearing::contradicts;
  return has(piece, Bearing::supports) ? Bearing::supports : Bearing::silent;
}

void count_silent(const EvidencePiece& piece, EvidenceCount& count) {
  ++count.silent;
  const auto all = [&](auto condition) { return std::all_of(piece.begin(), piece.end(), condition); };
  const auto any = [&](auto condition) { return std::any_of(piece.begin(), piece.end(), condition); };
  if (all([](const auto& claim) { return claim.standing == Standing::arithmetic; })) {
    ++count.by_arithmetic;
  } else if (any([](const auto& claim) { return claim.verdict == Verdict::inconclusive; })) {
    ++count.inconclusive;
  }
}

}  // namespace

Bearing bearing_of(const Ruling& ruling, const std::map<Verdict, Bearing>& otherwise) {
  if (ruling.by_arithmetic || ruling.by_a_control_alone) return Bearing::silent;
  if (ruling.verdict == Verdict::fail && !ruling.may_contradict) return Bearing::silent;
  if (const auto found = otherwise.find(ruling.verdict); found != otherwise.end()) return found->second;
  if (ruling.verdict == Verdict::pass) return Bearing::supports;
  return ruling.verdict == Verdict::fail ? Bearing::contradicts : Bearing::silent;
}

EvidenceCount count_evidence(const std::vector<ClaimEvidence>& claims) {
  EvidenceCount count;
  for (const auto& piece : pieces_of(claims)) {
    const auto bearing = bearing_of(piece);
    if (bearing == Bearing::silent) {
      count_silent(piece, count);
      continue;
    }
    ++(bearing == Bearing::supports ? count.supports : count.contradicts);
    // Of the claims that decide how the piece counts, not of one that is silent beside them.
    count.confirmatory += std::any_of(piece.begin(), piece.end(), [&](const auto& claim) {
      return claim.bearing == bearing && claim.standing == Standing::confirmatory;
    });
  }
  return count;
}

std::string evidence_line(const EvidenceCount& count) {
  std::string silent;
  const auto part = [&](int64_t n, const char* what) {
    if (n > 0) silent += (silent.empty() ? "" : ", ") + std::to_string(n) + " " + what;
  };
  part(count.inconclusive, "inconclusive");
  part(count.by_arithmetic, "by arithmetic");
  return "supports " + std::to_string(count.supports) + ", contradicts " + std::to_string(count.contradicts) +
         ", silent " + std::to_string(count.silent) + (silent.empty() ? "" : " (" + silent + ")") + "; confirmatory " +
         std::to_string(count.confirmatory);
}

}  // namespace replicate
