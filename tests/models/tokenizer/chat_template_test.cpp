#include "models/tokenizer/chat_template.h"

#include <gtest/gtest.h>

#include "base/json_section.h"
#include "base/text_file.h"
#include "models/formats/gguf.h"
#include "models/tokenizer/tokenizer.h"
#include "tests/support/assets.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

/// By `transformers`: tests/reference/make_chat_openings.py.
nlohmann::json known_openings() {
  const auto file = source_folder() / "tests/golden/chat_openings.json";
  return parse_json(read_text(file), file.string());
}

TEST(ChatTemplate, OpensAConversationAsTransformersDoes) {
  for (const auto& one : known_openings()) {
    const auto opening = chat_opening(one["template"].get<std::string>());
    EXPECT_EQ(opening, one["opening"].is_null() ? std::nullopt : std::optional(one["opening"].get<std::string>()))
        << one["model"];
  }
}

TEST(ChatTemplate, AnOpeningHasTheIdsOfTransformers) {
  if (!std::filesystem::exists(model_file())) GTEST_SKIP() << "run scripts/setup";
  const auto file = GgufFile::open(model_file());
  const auto tokenizer = Tokenizer::from_gguf(file);
  const auto known = known_openings()[0];
  EXPECT_EQ(file.text("tokenizer.chat_template"), known["template"].get<std::string>());
  const auto opening = known["opening"].get<std::string>();
  const auto ids = tokenizer.encode_with_special(opening);
  EXPECT_EQ(ids, known["ids"].get<std::vector<int64_t>>());
  EXPECT_NE(tokenizer.encode(opening), ids);  // where what spells a special token is split like any other text
  EXPECT_EQ(tokenizer.encode_with_special("no special token"), tokenizer.encode("no special token"));
}

/// Words that come from a message, or belong to a case that the plain conversation does not reach, are no default.
TEST(ChatTemplate, ASystemTurnCountsOnlyWithTheTemplatesOwnWords) {
  const std::string user = "<|im_start|>user\n";
  const std::pair<const char*, std::string> cases[] = {
      {R"({{ '<|im_start|>' + role }})", user},
      {R"({{ '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }})", user},
      {R"({{ '<|im_start|>system\nBe brief.<|im_end|>\n' }})", "<|im_start|>system\nBe brief.<|im_end|>\n" + user},
      {"{{ '<|im_start|>system\nBe brief.<|im_end|>\n' }}", "<|im_start|>system\nBe brief.<|im_end|>\n" + user},
      {R"({{ '<|im_start|>system\nnever closed' }})", user},
  };
  for (const auto& [program, opening] : cases) EXPECT_EQ(chat_opening(program), opening) << program;
  EXPECT_EQ(chat_opening("<|im_start|>" + std::string(1 << 16, ' ')), std::nullopt);
}

TEST(ChatTemplate, AFolderHasItInOneOfThreePlaces) {
  const std::pair<const char*, std::optional<std::string>> cases[] = {
      {R"({"chat_template": "plain"})", "plain"},
      {R"({"chat_template": [{"name": "tools", "template": "no"}, {"name": "default", "template": "named"}]})",
       "named"},
      {R"({"chat_template": [{"name": "tools", "template": "no"}, 3]})", std::nullopt},
      {R"({"chat_template": 3})", std::nullopt},
      {R"({})", std::nullopt},
      {R"([])", std::nullopt},
  };
  for (const auto& [config, found] : cases) {
    const TemporaryFolder folder;
    EXPECT_EQ(chat_template_of(folder.path()), std::nullopt);
    folder.write("tokenizer_config.json", config);
    EXPECT_EQ(chat_template_of(folder.path()), found) << config;
    folder.write("chat_template.jinja", "its own file");
    EXPECT_EQ(chat_template_of(folder.path()), "its own file");
  }
  const TemporaryFolder folder;
  folder.write("tokenizer_config.json", "{");
  expect_error([&] { chat_template_of(folder.path()); }, "tokenizer_config.json");
}

}  // namespace
}  // namespace replicate
