// Models trained with head-wise RMSNorm have next to no attention sink and no dominant dimensions (paper, figure 2: the
// baseline sinks from its layer 5 on; figure 14: mean dominance ratio 33.74 against 82.67). The sink is looked for in
// the layer that has most of it in either arm: one that moves to another layer is not gone. Nothing is chosen on other
// runs. Cost: two forward passes per run of the baseline, one per run of the arm.

#include "harness/study/mitigation.h"

namespace replicate {
namespace {

void sink_mitigation(TrainingClaim& claim) { report_mitigation(claim, kHeadRmsNorm); }

REPLICATE_CLAIM(sink_mitigation, "validation.sequences", "sink_excess", "allowed.excess", "allowed.dominance");

}  // namespace
}  // namespace replicate
