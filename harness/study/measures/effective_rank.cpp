#include "harness/study/measures/effective_rank.h"

#include "base/error.h"
#include "models/core/each_by_one_thread.h"
#include "models/core/entropy.h"

namespace replicate {
namespace {

constexpr int64_t kColumns = 64;
constexpr double kMassiveRow = 5;  // in median norms

/// [b, n, D] -> [D, D] float64.
Tensor gram_matrix(const Tensor& hidden) {
  const auto x = hidden.flatten(0, 1).to(at::kDouble);
  if (!x.is_cpu()) return at::matmul(x.t(), x);
  const auto width = x.size(1);
  const auto gram = at::empty({width, width}, x.options());
  each_by_one_thread((width + kColumns - 1) / kColumns, x.device(), [&](int64_t block) {
    const auto first = block * kColumns, count = std::min(kColumns, width - first);
    auto rows = gram.narrow(0, first, count);
    at::mm_out(rows, x.narrow(1, first, count).t(), x);
  });
  return gram;
}

Tensor rank_of_gram(const Tensor& gram) { return effective_rank(at::linalg_eigvalsh(gram).clamp_min(0)); }

/// Of rows [n, D].
double rank_of_rows(const Tensor& rows) { return effective_rank(spectrum(rows)).item<double>(); }

/// [n, D] -> the rows that are not massive.
Tensor without_massive(const Tensor& rows) {
  const auto norms = at::linalg_vector_norm(rows, 2, {-1}, false, at::kDouble);  // [n]
  return rows.index_select(0, ordinary_rows(norms, kMassiveRow));
}

}  // namespace

Tensor spectrum(const Tensor& hidden) {
  const auto x = hidden.to(at::kDouble);
  const bool wide = x.size(-2) < x.size(-1);
  const auto gram = wide ? at::matmul(x, x.mT()) : at::matmul(x.mT(), x);
  return at::linalg_eigvalsh(gram).clamp_min(0);
}

Tensor effective_count(const Tensor& p) { return entropy_terms(p / p.sum(-1, true)).sum(-1).exp(); }

Tensor effective_rank(const Tensor& squared) { return effective_count(squared.sqrt()); }

Tensor ordinary_rows(const Tensor& norms, double times) {
  return (norms <= times * at::quantile(norms, 0.5)).nonzero().flatten();
}

ProbeNeeds StackedRank::needs(int64_t layer, int64_t layers) const {
  if (layer > layers) return {};
  ProbeNeeds needs;
  needs.sites = {Site::block_input};
  if (layer == layers) needs.sites.push_back(Site::block_output);
  return needs;
}

void StackedRank::Gram::add(const Tensor& hidden) {
  const auto of_first = gram_matrix(hidden.slice(1, 0, 1)), of_rest = gram_matrix(hidden.slice(1, 1));
  first = first.defined() ? first + of_first : of_first;
  rest = rest.defined() ? rest + of_rest : of_rest;
}

void StackedRank::observe(const Place&, Site site, const Tensor& hidden) {
  (site == Site::block_input ? input_ : output_).add(hidden);
}

void StackedRank::finish_layer(int64_t) {
  for (Gram* gram : {&input_, &output_}) {
    if (gram->first.defined()) take_ranks(*gram);
  }
}

void StackedRank::take_ranks(Gram& gram) {
  const Tensor grams[] = {gram.first + gram.rest, gram.rest};
  Tensor ranks[2];
  each_by_one_thread(2, gram.rest.device(), [&](int64_t i) { ranks[i] = rank_of_gram(grams[i]); });
  ranks_.push_back(ranks[0]);
  others_.push_back(ranks[1]);
  gram = {};
}

ProbeNeeds RankOfTokens::needs(int64_t layer, int64_t layers) const {
  ProbeNeeds needs;
  if (layer <= layers) needs.sites = {Site::block_input};
  return needs;
}

void RankOfTokens::observe(const Place&, Site, const Tensor& hidden) { rows_.push_back(hidden.flatten(0, 1).clone()); }

void RankOfTokens::finish_layer(int64_t) {
  const auto rows = at::cat(std::exchange(rows_, {}), 0).slice(0, 0, tokens_).cpu();
  ranks_.push_back(rank_of_rows(rows));
  without_massive_.push_back(rank_of_rows(without_massive(rows)));
}

void require_stackable(int64_t tokens, int64_t width, const std::string& claim) {
  if (tokens >= 2 * width) return;
  throw Error("the stacked effective rank of vectors of " + std::to_string(width) + " needs " +
                  std::to_string(2 * width) + " tokens, not " + std::to_string(tokens),
              claim, "give the claim more validation sequences");
}

}  // namespace replicate
