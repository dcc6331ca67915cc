#pragma once

// What the survey looks for, as the project's own configs/judging.yaml says.

#include "harness/record/settings/requirement_settings.h"

namespace replicate {

inline SurveyRules survey_rules() {
  return read_judging_rules(std::filesystem::path(REPLICATE_SOURCE_DIR) / "configs").survey;
}

}  // namespace replicate
