#pragma once

// The numbers of a run as tables for pandas, R or a spreadsheet: one row per number, with the claim that measured it.

#include <string>
#include <vector>

#include "harness/record/record.h"

namespace replicate::report {

/// All metrics: claim,metric,inputs,where,value,low,high,n; `where` reads "layer=3;neuron=0", low and high are the 95%
/// interval and empty where there is none.
std::string metrics_csv(const std::vector<Record>& records);

/// All curves, point by point: claim,curve,inputs,axis,x,value,low,high; value is empty where the quantity does not
/// exist.
std::string curves_csv(const std::vector<Record>& records);

/// What was measured for single heads: claim,metric,inputs,layer,head,value,low,high; layers and heads count from 1.
std::string heads_csv(const std::vector<Record>& records);

}  // namespace replicate::report
