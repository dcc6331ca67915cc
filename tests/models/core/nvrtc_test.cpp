#include "models/core/nvrtc.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "tests/support/assets.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

/// Tests on a GPU need it as the program does.
class Builtins : public testing::Environment {
  void SetUp() override { load_nvrtc_builtins(); }
};
[[maybe_unused]] const auto* const builtins = testing::AddGlobalTestEnvironment(new Builtins);

TEST(Nvrtc, TheBuiltinsAreFoundWhereverPackagesPutThem) {
  const std::string name = "libnvrtc-builtins.so.13.0";
  struct Case {
    std::vector<std::string> there;  // files
    std::string nvrtc, found;        // found: "" where the loader has to look itself
  };
  const Case cases[] = {
      {{"nvidia/cu13/lib/" + name}, "nvidia/cu13/lib/libnvrtc.so.13", "nvidia/cu13/lib/" + name},
      {{"nvidia/cu13/lib/" + name}, "usr/lib/libnvrtc.so.13", "nvidia/cu13/lib/" + name},
      {{"nvidia/cuda_nvrtc/lib/" + name}, "usr/lib/libnvrtc.so.13", "nvidia/cuda_nvrtc/lib/" + name},
      {{"torch/lib/" + name}, "usr/lib/libnvrtc.so.13", "torch/lib/" + name},
      {{"usr/lib/" + name, "nvidia/cu13/lib/" + name}, "usr/lib/libnvrtc.so.13", "usr/lib/" + name},
      {{"opt/" + name}, "links/libnvrtc.so.13", "opt/" + name},
      {{"usr/lib/libnvrtc-builtins.so.12.8", "usr/lib/libnvrtc-builtins.so.13.1"}, "usr/lib/libnvrtc.so.13", ""},
      {{"torch/lib/libnvrtc-builtins.so.12.8", "opt/" + name}, "opt/libnvrtc.so.13", "opt/" + name},
      {{"nvidia/cu12/lib/" + name}, "usr/lib/libnvrtc.so.13", ""},
      {{}, "", ""},
  };
  for (const auto& one : cases) {
    const TemporaryFolder folder;
    for (const auto& file : {"torch/lib/libc10.so", "opt/libnvrtc.so.13"}) folder.write(file, "");
    for (const auto& file : one.there) folder.write(file, "");
    fs::create_directories(folder / "links");
    fs::create_symlink("../opt/libnvrtc.so.13", folder / "links/libnvrtc.so.13");
    const auto nvrtc = one.nvrtc.empty() ? fs::path() : folder / one.nvrtc;
    const auto found = library_in(nvrtc_folders(nvrtc, folder / "torch/lib", 13), name);
    if (one.found.empty()) {
      EXPECT_EQ(found, name);
    } else {
      EXPECT_TRUE(fs::exists(found)) << found;
      EXPECT_EQ(fs::weakly_canonical(found), fs::weakly_canonical(folder / one.found));
    }
  }
}

/// LibTorch with CUDA has loaded it; for any other LibTorch this test loads the one that set-up fetched.
bool nvrtc_is_loaded() {
  if (dlsym(RTLD_DEFAULT, "nvrtcVersion")) return true;
  const auto fetched = assets_folder() / "cuda/nvidia/cu13/lib/libnvrtc.so.13";
  return dlopen(fetched.c_str(), RTLD_LAZY | RTLD_GLOBAL) || dlopen("libnvrtc.so.13", RTLD_LAZY | RTLD_GLOBAL);
}

TEST(Nvrtc, CompilesAKernelOnceTheBuiltinsAreLoaded) {
  if (!nvrtc_is_loaded()) GTEST_SKIP() << "no libnvrtc.so.13 on this machine: scripts/setup --with cuda fetches it";
  load_nvrtc_builtins();
  EXPECT_EQ(nvrtc_failure().value_or("compiled"), "compiled");
}

}  // namespace
}  // namespace replicate
