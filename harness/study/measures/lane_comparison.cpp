#include "harness/study/measures/lane_comparison.h"

namespace replicate {
namespace {

class ComparedRows : public Probe {
 public:
  ComparedRows(std::shared_ptr<LaneComparison> comparison, bool changed, std::vector<int64_t> queries)
      : comparison_(std::move(comparison)), changed_(changed), queries_(std::move(queries)) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override {
    return layer > layers ? ProbeNeeds{} : ProbeNeeds{.attention = {.rows = queries_}};
  }
  void observe_attention(const Place& place, const AttentionStatistics& statistics) override {
    std::vector<Tensor> rows;
    for (const auto query : queries_) rows.push_back(statistics.row(query));
    comparison_->bring(changed_, place.layer, place.first_sequence, at::stack(rows, 2));
  }

 private:
  std::shared_ptr<LaneComparison> comparison_;
  bool changed_;
  std::vector<int64_t> queries_;
};

class Residual : public Probe {
 public:
  Residual(std::shared_ptr<LaneComparison> comparison, bool changed, int64_t count)
      : comparison_(std::move(comparison)), changed_(changed), count_(count) {}

  ProbeNeeds needs(int64_t layer, int64_t layers) const override {
    if (layer > layers) return {};
    if (layer == layers) return {.sites = {Site::block_input, Site::block_output}};
    return {.sites = {Site::block_input}};
  }
  void observe(const Place& place, Site site, const Tensor& value) override {
    comparison_->bring(changed_, place.layer + (site == Site::block_output ? 1 : 0), place.first_sequence,
                       value.slice(1, 0, count_));
  }

 private:
  std::shared_ptr<LaneComparison> comparison_;
  bool changed_;
  int64_t count_;
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

std::shared_ptr<Probe> residual_for(std::shared_ptr<LaneComparison> comparison, bool changed, int64_t count) {
  return std::make_shared<Residual>(std::move(comparison), changed, count);
}

}  // namespace replicate
