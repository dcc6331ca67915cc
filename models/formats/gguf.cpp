#include "models/formats/gguf.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "models/formats/mistaken.h"
#include "models/formats/shard_name.h"

namespace replicate {
namespace {

constexpr const char* kSupported = "use a file stored as F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 or Q2_K to Q6_K";
constexpr const char* kNotTogether = "fetch all files of the model again";

/// GGUF's numbers for the types of metadata values.
enum ValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
  kValueTypes,
};

/// Bytes of a value in the file; of a string, the least: its length.
constexpr uint64_t kValueBytes[kValueTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};

constexpr std::string_view kValueNames[kValueTypes] = {
    "an 8-bit integer", "an 8-bit integer", "a 16-bit integer", "a 16-bit integer", "a 32-bit integer",
    "a 32-bit integer", "a real number",    "a truth value",    "a text",           "an array",
    "a 64-bit integer", "a 64-bit integer", "a real number"};

/// Storage types by ggml's numbers (enum ggml_type in ggml.h); empty where a number is not in use.
constexpr std::string_view kStorageNames[] = {
    "F32",   "F16",    "Q4_0",  "Q4_1", "",     "",        "Q5_0",   "Q5_1",    "Q8_0",  "Q8_1",   "Q2_K",
    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
    "IQ2_S", "IQ4_XS", "I8",    "I16",  "I32",  "I64",     "F64",    "IQ1_M",   "BF16",  "",       "",
    "",      "TQ1_0",  "TQ2_0", "",     "",     "",        "MXFP4",  "NVFP4"};

std::string storage_name(uint32_t type) {
  if (type < std::size(kStorageNames) && !kStorageNames[type].empty()) {
    return std::string(kStorageNames[type]);
  }
  return "type " + std::to_string(type);
}

std::optional<TensorType> supported(uint32_t type) {
  for (const TensorType candidate : tensor_types()) {
    if (storage_name(type) == type_name(candidate)) return candidate;
  }
  return std::nullopt;
}

/// Reads forward through bytes and never past their end.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  uint64_t position() const { return position_; }
  uint64_t left() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(uint64_t count, std::string_view what) {
    if (count > left()) {
      fail("truncated: " + std::string(what) + " needs " + std::to_string(count) + " bytes, " + std::to_string(left()) +
           " are left");
    }
    const auto taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  template <typename Number>
  Number number(std::string_view what = "a value") {
    Number result;
    std::memcpy(&result, take(sizeof(result), what).data(), sizeof(result));
    return result;
  }

  std::string_view text(std::string_view what = "a text") {
    const auto length = number<uint64_t>(what);
    const auto bytes = take(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// A number of things still to come, each of which takes at least `least` bytes.
  uint64_t count(uint64_t least, std::string_view things) {
    const auto result = number<uint64_t>(things);
    if (result > left() / least) {
      fail("absurd count: " + std::to_string(result) + " " + std::string(things) + " in " + std::to_string(left()) +
           " bytes");
    }
    return result;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(what, where_ + ", byte " + std::to_string(position_), kFetchAgain);
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& where_;
  uint64_t position_ = 0;
};

// next<Item>: the next value of GGUF's type, or nothing when that type is not such an item.

template <typename Item>
std::optional<Item> next(uint32_t type, ByteReader& in);

template <>
std::optional<int64_t> next(uint32_t type, ByteReader& in) {
  switch (type) {
    case kUint8: return in.number<uint8_t>();
    case kInt8: return in.number<int8_t>();
    case kUint16: return in.number<uint16_t>();
    case kInt16: return in.number<int16_t>();
    case kUint32: return in.number<uint32_t>();
    case kInt32: return in.number<int32_t>();
    case kInt64: return in.number<int64_t>();
    case kUint64: {
      const auto number = in.number<uint64_t>();
      if (!std::in_range<int64_t>(number)) return std::nullopt;
      return static_cast<int64_t>(number);
    }
    default: return std::nullopt;
  }
}

template <>
std::optional<double> next(uint32_t type, ByteReader& in) {
  if (type == kFloat32) return in.number<float>();
  if (type == kFloat64) return in.number<double>();
  if (const auto integer = next<int64_t>(type, in)) return static_cast<double>(*integer);
  return std::nullopt;
}

template <>
std::optional<bool> next(uint32_t type, ByteReader& in) {
  if (type != kBool) return std::nullopt;
  return in.number<uint8_t>() != 0;
}

template <>
std::optional<std::string> next(uint32_t type, ByteReader& in) {
  if (type != kString) return std::nullopt;
  return std::string(in.text());
}

template <typename Item>
constexpr std::string_view kWanted = "";
template <>
constexpr std::string_view kWanted<int64_t> = "an integer that fits 64 bits";
template <>
constexpr std::string_view kWanted<double> = "a number";
template <>
constexpr std::string_view kWanted<bool> = "a truth value";
template <>
constexpr std::string_view kWanted<std::string> = "a text";

// What gguf-split writes into every file of a model: its number from 0, the number of files, and that of
// the tensors in all of them.
constexpr std::string_view kSplitNumber = "split.no";
constexpr std::string_view kSplitCount = "split.count";
constexpr std::string_view kSplitTensors = "split.tensors.count";
constexpr int64_t kMostShards = 65535;  ///< the number is one of 16 bits

/// All files of a split model; `path` says of itself that `number` stand before it, of `count`.
std::vector<std::filesystem::path> shard_paths(const std::filesystem::path& path, int64_t number, int64_t count) {
  const auto name = ShardName::of(path);
  if (number != 0) {
    const std::string first =
        name ? name->sibling(1).path().filename().string() : "the one that ends in " + shard_ending(1, count);
    throw Error("not the first of a model's " + std::to_string(count) + " files: metadata 'split.no' is " +
                    std::to_string(number),
                path.string(), "name the first one, " + first);
  }
  if (!name || name->number != 1 || name->count != count) {
    throw Error("the first of a model's " + std::to_string(count) + " files, under a name that does not end in " +
                    shard_ending(1, count),
                path.string(), "give the files the names that gguf-split gave them");
  }
  auto paths = model_files(path);
  for (const auto& part : paths) {
    std::error_code error;
    if (std::filesystem::exists(part, error)) continue;
    throw Error("one of a model's " + std::to_string(count) + " files is missing", part.string(),
                "put it beside the first one");
  }
  return paths;
}

bool lies_in(std::span<const std::byte> part, std::span<const std::byte> whole) {
  const std::less_equal<> before;  // of any two pointers, which <= is not
  return before(whole.data(), part.data()) && before(part.data() + part.size(), whole.data() + whole.size());
}

/// The number of elements, or nothing when it overflows.
std::optional<int64_t> checked_product(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(product, size, &product)) return std::nullopt;
  }
  return product;
}

}  // namespace

/// Fills a GgufFile from bytes: header, metadata, tensor descriptions, then the tensors' places.
class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes, GgufFile& file) : bytes_(bytes), file_(file), in_(bytes, file.where_) {}

  void parse() {
    parse_version();
    const uint64_t tensors = in_.count(kTensorBytes, "tensors");
    const uint64_t values = in_.count(kMetadataBytes, "metadata values");
    for (uint64_t i = 0; i < values; ++i) parse_metadata();
    for (uint64_t i = 0; i < tensors; ++i) parse_tensor();
    place_tensors();
  }

 private:
  // The least a description takes: name's length, then type, or dimensions, type and offset.
  static constexpr uint64_t kMetadataBytes = 8 + 4 + 1;
  static constexpr uint64_t kTensorBytes = 8 + 4 + 4 + 8;
  static constexpr uint32_t kMostDimensions = 4;
  static constexpr int64_t kDefaultAlignment = 32;

  [[noreturn]] void fail(const std::string& what, const std::string& remedy) const {
    throw Error(what, file_.where_, remedy);
  }

  void parse_version() {
    if (bytes_.size() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
      const std::string_view start(reinterpret_cast<const char*>(bytes_.data()), std::min<size_t>(bytes_.size(), 64));
      if (const auto mistaken = mistaken_file(file_.where_, start))
        fail("not a GGUF file but " + mistaken->what, mistaken->remedy);
      fail("not a GGUF file", "name a model file in GGUF format");
    }
    in_.take(4, "the magic number");
    const auto version = in_.number<uint32_t>("the version");
    if ((version & 0xffff) == 0) fail("a big-endian GGUF file", "use the little-endian one");
    if (version != 2 && version != 3) {
      fail("GGUF version " + std::to_string(version), "convert the file to version 2 or 3");
    }
  }

  uint32_t parse_value_type(const std::string& key) {
    const auto type = in_.number<uint32_t>("a value's type");
    if (type >= kValueTypes) {
      in_.fail("metadata " + in_quotes(key) + " has an unknown type " + std::to_string(type));
    }
    return type;
  }

  void parse_metadata() {
    const std::string key(in_.text("a metadata key"));
    GgufFile::Value value;
    value.type = parse_value_type(key);
    if (value.type == kArray) {
      value.is_array = true;
      value.type = parse_value_type(key);
      if (value.type == kArray) {
        fail("metadata " + in_quotes(key) + " is an array of arrays", "use a file without it");
      }
      value.count = in_.count(kValueBytes[value.type], "items of metadata " + in_quotes(key));
    }
    value.bytes = skip(value, key);
    if (!file_.metadata_.emplace(key, value).second) {
      in_.fail("metadata " + in_quotes(key) + " is there twice");
    }
  }

  std::span<const std::byte> skip(const GgufFile::Value& value, const std::string& key) {
    const uint64_t start = in_.position();
    const std::string what = "metadata " + in_quotes(key);
    if (value.type == kString) {
      for (uint64_t i = 0; i < value.count; ++i) in_.text(what);
    } else {
      in_.take(value.count * kValueBytes[value.type], what);
    }
    return bytes_.subspan(start, in_.position() - start);
  }

  std::vector<int64_t> parse_shape(const std::string& name) {
    const auto dimensions = in_.number<uint32_t>("the number of dimensions");
    if (dimensions > kMostDimensions) {
      in_.fail("tensor " + in_quotes(name) + " has " + std::to_string(dimensions) + " dimensions");
    }
    std::vector<int64_t> shape(dimensions);
    for (auto size = shape.rbegin(); size != shape.rend(); ++size) {
      *size = in_.number<int64_t>("a dimension");
      if (*size <= 0) {
        in_.fail("tensor " + in_quotes(name) + " has a dimension of " + std::to_string(*size));
      }
    }
    return shape;
  }

  void parse_tensor() {
    StoredTensor tensor;
    tensor.name = in_.text("a tensor's name");
    tensor.shape = parse_shape(tensor.name);
    const auto type = in_.number<uint32_t>("a tensor's type");
    const auto known = supported(type);
    if (!known) {
      fail("tensor " + in_quotes(tensor.name) + " is stored as " + storage_name(type) + ", which is not supported",
           kSupported);
    }
    tensor.type = *known;
    if (!file_.positions_.emplace(tensor.name, file_.tensors_.size()).second) {
      in_.fail("tensor " + in_quotes(tensor.name) + " is there twice");
    }
    file_.tensors_.push_back(std::move(tensor));
    offsets_.push_back(in_.number<uint64_t>("a tensor's offset"));
  }

  uint64_t alignment() const {
    const int64_t alignment = file_.integer("general.alignment").value_or(kDefaultAlignment);
    if (alignment <= 0 || (alignment & (alignment - 1)) != 0 || alignment > 1 << 30) {
      fail("metadata 'general.alignment' is " + std::to_string(alignment) + ", not a power of two up to 2^30",
           kFetchAgain);
    }
    return static_cast<uint64_t>(alignment);
  }

  /// Offsets count from the end of the descriptions, rounded up to the alignment.
  void place_tensors() {
    if (file_.tensors_.empty()) return;
    const uint64_t step = alignment();
    const uint64_t padding = (step - in_.position() % step) % step;
    in_.take(padding, "the padding before the tensors");
    const auto data = bytes_.subspan(in_.position());
    for (size_t i = 0; i < offsets_.size(); ++i) {
      if (offsets_[i] % step != 0) {
        fail("tensor " + in_quotes(file_.tensors_[i].name) + " starts at offset " + std::to_string(offsets_[i]) +
                 ", not at a multiple of " + std::to_string(step),
             kFetchAgain);
      }
      file_.tensors_[i].bytes = place(file_.tensors_[i], data, offsets_[i]);
    }
  }

  std::span<const std::byte> place(const StoredTensor& tensor, std::span<const std::byte> data, uint64_t offset) const {
    const auto elements = checked_product(tensor.shape);
    if (!elements) fail("tensor " + in_quotes(tensor.name) + " has an absurd shape", kFetchAgain);
    const int64_t block = block_elements(tensor.type);
    if ((tensor.shape.empty() ? 1 : tensor.shape.back()) % block != 0) {
      fail("tensor " + in_quotes(tensor.name) + " has rows that are no whole number of blocks", kFetchAgain);
    }
    const uint64_t blocks = static_cast<uint64_t>(*elements / block);
    const auto width = static_cast<uint64_t>(block_bytes(tensor.type));
    if (offset > data.size() || blocks > (data.size() - offset) / width) {
      fail("tensor " + in_quotes(tensor.name) + " lies beyond the file's end", kFetchAgain);
    }
    return data.subspan(offset, blocks * width);
  }

  std::span<const std::byte> bytes_;
  GgufFile& file_;
  ByteReader in_;
  std::vector<uint64_t> offsets_;  ///< of file_.tensors_
};

int64_t StoredTensor::elements() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

GgufFile GgufFile::open_one(const std::filesystem::path& path) {
  auto mapping = std::make_shared<const MappedFile>(MappedFile::open(path));
  GgufFile file = parse(mapping->bytes(), path.string());
  file.files_.push_back(path);
  file.mappings_.push_back(std::move(mapping));
  return file;
}

GgufFile GgufFile::open(const std::filesystem::path& path) {
  GgufFile first = open_one(path);
  const int64_t count = first.split_count();
  if (count == 1) return first;
  const auto paths = shard_paths(path, first.require_integer(kSplitNumber), count);
  std::vector<GgufFile> shards;
  shards.push_back(std::move(first));
  for (size_t i = 1; i < paths.size(); ++i) shards.push_back(open_one(paths[i]));
  return join(std::move(shards));
}

/// Files the model was split into; gguf-split writes 0 or nothing into one that was not.
int64_t GgufFile::split_count() const {
  const int64_t count = integer(kSplitCount).value_or(0);
  if (0 <= count && count <= kMostShards) return std::max<int64_t>(count, 1);
  throw Error("metadata 'split.count' is " + std::to_string(count) + ", not from 0 to " + std::to_string(kMostShards),
              where_, kFetchAgain);
}

void GgufFile::check_shard(int64_t number, const GgufFile& first) const {
  const auto expect = [&](std::string_view key, int64_t value) {
    const int64_t here = require_integer(key);
    if (here == value) return;
    throw Error("not file " + std::to_string(number) + " of the same model: metadata " + in_quotes(key) + " is " +
                    std::to_string(here) + " instead of " + std::to_string(value),
                where_, kNotTogether);
  };
  expect(kSplitCount, first.split_count());
  expect(kSplitNumber, number - 1);
  expect(kSplitTensors, first.require_integer(kSplitTensors));
}

void GgufFile::take_tensors(GgufFile shard) {
  for (StoredTensor& tensor : shard.tensors_) {
    if (!positions_.emplace(tensor.name, tensors_.size()).second) {
      throw Error("tensor " + in_quotes(tensor.name) + " is in another file of the model, too", shard.where_,
                  kNotTogether);
    }
    tensors_.push_back(std::move(tensor));
  }
  std::move(shard.files_.begin(), shard.files_.end(), std::back_inserter(files_));
  std::move(shard.mappings_.begin(), shard.mappings_.end(), std::back_inserter(mappings_));
}

GgufFile GgufFile::join(std::vector<GgufFile> shards) {
  if (shards.empty()) throw Error("no file of a model", "join", "name its first file");
  GgufFile model = std::move(shards.front());
  const auto count = static_cast<int64_t>(shards.size());
  if (count != model.split_count()) {
    throw Error(std::to_string(count) + " of the model's " + std::to_string(model.split_count()) + " files are there",
                model.where_, kNotTogether);
  }
  if (count == 1) return model;
  model.check_shard(1, model);
  for (int64_t number = 2; number <= count; ++number) {
    GgufFile& shard = shards[static_cast<size_t>(number - 1)];
    shard.check_shard(number, model);
    model.take_tensors(std::move(shard));
  }
  if (!std::cmp_equal(model.tensors_.size(), model.require_integer(kSplitTensors))) {
    throw Error("the model's files hold " + std::to_string(model.tensors_.size()) + " tensors instead of " +
                    std::to_string(model.require_integer(kSplitTensors)),
                model.where_, kNotTogether);
  }
  return model;
}

GgufFile GgufFile::parse(std::span<const std::byte> bytes, std::string where) {
  GgufFile file;
  file.where_ = std::move(where);
  GgufParser(bytes, file).parse();
  return file;
}

bool GgufFile::has(std::string_view key) const { return metadata_.contains(key); }

bool GgufFile::is_array(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found != metadata_.end() && found->second.is_array;
}

template <typename Item>
std::vector<Item> GgufFile::decode(std::string_view key, const Value& value) const {
  ByteReader in(value.bytes, where_);
  std::vector<Item> items;
  items.reserve(value.count);
  for (uint64_t i = 0; i < value.count; ++i) {
    auto item = next<Item>(value.type, in);
    if (!item) {
      throw Error("metadata " + in_quotes(key) + " holds " + std::string(kValueNames[value.type]) + ", not " +
                      std::string(kWanted<Item>),
                  where_, "use a model file that follows the GGUF specification");
    }
    items.push_back(std::move(*item));
  }
  return items;
}

template <typename Item>
std::optional<Item> GgufFile::scalar(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::nullopt;
  if (found->second.is_array) {
    throw Error("metadata " + in_quotes(key) + " is an array, not a single value", where_,
                "use a model file that follows the GGUF specification");
  }
  return std::move(decode<Item>(key, found->second).front());
}

template <typename Item>
std::optional<std::vector<Item>> GgufFile::array(std::string_view key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) return std::nullopt;
  if (!found->second.is_array) {
    throw Error("metadata " + in_quotes(key) + " is a single value, not an array", where_,
                "use a model file that follows the GGUF specification");
  }
  return decode<Item>(key, found->second);
}

template <typename Item>
Item GgufFile::required(std::string_view key, std::optional<Item> item) const {
  if (!item) {
    throw Error("metadata " + in_quotes(key) + " is missing", where_, "use a model file that has it");
  }
  return std::move(*item);
}

std::optional<int64_t> GgufFile::integer(std::string_view key) const { return scalar<int64_t>(key); }
std::optional<double> GgufFile::real(std::string_view key) const { return scalar<double>(key); }
std::optional<bool> GgufFile::boolean(std::string_view key) const { return scalar<bool>(key); }
std::optional<std::string> GgufFile::text(std::string_view key) const { return scalar<std::string>(key); }
std::optional<std::vector<int64_t>> GgufFile::integers(std::string_view key) const { return array<int64_t>(key); }
std::optional<std::vector<double>> GgufFile::reals(std::string_view key) const { return array<double>(key); }
std::optional<std::vector<bool>> GgufFile::booleans(std::string_view key) const { return array<bool>(key); }
std::optional<std::vector<std::string>> GgufFile::texts(std::string_view key) const { return array<std::string>(key); }

int64_t GgufFile::require_integer(std::string_view key) const { return required(key, integer(key)); }
double GgufFile::require_real(std::string_view key) const { return required(key, real(key)); }
bool GgufFile::require_boolean(std::string_view key) const { return required(key, boolean(key)); }
std::string GgufFile::require_text(std::string_view key) const { return required(key, text(key)); }
std::vector<int64_t> GgufFile::require_integers(std::string_view key) const { return required(key, integers(key)); }
std::vector<double> GgufFile::require_reals(std::string_view key) const { return required(key, reals(key)); }
std::vector<std::string> GgufFile::require_texts(std::string_view key) const { return required(key, texts(key)); }

std::vector<std::string> GgufFile::keys() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : metadata_) result.push_back(key);
  return result;
}

const StoredTensor* GgufFile::find(std::string_view name) const {
  const auto found = positions_.find(name);
  return found == positions_.end() ? nullptr : &tensors_[found->second];
}

const StoredTensor& GgufFile::tensor(std::string_view name) const {
  if (const StoredTensor* found = find(name)) return *found;
  throw Error("tensor " + in_quotes(name) + " is missing", where_, "use a complete model file");
}

std::string GgufFile::where_of(const StoredTensor& tensor) const {
  for (size_t i = 0; i < mappings_.size(); ++i) {
    if (lies_in(tensor.bytes, mappings_[i]->bytes())) return files_[i].string();
  }
  return where_;
}

void GgufFile::release(const StoredTensor& tensor) const {
  for (const auto& mapping : mappings_) {
    if (lies_in(tensor.bytes, mapping->bytes())) mapping->release(tensor.bytes);
  }
}

}  // namespace replicate
