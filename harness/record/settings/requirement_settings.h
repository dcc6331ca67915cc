#pragma once

// How a claim is judged: configs/judging.yaml, and what its own YAML requires.

#include <filesystem>

#include "base/yaml.h"
#include "harness/record/requirement.h"
#include "harness/record/stages.h"

namespace replicate {

/// configs/judging.yaml.
struct JudgingRules {
  std::map<std::string, double> levels;  ///< by family
  SurveyRules survey;
  std::vector<std::vector<std::string>> one_fact;  ///< claims that count once in a summary

  /// The fact that the claim looks at together with others, named after the first of them; empty: its own.
  std::string fact_of(const std::string& claim) const;
};

/// Error when the file is missing or is not as it should be.
JudgingRules read_judging_rules(const std::filesystem::path& configs);

/// These keys of a claim's YAML; nothing without a family, since such a claim judges nothing:
///
///   version: 2                 # of the definition
///   family: pretrained
///   stages: each and all       # measured and judged once per stage, and once for all together; without: once
///   units: 16                  # of sampling, as registered: what a requirement has if it says nothing else
///   requires:
///     - {metric: removal_beyond_half, op: ">", threshold: 0, source: half of what the paper says}
///     - {metric: cells_met, op: ">=", threshold: 24, fails_at: 3, exact: yes, source: a convention}
///     - {metric: constancy, op: ">", threshold: 0, optional: yes, source: a null}  # left out where it is not
///     measured;
///                                                                                 # controls can be optional, too
///     - name: targets
///       at_least: 3            # without: all
///       of: [...]
///   missing_units: worst       # one without a value counts against the claim; without: it leaves it open
///   checks:                    # with what it means that one is unmet; without: that the intervention did not take
///     - {metric: induced, op: ">=", threshold: 0.2, source: a convention}
///     - {metric: seeds_with_sink, op: ">=", threshold: 8, unmet: too few seeds have a sink, source: a convention}
///   controls: [{metric: change_at_random, of: change, op: ">", fraction: 0.1, two_sided: no, source: a convention}]
///   bearing: {fail: silent}    # where a pass does not support, or a fail not contradict
///   contradicts_if: [...]      # a fail contradicts only if these requirements hold
///
/// Error when a requirement could never hold, because its units cannot show so small a p as the family's level, and
/// where one of the others is there without a family.
std::optional<Requirements> read_requirements(const Yaml& claim, const JudgingRules& rules);

}  // namespace replicate
