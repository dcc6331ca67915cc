#pragma once

#include "harness/study/runner/claim_run.h"

namespace replicate {

/// A record with all that is known before anything is measured.
Record blank_record(Session& session, const ClaimSettings& settings);

/// Judges what the record's measurement holds: the claim, and each of its stages where there are such. `stages`: those
/// that were measured, the judged one first.
void judge_record(const ClaimSettings& settings, const std::vector<StageFinding>& stages, Record& record);

/// Whether the metrics of a variation, without its suffix, lie on the verdict's side; `suffix` and `changes` are kept.
Variation compared(Variation variation, const Measurement& measured, const ClaimSettings& settings,
                   const Record& record);

/// Calls the claim's reports, judges them and its sweep, and fills the record. What it throws the caller makes the
/// claim's error.
void measure_and_judge(const Session& session, ClaimRun& claim, Record& record);

/// The inputs of a claim's passes, each once, in the order of the plan.
std::vector<InputsRecord> inputs_of(const ClaimRun& claim);

}  // namespace replicate
