#pragma once

// A claim's definition as one hash: all that decides a verdict, as the claim's own YAML and configs/judging.yaml give
// it, before a profile, a model or --set changes sizes. Titles, statements, panels and notes are no part of it.

#include <filesystem>
#include <string>

#include "harness/record/settings/draft.h"

namespace replicate {

/// What the hash is taken of: how the claim is judged, with its registered units; its own parameters, variations and
/// arms; the sizes of the survey, and what the survey looks for.
std::string definition_text(const ClaimDraft& claim, const SurveyRules& rules);

/// 64 hexadecimal digits.
std::string definition_sha256(const ClaimDraft& claim, const SurveyRules& rules);

/// "<claim>: {version: 2, definition: <sha256>}", one line per claim, by id. Error where a file is wrong.
std::string definitions_yaml(const std::filesystem::path& configs);

}  // namespace replicate
