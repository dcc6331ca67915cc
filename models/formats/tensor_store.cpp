#include "models/formats/tensor_store.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/statistics.h"
#include "base/text_file.h"
#include "models/formats/gguf.h"
#include "models/formats/permutation.h"
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
    const auto bytes = rows(stored, first, count);
    dequantize(stored.type, bytes, {out, static_cast<size_t>(count * stored.shape.back())});
    return all_finite(stored.type, bytes);
  }

  void steps(const std::string& name, int64_t first, int64_t count, float* out) const override {
    const auto& stored = file_->tensor(name);
    quantization_steps(stored.type, rows(stored, first, count),
                       {out, static_cast<size_t>(count * stored.shape.back())});
  }

  void release(const std::string& name) const override { file_->release(file_->tensor(name)); }

 private:
  static std::span<const std::byte> rows(const StoredTensor& stored, int64_t first, int64_t count) {
    const auto row_bytes = stored.shape.back() / block_elements(stored.type) * block_bytes(stored.type);
    return stored.bytes.subspan(first * row_bytes, count * row_bytes);
  }

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

  void steps(const std::string& name, int64_t, int64_t count, float* out) const override {
    std::fill_n(out, count * tensors_.at(name).tensor->shape.back(), 0.0f);
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

/// From 0 to 1: the draw of one number of a tensor, whose key is mixed.
double draw(uint64_t key, int64_t number) {
  return static_cast<double>(mixed(key + mixed(static_cast<uint64_t>(number))) >> 11) * 0x1p-53;
}

class NoisyStore : public TensorStore {
 public:
  NoisyStore(std::shared_ptr<const TensorStore> store, uint64_t seed) : store_(std::move(store)), seed_(seed) {
    const auto all = names();
    const auto quantised = [&](const std::string& name) { return encoding(name).starts_with("Q"); };
    if (std::none_of(all.begin(), all.end(), quantised)) {
      throw Error("no tensor is quantised, so there is no step to draw noise from", where(),
                  "measure it without weight_noise");
    }
  }

  const std::string& where() const override { return store_->where(); }
  std::string where_of(const std::string& name) const override { return store_->where_of(name); }
  std::vector<std::string> names() const override { return store_->names(); }
  std::optional<std::vector<int64_t>> shape(const std::string& name) const override { return store_->shape(name); }
  std::string encoding(const std::string& name) const override { return store_->encoding(name); }
  void release(const std::string& name) const override { store_->release(name); }
  void steps(const std::string& name, int64_t first, int64_t count, float* out) const override {
    store_->steps(name, first, count, out);
  }

  bool decode(const std::string& name, int64_t first, int64_t count, float* out) const override {
    const bool finite = store_->decode(name, first, count, out);
    const auto width = shape(name)->back();
    std::vector<float> step(static_cast<size_t>(count * width));
    steps(name, first, count, step.data());
    const auto key = derive_seed(seed_, name);
    for (int64_t i = 0; i < count * width; ++i) {
      out[i] += static_cast<float>((draw(key, first * width + i) - 0.5) * step[static_cast<size_t>(i)]);
    }
    return finite;
  }

 private:
  std::shared_ptr<const TensorStore> store_;
  uint64_t seed_;
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

std::shared_ptr<const TensorStore> noisy_store(std::shared_ptr<const TensorStore> store, uint64_t seed) {
  return std::make_shared<const NoisyStore>(std::move(store), seed);
}

std::shared_ptr<const TensorStore> safetensors_store(const fs::path& folder) {
  return std::make_shared<const SafetensorsStore>(folder);
}

}  // namespace replicate
