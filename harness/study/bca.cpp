#include "harness/study/bca.h"

namespace replicate {
namespace {

constexpr double kRounding = 1e-9;  // of the value: draws that are all alike may miss it by so much

/// The quantile of standard normal numbers below which a column of draws lies below the value: 0 where half of them do.
Tensor bias(const Tensor& value, const Tensor& draws) {
  const auto count = static_cast<double>(draws.size(0));
  const auto below = (draws < value).to(at::kDouble).sum(0) + 0.5 * (draws == value).to(at::kDouble).sum(0);
  return at::special_ndtri((below / count).clamp(0.5 / count, 1 - 0.5 / count));
}

Tensor acceleration(const Tensor& jackknife) {
  const auto moved = jackknife.mean(0) - jackknife;
  return at::nan_to_num(moved.pow(3).sum(0) / (6 * moved.square().sum(0).pow(1.5)), 0, 0, 0);
}

/// One quantile a column of sorted draws [R, X], linear between neighbours; share [X].
Tensor column_quantile(const Tensor& sorted, const Tensor& share) {
  const auto place = share * static_cast<double>(sorted.size(0) - 1);
  const auto below = place.floor();
  const auto at_row = [&](const Tensor& row) {
    return sorted.gather(0, row.clamp(0, sorted.size(0) - 1).to(at::kLong).unsqueeze(0)).squeeze(0);
  };
  const auto lower = at_row(below);
  return lower + (at_row(below + 1) - lower) * (place - below);
}

}  // namespace

std::pair<Tensor, Tensor> bca_bounds(const Tensor& value, const Tensor& draws, const Tensor& jackknife) {
  const auto z0 = bias(value, draws), a = acceleration(jackknife);
  const auto sorted = std::get<0>(draws.sort(0));
  const auto undefined = draws.isnan().any(0).logical_or(value.isnan());
  const auto bound = [&](double share) {
    const auto z = z0 + at::special_ndtri(at::tensor(share, at::kDouble));
    const auto corrected = at::special_ndtr(z0 + z / (1 - a * z));
    return column_quantile(sorted, corrected).masked_fill(undefined, std::nan(""));
  };
  const auto low = bound(0.025), high = bound(0.975), slack = value.abs() * kRounding;
  const auto missed = (value < low - slack).logical_or(value > high + slack);
  return {low.masked_fill(missed, std::nan("")), high.masked_fill(missed, std::nan(""))};
}

}  // namespace replicate
