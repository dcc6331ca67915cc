#pragma once

// What a chat model's template, a Jinja program, puts around a text. Its formats are recognised; it is never run.

#include <filesystem>
#include <optional>
#include <string>

namespace replicate {

/// What stands before the first thing that a user says: the default system prompt, where the template has one, and the
/// header of the user's turn, with special tokens spelled out and without BOS. Known are ChatML (Qwen, SmolLM and
/// others) and Gemma's turns; nothing for any other, nor for more than 64 KiB.
std::optional<std::string> chat_opening(const std::string& chat_template);

/// The template of a Hugging Face folder: its chat_template.jinja, or the `chat_template` of its tokenizer_config.json,
/// of several the one named default. Nothing where it has none. Error where the file is no JSON.
std::optional<std::string> chat_template_of(const std::filesystem::path& folder);

}  // namespace replicate
