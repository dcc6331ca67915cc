#include "harness/study/measures/lane_comparison.h"

#include <algorithm>

namespace replicate {
namespace {

/// [b, H, R, T]
Tensor rows_of(const AttentionStatistics& statistics, const std::vector<int64_t>& queries) {
  std::vector<Tensor> rows;
  for (const auto query : queries) rows.push_back(statistics.row(query));
  return at::stack(rows, 2);
}

class ComparedRows : public Probe {
 public:
  ComparedRows(std::shared_ptr<LaneComparison> comparison, bool changed, std::vector<int64_t> queries)
      : comparison_(std::move(comparison)), changed_(changed), queries_(std::move(queries)) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override {
    return layer > layers ? ProbeNeeds{} : ProbeNeeds{.attention = {.rows = queries_}};
  }
  void observe_attention(const Place& place, const AttentionStatistics& statistics) override {
    comparison_->bring(changed_, place.layer, place.first_sequence, rows_of(statistics, queries_));
  }

 private:
  std::shared_ptr<LaneComparison> comparison_;
  bool changed_;
  std::vector<int64_t> queries_;
};

class WeightedRows : public Probe {
 public:
  WeightedRows(std::shared_ptr<LaneComparison> comparison, bool changed, std::vector<int64_t> layers,
               std::vector<int64_t> queries)
      : comparison_(std::move(comparison)),
        changed_(changed),
        layers_(std::move(layers)),
        queries_(std::move(queries)) {}

  ProbeNeeds needs(int64_t layer, int64_t) const override {
    if (!std::ranges::binary_search(layers_, layer)) return {};
    return {.sites = {Site::value}, .attention = {.rows = queries_}};
  }
  /// A block shows its values before its attention, batch by batch.
  void observe(const Place&, Site, const Tensor& value) override {
    norms_ = at::linalg_vector_norm(value, 2, {-1}, false, at::kFloat);  // [b, G, T]
  }
  void observe_attention(const Place& place, const AttentionStatistics& statistics) override {
    const auto rows = rows_of(statistics, queries_);  // [b, H, R, T]
    const auto norms = norms_.repeat_interleave(rows.size(1) / norms_.size(1), 1).unsqueeze(2);
    comparison_->bring(changed_, place.layer, place.first_sequence, at::stack({rows, rows * norms}, 1));
  }

 private:
  std::shared_ptr<LaneComparison> comparison_;
  bool changed_;
  std::vector<int64_t> layers_, queries_;
  Tensor norms_;
};

}  // namespace

/// The clone lets go of the layer's activations.
void LaneComparison::bring(bool changed, int64_t layer, int64_t first_sequence, const Tensor& value) {
  const auto other = waiting_.extract({layer, first_sequence});
  if (other.empty()) {
    waiting_[{layer, first_sequence}] = value.clone();
  } else {
    const auto& waited = other.mapped();
    results_[layer].push_back(changed ? compare_(waited, value) : compare_(value, waited));
  }
}

Tensor LaneComparison::layers() const {
  std::vector<Tensor> all;
  for (const auto& [layer, batches] : results_) all.push_back(at::cat(batches, 0).to(at::kCPU, at::kDouble));
  return at::stack(all, 1);
}

std::shared_ptr<Probe> rows_for(std::shared_ptr<LaneComparison> comparison, bool changed,
                                std::vector<int64_t> queries) {
  return std::make_shared<ComparedRows>(std::move(comparison), changed, std::move(queries));
}

std::shared_ptr<Probe> weighted_rows_for(std::shared_ptr<LaneComparison> comparison, bool changed,
                                         std::vector<int64_t> layers, std::vector<int64_t> queries) {
  return std::make_shared<WeightedRows>(std::move(comparison), changed, std::move(layers), std::move(queries));
}

}  // namespace replicate
