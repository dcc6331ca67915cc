#pragma once

// In how many directions hidden states lie (Roy and Vetterli 2007).

#include "models/core/probe.h"

namespace replicate {

/// Squared singular values of one matrix [n, D] by the Gram matrix of the smaller side, float64.
Tensor spectrum(const Tensor& hidden);

/// exp(entropy of p / sum p) over the last axis.
Tensor effective_count(const Tensor& p);

/// Effective rank from squared singular values.
Tensor effective_rank(const Tensor& squared);

/// Which rows are not massive, from the norms [n] of all: those of at most `times` the median. Indices [m].
Tensor ordinary_rows(const Tensor& norms, double times);

/// Effective rank of all tokens of a lane stacked into one [B T, D] matrix, at the input of every layer and where the
/// residual stream ends: the form that the paper's 343.71 compares with. It needs 2 D tokens at least to mean
/// something. Only D x D Gram matrices of the current layer are kept.
class StackedRank : public Probe {
 public:
  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& hidden) override;
  void finish_layer(int64_t layer) override;

  Tensor residual() const { return at::stack(ranks_).cpu(); }                 ///< [L + 1] float64
  Tensor residual_without_first() const { return at::stack(others_).cpu(); }  ///< without the first tokens: [L + 1]

 private:
  struct Gram {
    Tensor first, rest;  // of the tokens at position 0 and of all others: [D, D]
    void add(const Tensor& hidden);
  };
  void take_ranks(Gram& gram);

  Gram input_, output_;
  std::vector<Tensor> ranks_, others_;
};

/// Effective rank of the first n tokens of a lane stacked into one [n, D] matrix, at the input of every layer, and the
/// same without massive rows: those of more than 5 times the median norm, of which one alone lowers any rank. A rank
/// grows with n, so models are compared at one n. Only the rows of the current layer are kept.
class RankOfTokens : public Probe {
 public:
  explicit RankOfTokens(int64_t tokens) : tokens_(tokens) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override;
  void observe(const Place& place, Site site, const Tensor& hidden) override;
  void finish_layer(int64_t layer) override;

  const std::vector<double>& layers() const { return ranks_; }  ///< L values
  const std::vector<double>& layers_without_massive() const { return without_massive_; }

 private:
  int64_t tokens_;
  std::vector<Tensor> rows_;  // [b T, D] of the current layer
  std::vector<double> ranks_, without_massive_;
};

/// Error when so many tokens are too few for a stacked rank at this width.
void require_stackable(int64_t tokens, int64_t width, const std::string& claim);

}  // namespace replicate
