#include "harness/study/runner/saved_inputs.h"

#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

namespace replicate {
namespace {

nlohmann::ordered_json ids_json(const Tensor& ids) {
  auto all = nlohmann::ordered_json::array();
  for (int64_t b = 0; b < ids.size(0); ++b) {
    const auto* row = ids.const_data_ptr<int64_t>() + b * ids.size(1);
    all.push_back(std::vector<int64_t>(row, row + ids.size(1)));
  }
  return all;
}

std::string line_of(const TokenIds& tokens) {
  const nlohmann::ordered_json line = {{"label", tokens.label},   {"kind", tokens.kind},
                                       {"region", tokens.region}, {"bos", tokens.bos},
                                       {"sha256", tokens.sha256}, {"ids", ids_json(tokens.ids)}};
  return line.dump() + "\n";
}

}  // namespace

std::string inputs_jsonl(const Plan& plan) {
  std::string lines;
  std::set<std::tuple<std::string, std::string, std::string, int64_t>> seen;
  for (const auto& lane : plan) {
    const auto& tokens = *lane.tokens;
    if (!seen.emplace(tokens.label, tokens.region, tokens.sha256, tokens.length()).second) continue;
    lines += line_of(tokens);
  }
  return lines;
}

}  // namespace replicate
