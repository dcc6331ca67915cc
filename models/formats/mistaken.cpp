#include "models/formats/mistaken.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text_file.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLargestConfig = 1 << 20;
constexpr size_t kMostEntries = 10'000;  // of a folder that are looked at

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end && entries.size() < kMostEntries;
       entry.increment(error))
    entries.push_back(entry->path());
  std::ranges::sort(entries);
  return entries;
}

bool has_beginning(const fs::path& path, std::string_view beginning) {
  return path.filename().string().starts_with(beginning);
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

/// The first entry for which `is` holds.
template <typename Is>
std::optional<fs::path> first_entry(const std::vector<fs::path>& entries, const Is& is) {
  const auto found = std::ranges::find_if(entries, is);
  return found == entries.end() ? std::nullopt : std::optional(*found);
}

std::optional<Mistaken> adapter(const fs::path& folder) {
  const auto file = folder / "adapter_config.json";
  std::error_code error;
  if (const auto size = fs::file_size(file, error); error || size > kLargestConfig) return std::nullopt;
  const auto json = nlohmann::json::parse(read_text(file), nullptr, false);
  const auto base =
      json.is_object() && json.contains("base_model_name_or_path") && json["base_model_name_or_path"].is_string()
          ? json["base_model_name_or_path"].get<std::string>()
          : std::string();
  return Mistaken{base.empty() ? "an adapter, not a model" : "an adapter of " + in_quotes(base) + ", not a model",
                  "merge it into its model first (peft: merge_and_unload), and name the merged folder"};
}

std::optional<Mistaken> folder_of_files(const std::vector<fs::path>& entries) {
  const auto is_gguf = [](const fs::path& path) { return path.extension() == ".gguf"; };
  const auto is_pickle = [](const fs::path& path) {
    return (has_beginning(path, "pytorch_model") && path.extension() == ".bin") ||
           (has_beginning(path, "consolidated.") && path.extension() == ".pth");
  };
  if (const auto file = first_entry(entries, is_gguf))
    return Mistaken{"a folder of GGUF files", "name one of them: " + file->string()};
  if (first_entry(entries, is_pickle))
    return Mistaken{
        "a folder of pickled weights",
        "convert them to a Hugging Face folder with safetensors: pickles are programs and are never read here"};
  return std::nullopt;
}

std::optional<Mistaken> folder_of_folders(const std::vector<fs::path>& entries) {
  const auto first = [&](std::string_view beginning) {
    return first_entry(entries,
                       [&](const fs::path& path) { return has_beginning(path, beginning) && is_folder(path); });
  };
  if (const auto model = first("models--"))
    return Mistaken{"a cache of models", "name a model by ORGANISATION/NAME, or its folder: " + model->string()};
  if (const auto step = first("step-")) return Mistaken{"a training run", "name one of its models: " + step->string()};
  if (const auto step = first("checkpoint-"))
    return Mistaken{"a folder of checkpoints", "name one of them: " + step->string()};
  const auto with_config = [](const fs::path& path) { return is_there(path / "config.json"); };
  if (const auto model = first_entry(entries, with_config))
    return Mistaken{"a folder of models", "name one of them: " + model->string()};
  return std::nullopt;
}

/// The first bytes of what is kept under the name of a model.
struct Magic {
  std::string_view bytes, what, remedy;
};

constexpr std::string_view kNameTheFile = "name a model file in GGUF format, or a Hugging Face folder";
constexpr Magic kMagics[] = {
    {"version https://git-lfs", "a pointer of Git LFS, not the file that it stands for", "run git lfs pull there"},
    {"<!DOCTYPE", "a web page", "fetch the file itself"},
    {"<html", "a web page", "fetch the file itself"},
    {"PK\x03\x04", "a ZIP archive, which PyTorch's pickled weights are, too",
     "convert the model to safetensors or GGUF: pickles are programs and are never read here"},
    {"\x1f\x8b", "a gzip archive", "unpack it first"},
    {"\xfd"
     "7zXZ",
     "an xz archive", "unpack it first"},
    {"(\xb5/\xfd", "a zstd archive", "unpack it first"},
    {"\x89HDF", "an HDF5 file", kNameTheFile},
    {"\x93NUMPY", "a NumPy array", kNameTheFile},
    {"\x80\x02", "a pickle", "convert the model to safetensors or GGUF: pickles are programs and are never read here"},
    {"lmgg", "a GGML file, the predecessor of GGUF", "convert it to GGUF"},
    {"tjgg", "a GGML file, the predecessor of GGUF", "convert it to GGUF"},
    {"fmgg", "a GGML file, the predecessor of GGUF", "convert it to GGUF"}};

/// What a tensor's name says of the file that it is in.
struct Mark {
  std::string_view part;
  bool begins;  ///< the name begins with it; else it ends so
  std::string_view what, remedy;
};

constexpr std::string_view kRemoveThePrefix = "save the model that is inside of the wrapper";
constexpr std::string_view kDequantise = "use the model that is not quantised, or a GGUF file of it";
constexpr Mark kMarks[] = {
    {"_orig_mod.", true, "names begin with _orig_mod., as torch.compile saves them", kRemoveThePrefix},
    {"module.", true, "names begin with module., as DistributedDataParallel saves them", kRemoveThePrefix},
    {"_fsdp_wrapped_module.", true, "names begin with _fsdp_wrapped_module.", kRemoveThePrefix},
    {"base_model.model.", true, "names begin with base_model.model., as an adapter's do",
     "merge it into its model first (peft: merge_and_unload)"},
    {".lora_A.weight", false, "an adapter (it has lora_A)", "merge it into its model first (peft: merge_and_unload)"},
    {".qweight", false, "a quantised model (GPTQ or AWQ: it has qweight)", kDequantise},
    {".weight_packed", false, "a quantised model (compressed-tensors: it has weight_packed)", kDequantise},
    {".weight_scale", false, "a quantised model (FP8 or int8: it has weight_scale)", kDequantise},
    {".weight_scale_inv", false, "a quantised model (FP8 in blocks: it has weight_scale_inv)", kDequantise},
    {".weight.absmax", false, "a quantised model (bitsandbytes: it has absmax)", kDequantise},
    {"score.weight", true, "a classifier (it has score.weight and no output head)",
     "use the language model that it was made of"},
    {"classifier.weight", true, "a classifier (it has classifier.weight and no output head)",
     "use the language model that it was made of"},
    {"v_head.", true, "a model with a value head", "use the language model that it was made of"},
    {"transformer.h.", true, "a model with GPT-2's names", "its architecture is not supported"},
    {"model.decoder.layers.", true, "a model with OPT's names", "its architecture is not supported"},
    {"encoder.", true, "a model with an encoder", "only decoders are supported"}};

bool fits(const Mark& mark, const std::string& name) {
  return mark.begins ? name.starts_with(mark.part) : name.ends_with(mark.part);
}

}  // namespace

std::optional<Mistaken> mistaken_folder(const fs::path& folder) {
  if (const auto found = adapter(folder)) return found;
  if (is_there(folder / "model_index.json"))
    return Mistaken{"an image model's folder (diffusers)", "name a language model"};
  if (is_there(folder / "summary.json")) return Mistaken{"a run's folder", "name the model that it measured"};
  const auto entries = entries_of(folder);
  if (const auto files = folder_of_files(entries)) return files;
  if (is_there(folder / "snapshots"))
    return Mistaken{"a model's folder in a cache, under a name that it does not have there",
                    "name a folder below " + (folder / "snapshots").string()};
  return folder_of_folders(entries);
}

std::optional<Mistaken> mistaken_file(const fs::path& file, std::string_view first_bytes) {
  for (const auto& magic : kMagics)
    if (first_bytes.starts_with(magic.bytes)) return Mistaken{std::string(magic.what), std::string(magic.remedy)};
  const auto folder = file.has_parent_path() ? file.parent_path().string() : std::string(".");
  const auto extension = file.extension();
  if (extension == ".safetensors" || extension == ".json")
    return Mistaken{"a file of a model's folder", "name the folder: " + folder};
  if (extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt")
    return Mistaken{"a file of pickled weights",
                    "convert the model to safetensors or GGUF: pickles are never read here"};
  return std::nullopt;
}

std::optional<Mistaken> mistaken_tensors(const std::vector<std::string>& names) {
  for (const auto& mark : kMarks)
    if (std::ranges::any_of(names, [&](const std::string& name) { return fits(mark, name); }))
      return Mistaken{std::string(mark.what), std::string(mark.remedy)};
  return std::nullopt;
}

}  // namespace replicate
