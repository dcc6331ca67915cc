#pragma once

// --save-inputs: the token ids of a run beside its records, so that its numbers can be computed elsewhere.

#include <string>

#include "models/core/executor.h"

namespace replicate {

/// Beside each record; those of a survey have its file's name before this one's.
inline constexpr const char* kInputsFile = "inputs.jsonl";

/// One line per distinct input of the plan's lanes, those of the judged condition first: label, kind, region (judged,
/// survey or calibration), bos, sha256 and ids, an array of them per sequence.
std::string inputs_jsonl(const Plan& plan);

}  // namespace replicate
