#pragma once

#include "base/json_section.h"
#include "models/tokenizer/text_steps.h"

namespace replicate {

/// What a tokenizer.json says of the text before its model.
struct JsonTextSteps {
  TextSteps steps;
  bool on_bytes = false;  ///< words are spelled in GPT-2's alphabet of bytes
};

/// `normalizer` and `pre_tokenizer` of the file. Error on kinds that are not known here.
JsonTextSteps text_steps_from(const JsonSection& file);

/// Where the file uses what this program does not know.
[[noreturn]] void fail_other_kind(const std::string& what, const std::string& where);

}  // namespace replicate
