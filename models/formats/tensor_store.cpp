#include "models/formats/tensor_store.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/text_file.h"
#include "models/formats/gguf.h"
#include "models/formats/safetensors.h"
#include "models/formats/safetensors_index.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLargestIndex = 64 << 20;
constexpr const char* kOneFile = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

class GgufStore : public TensorStore {
 public:
  explicit GgufStore(std::shared_ptr<const GgufFile> file) : file_(std::move(file)) {}

  const std::string& where() const override { return file_->where(); }
  std::string where_of(const std::string& name) const override { return file_->where_of(file_->tensor(name)); }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& tensor : file_->tensors()) names.push_back(tensor.name);
    return names;
  }

  std::optional<std::vector<int64_t>> shape(const std::string& name) const override {
    const auto* stored = file_->find(name);
    return stored ? std::optional(stored->shape) : std::nullopt;
  }

  std::string encoding(const std::string& name) const override {
    return std::string(type_name(file_->tensor(name).type));
  }

  bool decode(const std::string& name, int64_t first, int64_t count, float* out) const override {
    const auto& stored = file_->tensor(name);
    const auto width = stored.shape.back();
    const auto row_bytes = width / block_elements(stored.type) * block_bytes(stored.type);
    const auto rows = stored.bytes.subspan(first * row_bytes, count * row_bytes);
    dequantize(stored.type, rows, {out, static_cast<size_t>(count * width)});
    return all_finite(stored.type, rows);
  }

  void release(const std::string& name) const override { file_->release(file_->tensor(name)); }

 private:
  std::shared_ptr<const GgufFile> file_;
};

class SafetensorsStore : public TensorStore {
 public:
  explicit SafetensorsStore(const fs::path& folder) : where_(folder.string()) {
    for (const auto& path : safetensors_files(folder)) files_.push_back(SafetensorsFile::open(path));
    for (const auto& file : files_) {
      for (const auto& tensor : file.tensors()) {
        if (tensors_.emplace(tensor.name, Place{&file, &tensor}).second) continue;
        throw Error("tensor " + in_quotes(tensor.name) + " is given twice", file.where(), "remove one of the files");
      }
    }
  }

  const std::string& where() const override { return where_; }
  std::string where_of(const std::string& name) const override { return tensors_.at(name).file->where(); }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, place] : tensors_) names.push_back(name);
    return names;
  }

  std::optional<std::vector<int64_t>> shape(const std::string& name) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional(found->second.tensor->shape);
  }

  std::string encoding(const std::string& name) const override {
    return std::string(dtype_name(tensors_.at(name).tensor->dtype));
  }

  bool decode(const std::string& name, int64_t first, int64_t count, float* out) const override {
    SafetensorsTensor part = *tensors_.at(name).tensor;
    const auto row_bytes = part.shape.back() * dtype_bytes(part.dtype);
    part.shape = {count, part.shape.back()};
    part.bytes = part.bytes.subspan(first * row_bytes, count * row_bytes);
    return decode_floats(part, out);
  }

  void release(const std::string& name) const override {
    const auto& place = tensors_.at(name);
    place.file->release(place.tensor->bytes);
  }

 private:
  struct Place {
    const SafetensorsFile* file;
    const SafetensorsTensor* tensor;
  };

  std::string where_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Place> tensors_;
};

std::set<std::string> named_files(const fs::path& index) {
  return files_of_index(read_text(index, kLargestIndex), index.string());
}

}  // namespace

std::string main_encoding(const TensorStore& store) {
  std::map<std::string, double> elements;  // whole numbers could overflow in an empty tensor's shape
  for (const auto& name : store.names()) {
    const auto shape = *store.shape(name);
    elements[store.encoding(name)] += std::accumulate(shape.begin(), shape.end(), 1.0, std::multiplies<>());
  }
  const auto most = std::max_element(elements.begin(), elements.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == elements.end() ? "none" : most->first;
}

std::vector<fs::path> safetensors_files(const fs::path& folder) {
  if (is_there(folder / kOneFile)) return {folder / kOneFile};
  if (!is_there(folder / kIndex)) {
    const bool pickled = is_there(folder / "pytorch_model.bin") || is_there(folder / "pytorch_model.bin.index.json");
    throw Error(std::string("there is no ") + kOneFile + " and no " + kIndex, folder.string(),
                pickled ? "convert pytorch_model.bin to safetensors: pickles are programs and are never read here"
                        : "name the folder that holds the model");
  }
  std::vector<fs::path> files;
  for (const auto& name : named_files(folder / kIndex)) {
    if (!is_there(folder / name)) {
      throw Error("the index names " + in_quotes(name) + ", which is not in the folder", folder.string(),
                  "fetch all parts of the model");
    }
    files.push_back(folder / name);
  }
  return files;
}

std::shared_ptr<const TensorStore> gguf_store(std::shared_ptr<const GgufFile> file) {
  return std::make_shared<const GgufStore>(std::move(file));
}

std::shared_ptr<const TensorStore> safetensors_store(const fs::path& folder) {
  return std::make_shared<const SafetensorsStore>(folder);
}

}  // namespace replicate
