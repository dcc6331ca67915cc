#include "models/core/nvrtc.h"

#include <dlfcn.h>
#include <link.h>

#include "base/first_line.h"

namespace replicate {
namespace fs = std::filesystem;
namespace {

constexpr int kSuccess = 0;
constexpr const char* kKernel = "__global__ void logarithm(float* x) { *x = logf(*x); }";

/// The NVRTC that LibTorch calls: loaded together with LibTorch, or by LibTorch's own shim when it is first needed.
void* nvrtc() {
  if (dlsym(RTLD_DEFAULT, "nvrtcVersion")) return RTLD_DEFAULT;
  return dlopen("libcaffe2_nvrtc.so", RTLD_LAZY | RTLD_GLOBAL);
}

/// Null where this process has no NVRTC.
template <typename Function>
Function* function(const char* name) {
  return reinterpret_cast<Function*>(dlsym(nvrtc(), name));
}

struct Version {
  int major = 0, minor = 0;
};

std::optional<Version> version() {
  const auto ask = function<int(int*, int*)>("nvrtcVersion");
  Version v;
  if (!ask || ask(&v.major, &v.minor) != kSuccess) return {};
  return v;
}

fs::path file_of_nvrtc() {
  Dl_info info{};
  return dladdr(dlsym(nvrtc(), "nvrtcVersion"), &info) && info.dli_fname ? info.dli_fname : fs::path();
}

/// The folder of a library that is loaded; empty where it is not.
fs::path folder_of(const char* library) {
  void* handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
  link_map* map = nullptr;
  if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) return {};
  const fs::path folder = fs::path(map->l_name).parent_path();
  dlclose(handle);
  return folder;
}

std::string log_of(void* program) {
  size_t size = 0;
  if (function<int(void*, size_t*)>("nvrtcGetProgramLogSize")(program, &size) != kSuccess) return {};
  std::string text(size, '\0');
  function<int(void*, char*)>("nvrtcGetProgramLog")(program, text.data());
  return first_line(text.c_str());
}

}  // namespace

std::vector<fs::path> nvrtc_folders(const fs::path& nvrtc, const fs::path& libtorch_lib, int cuda) {
  std::error_code error;
  std::vector<fs::path> folders = {nvrtc.parent_path(), fs::canonical(nvrtc, error).parent_path()};
  if (libtorch_lib.empty()) return folders;
  const auto nvidia = libtorch_lib / "../../nvidia";
  folders.insert(folders.end(),
                 {nvidia / ("cu" + std::to_string(cuda)) / "lib", nvidia / "cuda_nvrtc/lib", libtorch_lib});
  return folders;
}

std::string library_in(const std::vector<fs::path>& folders, const std::string& name) {
  std::error_code error;
  for (const auto& folder : folders) {
    if (!folder.empty() && fs::exists(folder / name, error)) return (folder / name).string();
  }
  return name;
}

void load_nvrtc_builtins() {
  const auto v = version();
  if (!v) return;
  const auto name = "libnvrtc-builtins.so." + std::to_string(v->major) + "." + std::to_string(v->minor);
  const auto folders = nvrtc_folders(file_of_nvrtc(), folder_of("libc10.so"), v->major);
  dlopen(library_in(folders, name).c_str(), RTLD_LAZY | RTLD_GLOBAL);
}

std::optional<std::string> nvrtc_failure() {
  if (!version()) return "NVRTC cannot be loaded";
  void* program = nullptr;
  using Texts = const char* const*;
  if (function<int(void**, const char*, const char*, int, Texts, Texts)>("nvrtcCreateProgram")(
          &program, kKernel, "logarithm.cu", 0, nullptr, nullptr) != kSuccess) {
    return "NVRTC takes no program";
  }
  const int result = function<int(void*, int, Texts)>("nvrtcCompileProgram")(program, 0, nullptr);
  auto said = log_of(program);
  function<int(void**)>("nvrtcDestroyProgram")(&program);
  if (result == kSuccess) return {};
  return said.empty() ? function<const char*(int)>("nvrtcGetErrorString")(result) : said;
}

}  // namespace replicate
