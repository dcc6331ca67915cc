#include "harness/cli/doctor.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/provenance.h"
#include "base/run_folder.h"
#include "base/sha256.h"
#include "tests/support/temporary_folder.h"

namespace replicate::cli {
namespace {

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() {
    folder_.write("configs/claims/a.yaml",
                  "{id: a, title: A, kind: mechanism, statement: s, paper: {figures: [], expected: e}}");
    folder_.write("configs/profiles/cpu.yaml", "{name: cpu, model: tiny}");
    write_model("tiny", "content");
    write_model("other", "content of the other");
    folder_.write("assets/models/tiny", "content");
    folder_.write("assets/prose/text.txt", "prose");
  }

  void write_model(const std::string& name, const std::string& content) const {
    folder_.write("configs/models/" + name + ".yaml",
                  "{name: " + name + ", file: models/" + name + ", sha256: " + sha256_hex(content) + "}");
  }

  /// The line about `what`.
  std::string line(const std::string& what) {
    const std::string report = doctor_report(folder_ / "configs", folder_ / "assets", libtorch_, ok_);
    const size_t at = report.find("  " + what);
    if (at == std::string::npos) return {};
    const size_t start = report.rfind('\n', at) + 1;
    return report.substr(start, report.find('\n', at) - start);
  }

  TemporaryFolder folder_;
  LibTorchFacts libtorch_{"2.13.0", false, {}};
  bool ok_ = false;
};

TEST_F(DoctorTest, ChecksTheModelOfTheDefaultProfile) {
  EXPECT_EQ(line("model tiny").rfind("ok", 0), 0u) << line("model tiny");
  folder_.write("assets/models/tiny", "changed");
  EXPECT_EQ(line("model tiny").rfind("missing", 0), 0u);
  EXPECT_FALSE(ok_);
  std::filesystem::remove(folder_ / "assets/models/tiny");
  EXPECT_NE(line("model tiny").find("no file"), std::string::npos);
  EXPECT_FALSE(ok_);
}

TEST_F(DoctorTest, ASplitModelNeedsAllItsFiles) {
  const std::string file = "m-00001-of-00002.gguf";
  folder_.write("configs/models/tiny.yaml", "{name: tiny, file: models/" + file + ", sha256: " +
                                                sha256_hex(sha256_hex("one") + "\n" + sha256_hex("two") + "\n") + "}");
  folder_.write("assets/models/" + file, "one");
  EXPECT_NE(line("model tiny").find("m-00002-of-00002.gguf"), std::string::npos);
  folder_.write("assets/models/m-00002-of-00002.gguf", "two");
  EXPECT_EQ(line("model tiny").rfind("ok", 0), 0u) << line("model tiny");
}

TEST_F(DoctorTest, OtherModelsAreOptional) {
  EXPECT_EQ(line("model other").rfind("optional", 0), 0u) << line("model other");
}

TEST_F(DoctorTest, MissingProseAndBrokenSettingsAreFound) {
  EXPECT_EQ(line("prose").rfind("ok", 0), 0u);
  std::filesystem::remove_all(folder_ / "assets/prose");
  EXPECT_EQ(line("prose").rfind("missing", 0), 0u);
  folder_.write("configs/profiles/cpu.yaml", "{name: cpu, modle: tiny}");
  EXPECT_EQ(line("settings").rfind("missing", 0), 0u);
  EXPECT_FALSE(ok_);
}

TEST_F(DoctorTest, SaysWhichGpusThereAreOrWhatTheyLack) {
  EXPECT_EQ(line("GPU").rfind("optional", 0), 0u) << line("GPU");
  libtorch_.cuda = true;
  EXPECT_EQ(line("GPU").rfind("optional", 0), 0u) << line("GPU");
  libtorch_.gpus = {"NVIDIA H100 80GB HBM3, sm_90, 79 GiB"};
  EXPECT_EQ(line("GPU").rfind("ok", 0), 0u) << line("GPU");
  EXPECT_NE(line("GPU").find("sm_90, 79 GiB"), std::string::npos) << line("GPU");
}

TEST_F(DoctorTest, SaysWhetherNvrtcCompiles) {
  EXPECT_EQ(line("NVRTC"), "") << "a build without CUDA needs none";
  libtorch_.cuda = true;
  EXPECT_EQ(line("NVRTC"), "ok        NVRTC         compiles");
  libtorch_.nvrtc_failure = "failed to open libnvrtc-builtins.so.13.0";
  EXPECT_EQ(line("NVRTC").rfind("optional", 0), 0u) << line("NVRTC");
  libtorch_.gpus = {"NVIDIA H100 80GB HBM3, sm_90, 79 GiB"};
  EXPECT_EQ(line("NVRTC").rfind("missing", 0), 0u) << line("NVRTC");
  EXPECT_NE(line("NVRTC").find("(failed to open libnvrtc-builtins.so.13.0): run"), std::string::npos) << line("NVRTC");
  EXPECT_FALSE(ok_);
}

TEST(Provenance, SaysSomethingAboutEverything) {
  EXPECT_FALSE(version().empty());
  EXPECT_FALSE(commit().empty());
  EXPECT_FALSE(cpu_name().empty());
  EXPECT_NE(compiler().find(' '), std::string::npos);
  EXPECT_GT(peak_memory_mb(), 1);
  EXPECT_EQ(utc_time().size(), std::string("20261122T151200Z").size());
}

TEST(Log, WritesToTheFile) {
  const TemporaryFolder folder;
  log_to(folder / "log.txt");
  log_info("a line with {braces} and 100%");
  EXPECT_NE(read_text(folder / "log.txt").find(" info a line with {braces} and 100%\n"), std::string::npos);
  EXPECT_THROW(log_to(folder / "log.txt/below"), Error);
}

}  // namespace
}  // namespace replicate::cli
