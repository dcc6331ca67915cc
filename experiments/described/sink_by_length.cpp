// How the sink depends on the length of the text: the same passages, cut shorter. Every length comes out of one pass,
// because causal attention of the first t queries is the same whatever follows.

#include "harness/study/claim.h"
#include "harness/study/measures/sink_probes.h"

namespace replicate {
namespace {

/// Those of the wanted lengths that the sequences have.
std::vector<int64_t> lengths_up_to(int64_t longest, const std::vector<int64_t>& wanted) {
  std::vector<int64_t> lengths;
  std::ranges::copy_if(wanted, std::back_inserter(lengths), [&](int64_t length) { return length <= longest; });
  return lengths;
}

void sink_by_length(Claim& claim) {
  const auto on = claim.primary();
  const auto lengths = lengths_up_to(on.length(), claim.parameters.integers("lengths"));
  if (lengths.empty()) return;
  const auto column = claim.run(on).add(watch_columns({0}));  // [B, L, 1, T]
  claim.report([=](Measure& measure) {
    std::vector<Tensor> largest;
    for (const auto length : lengths) {
      const auto excess = excess_attention(column->layers().select(2, 0), 0, length);
      measure.by_layer("excess_attention_t" + std::to_string(length), on, excess, on.layers());
      largest.push_back(std::get<0>(excess.max(1)));
    }
    measure.series("max_excess_attention_by_length", on, "length", {lengths.begin(), lengths.end()},
                   at::stack(largest, 1));
  });
}

REPLICATE_DESCRIPTION(sink_onset, sink_by_length, "lengths");

}  // namespace
}  // namespace replicate
