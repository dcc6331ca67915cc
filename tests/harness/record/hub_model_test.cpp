#include "harness/record/settings/hub_model.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

TEST(HubName, IsAnOrganisationAndANameWithOrWithoutARevision) {
  const auto plain = HubName::of("Qwen/Qwen3-0.6B");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->organisation, "Qwen");
  EXPECT_EQ(plain->name, "Qwen3-0.6B");
  EXPECT_EQ(plain->revision, "main");
  EXPECT_EQ(plain->text(), "Qwen/Qwen3-0.6B");
  for (const std::string revision : {"v1.0", "0123456789abcdef", "refs/pr/1", "step-1000"}) {
    const auto model = HubName::of("EleutherAI/pythia-70m@" + revision);
    ASSERT_TRUE(model) << revision;
    EXPECT_EQ(model->revision, revision);
    EXPECT_EQ(model->text(), "EleutherAI/pythia-70m@" + revision);
  }
}

TEST(HubName, IsNothingElse) {
  for (const std::string text :
       {"gpt2",    "",      "/",     "a/",        "/b",     "./a/b",  "../a",          "a/b/c",
        "a/..",    "~/b",   "a b/c", "a/b c",     "a--b/c", "a/b--c", "a/b@",          "a/b@../c",
        "a/b@x y", "a@b/c", "a/-b",  ".hidden/b", "a/b\n",  "a\\b/c", "https://host/a"})
    EXPECT_FALSE(HubName::of(text)) << text;
  EXPECT_FALSE(HubName::of("a/" + std::string(200, 'b')));
}

class HubCache : public testing::Test {
 protected:
  static constexpr const char* kModel = "models--meta--Llama-3.2-1B";
  static constexpr const char* kCommit = "abc1230000000000000000000000000000000000";

  void keep(const std::string& cache, const std::string& commit, const std::string& reference = "main") {
    const auto model = cache + "/" + kModel;
    folder_.write(model + "/snapshots/" + commit + "/config.json", "{}");
    folder_.write(model + "/snapshots/" + commit + "/model.safetensors", "weights");
    folder_.write(model + "/snapshots/" + commit + "/tokenizer.json", "{}");
    if (!reference.empty()) folder_.write(model + "/refs/" + reference, commit);
  }
  fs::path find(const std::string& name) const {
    return find_in_caches(*HubName::of(name), {folder_ / "first", folder_ / "second"});
  }
  fs::path kept(const std::string& cache, const std::string& commit) const {
    return folder_ / cache / kModel / "snapshots" / commit;
  }

  TemporaryFolder folder_;
};

TEST_F(HubCache, TheFirstThatHasTheRevisionIsTaken) {
  keep("second", kCommit);
  EXPECT_EQ(find("meta/Llama-3.2-1B"), kept("second", kCommit));
  keep("first", "def4560");
  EXPECT_EQ(find("meta/Llama-3.2-1B"), kept("first", "def4560"));
  const auto broken = kept("first", "def4560");
  for (const char* missing : {"model.safetensors", "tokenizer.json", "config.json"}) {
    fs::rename(broken / missing, folder_ / "aside");
    EXPECT_EQ(find("meta/Llama-3.2-1B"), kept("second", kCommit)) << "a download that broke off, without " << missing;
    fs::rename(folder_ / "aside", broken / missing);
  }
  fs::remove(broken / "model.safetensors");
  const auto index = [&](const std::string& text) {
    folder_.write(std::string("first/") + kModel + "/snapshots/def4560/model.safetensors.index.json", text);
  };
  for (const std::string text :
       {R"({"weight_map": {"a": "model-1.safetensors"}})", "not JSON", R"({"weight_map": {"a": "../x"}})"}) {
    index(text);
    EXPECT_EQ(find("meta/Llama-3.2-1B"), kept("second", kCommit)) << "an index without its parts";
  }
  index(R"({"weight_map": {"a": "config.json"}})");
  EXPECT_EQ(find("meta/Llama-3.2-1B"), broken);
  folder_.write(std::string("first/") + kModel + "/refs/main", "def4560\n");
  EXPECT_EQ(find("meta/Llama-3.2-1B"), broken);
  keep("first", "def4560");
  EXPECT_EQ(find(std::string("meta/Llama-3.2-1B@") + kCommit), kept("second", kCommit));
}

TEST_F(HubCache, ARevisionIsABranchATagACommitOrItsFirstDigits) {
  keep("first", kCommit, "");
  keep("first", kCommit, "v1");
  keep("first", kCommit, "pr/1");
  for (const std::string revision : {"v1", "pr/1", kCommit, "abc1230", "abc12300000"})
    EXPECT_EQ(find("meta/Llama-3.2-1B@" + revision), kept("first", kCommit)) << revision;
  for (const std::string revision : {"main", "v2", "abc", "abc1239", "bc12300", "ABC1230"})
    expect_error([&] { find("meta/Llama-3.2-1B@" + revision); },
                 "scripts/setup --model meta/Llama-3.2-1B" + (revision == "main" ? "" : "@" + revision));
  keep("first", "abc1230fff", "");
  expect_error([&] { find("meta/Llama-3.2-1B@abc1230"); }, "has not been fetched");
}

TEST_F(HubCache, AReferenceThatLeadsOutOfTheCacheIsNotFollowed) {
  keep("first", kCommit);
  for (const std::string commit : {"../../other", "", "/etc", "abc123\n../x"}) {
    folder_.write(std::string("first/") + kModel + "/refs/main", commit);
    expect_error([&] { find("meta/Llama-3.2-1B"); }, "has not been fetched");
  }
}

TEST_F(HubCache, TheClientsVariablesNameThem) {
  const std::string home = std::getenv("HOME") ? std::getenv("HOME") : "";
  const std::string user = home + "/.cache/huggingface/hub", assets = "/assets/hub";
  struct Case {
    const char *hub_cache, *home, *xdg;
    std::vector<fs::path> expected;
  };
  for (const auto& [hub_cache, hf_home, xdg, expected] :
       {Case{"/h", "/f", "/x", {"/h", "/f/hub", "/x/huggingface/hub", assets}},
        Case{"", "/f", "", {"/f/hub", user, assets}}, Case{"~/h", "", "", {home + "/h", user, assets}},
        Case{"", "", "", {user, assets}}}) {
    setenv("HF_HUB_CACHE", hub_cache, 1);
    setenv("HF_HOME", hf_home, 1);
    setenv("XDG_CACHE_HOME", xdg, 1);
    EXPECT_EQ(hub_caches("/assets"), expected);
  }
  for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) unsetenv(name);
}

}  // namespace
}  // namespace replicate
