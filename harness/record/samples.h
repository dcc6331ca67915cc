#pragma once

// samples.csv: the per-sequence (or per-seed) values behind every interval, one value a line, so
// that a run can be judged again, paired and compared later.

#include <string>
#include <vector>

#include "harness/record/record.h"

namespace replicate {

/// A place in a table: "layer=3;neuron=0".
std::string where_text(const std::map<std::string, int64_t>& where);

/// Columns metric,inputs,where,unit,value; `where` reads "layer=3;neuron=0", `unit` counts from 0.
std::string samples_to_csv(const std::vector<Samples>& samples);

/// The reverse. Error names `where` and the line.
std::vector<Samples> samples_from_csv(const std::string& text, const std::string& where);

}  // namespace replicate
