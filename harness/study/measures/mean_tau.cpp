#include "harness/study/measures/mean_tau.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "models/kernels/sign_row.h"

namespace replicate {
namespace {

/// Numbers with the order and the ties of some values, and how many of their pairs are not tied.
struct RanksOfRow {
  std::vector<double> rank;
  double untied = 0;
};

template <typename T>
RanksOfRow ranks_of(std::span<const T> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  RanksOfRow ranks{std::vector<double>(values.size()), 0};
  size_t smaller = 0;  // how many values lie below the current one
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && values[order[i]] != values[order[i - 1]]) smaller = i;
    ranks.rank[order[i]] = static_cast<double>(smaller);
    ranks.untied += static_cast<double>(smaller);
  }
  return ranks;
}

}  // namespace

MeanTau::MeanTau(std::span<const float> rows, size_t width) : width_(width), signs_(width * width, 0.0) {
  if (width < 2 || rows.empty() || rows.size() % width != 0) {
    throw Error("rows of " + std::to_string(width) + " numbers are needed", "mean tau", kDefect);
  }
  const auto count = rows.size() / width;
  std::vector<RanksOfRow> ranks;
  for (size_t i = 0; i < count; ++i) ranks.push_back(ranks_of(rows.subspan(i * width, width)));
  for (size_t j = 0; j < width; ++j) {  // outside, so that one row of S stays in the cache
    auto* signs = signs_.data() + j * width;
    for (const auto& row : ranks) {
      const double weight = 1 / (std::sqrt(row.untied) * static_cast<double>(count));
      add_signs(signs + j + 1, row.rank.data() + j + 1, row.rank[j], weight, static_cast<int64_t>(width - j - 1));
    }
  }
}

double MeanTau::operator()(std::span<const double> values) const {
  if (values.size() != width_) {
    throw Error(std::to_string(values.size()) + " values for rows of " + std::to_string(width_), "mean tau", kDefect);
  }
  if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) {
    return std::nan("");
  }
  const auto [rank, untied] = ranks_of(values);
  double sum = 0;
  for (size_t j = 0; j < width_; ++j) {
    sum += signed_sum(signs_.data() + j * width_ + j + 1, rank.data() + j + 1, rank[j],
                      static_cast<int64_t>(width_ - j - 1));
  }
  return sum / std::sqrt(untied);
}

}  // namespace replicate
