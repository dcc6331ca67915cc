#include "models/formats/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "models/formats/finite.h"
#include "models/formats/quantization.h"

namespace replicate {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "tensors are read in place");

constexpr const char* kMetadata = "__metadata__";
constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMostHeaderBytes = 100'000'000;  // the limit of the format's own library
constexpr size_t kMostDimensions = 64;              // PyTorch's limit

struct DtypeFacts {
  std::string_view name;
  int64_t bytes;
};

/// In the order of Dtype.
constexpr DtypeFacts kDtypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1},
                                  {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
                                  {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8}};

const DtypeFacts& facts(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)]; }

std::optional<Dtype> dtype_of(std::string_view name) {
  for (size_t i = 0; i < std::size(kDtypes); ++i) {
    if (kDtypes[i].name == name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

/// The bytes that a tensor takes, or nothing when they are more than 2^63.
std::optional<uint64_t> bytes_of(Dtype dtype, const std::vector<int64_t>& shape) {
  int64_t product = dtype_bytes(dtype);
  const bool is_empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  if (is_empty) return 0;  // whatever the other dimensions are
  for (const int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(product, size, &product)) return std::nullopt;
  }
  return static_cast<uint64_t>(product);
}

/// What the header says of a tensor; offsets count from the header's end.
struct Description {
  std::string name;
  std::optional<Dtype> dtype;
  std::optional<std::vector<int64_t>> shape;
  std::optional<std::vector<int64_t>> offsets;
};

/// Takes the header's JSON event by event. The only forms it lets through are the format's own:
/// {"name": {"dtype": text, "shape": [numbers], "data_offsets": [two numbers]}, ...,
///  "__metadata__": {"key": "text", ...}}.
class HeaderReader : public json::json_sax_t {
 public:
  explicit HeaderReader(const std::string& where) : where_(where) {}

  std::vector<Description> take_descriptions() { return std::move(descriptions_); }
  std::map<std::string, std::string> take_metadata() { return std::move(metadata_); }

  bool start_object(std::size_t) override {
    if (place_ == Place::start) return go(Place::names);
    if (place_ != Place::value_of_name) fail("an object where none belongs");
    return go(in_metadata_ ? Place::metadata_keys : Place::fields);
  }

  bool end_object() override {
    if (place_ == Place::names) return go(Place::end);
    if (place_ == Place::fields) check_whole(descriptions_.back());
    return go(Place::names);
  }

  bool key(string_t& key) override {
    if (place_ == Place::names) return start_entry(key);
    if (place_ == Place::metadata_keys) return start_metadata(key);
    return start_field(key);
  }

  bool string(string_t& text) override {
    if (place_ == Place::metadata_value) {
      metadata_value_->second = text;
      return go(Place::metadata_keys);
    }
    if (place_ != Place::dtype) fail("a text where none belongs");
    set_dtype(text);
    return go(Place::fields);
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::list) fail("a list where none belongs");
    list_->emplace();
    return go(Place::numbers);
  }

  bool end_array() override { return go(Place::fields); }

  bool number_unsigned(number_unsigned_t number) override {
    if (place_ != Place::numbers) fail("a number where none belongs");
    if (!std::in_range<int64_t>(number)) fail("an absurd number " + std::to_string(number));
    if ((*list_)->size() == kMostDimensions) fail("a list of more than 64 numbers");
    (*list_)->push_back(static_cast<int64_t>(number));
    return true;
  }

  bool number_integer(number_integer_t number) override { fail("a negative number " + std::to_string(number)); }
  bool number_float(number_float_t, const string_t&) override { fail("a number with a fraction"); }
  bool boolean(bool) override { fail("a truth value where none belongs"); }
  bool null() override { fail("a null where none belongs"); }
  bool binary(binary_t&) override { fail("binary data where none belong"); }

  /// The library's own message may hold the file's bytes, and is not for the eye.
  bool parse_error(std::size_t position, const std::string&, const json::exception&) override {
    fail("malformed JSON at byte " + std::to_string(position));
  }

 private:
  enum class Place { start, names, value_of_name, fields, dtype, list, numbers, metadata_keys, metadata_value, end };

  [[noreturn]] void fail(const std::string& what) const {
    const bool in_tensor = !descriptions_.empty() && !in_metadata_;
    throw Error("the header has " + what, where_ + (in_tensor ? ", tensor " + last_name() : ""), kFetchAgain);
  }

  std::string last_name() const { return in_quotes(descriptions_.back().name); }

  bool go(Place place) {
    place_ = place;
    return true;
  }

  bool start_entry(const std::string& name) {
    in_metadata_ = name == kMetadata;
    if (in_metadata_ && std::exchange(has_metadata_, true)) fail("'__metadata__' twice");
    if (!in_metadata_) descriptions_.push_back({name, {}, {}, {}});
    return go(Place::value_of_name);
  }

  bool start_metadata(const std::string& key) {
    const auto [entry, is_new] = metadata_.emplace(key, "");
    if (!is_new) fail("metadata " + in_quotes(key) + " twice");
    metadata_value_ = entry;
    return go(Place::metadata_value);
  }

  bool start_field(const std::string& key) {
    Description& tensor = descriptions_.back();
    if (key == "dtype") return start_text(tensor);
    if (key == "shape") return start_list(key, tensor.shape);
    if (key == "data_offsets") return start_list(key, tensor.offsets);
    fail("an unknown field " + in_quotes(key));
  }

  bool start_text(const Description& tensor) {
    if (tensor.dtype) fail("'dtype' twice");
    return go(Place::dtype);
  }

  bool start_list(const std::string& key, std::optional<std::vector<int64_t>>& list) {
    if (list) fail(in_quotes(key) + " twice");
    list_ = &list;
    return go(Place::list);
  }

  void set_dtype(const std::string& name) {
    descriptions_.back().dtype = dtype_of(name);
    if (descriptions_.back().dtype) return;
    throw Error("tensor " + last_name() + " is stored as " + in_quotes(name) + ", which is not supported", where_,
                "use a file stored as F64, F32, F16, BF16 or F8");
  }

  void check_whole(const Description& tensor) const {
    if (!tensor.dtype || !tensor.shape || !tensor.offsets) fail("a tensor with a missing field");
    if (tensor.offsets->size() != 2) fail("'data_offsets' that are not two numbers");
  }

  const std::string& where_;
  Place place_ = Place::start;
  bool in_metadata_ = false;
  bool has_metadata_ = false;
  std::optional<std::vector<int64_t>>* list_ = nullptr;  ///< the one being read
  std::vector<Description> descriptions_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, std::string>::iterator metadata_value_;  ///< the one being read
};

}  // namespace

/// Fills a SafetensorsFile from bytes: header, then the tensors' places.
class SafetensorsParser {
 public:
  SafetensorsParser(std::span<const std::byte> bytes, SafetensorsFile& file) : bytes_(bytes), file_(file) {}

  void parse() {
    const auto header = find_header();
    HeaderReader reader(file_.where_);
    const auto* text = reinterpret_cast<const char*>(header.data());
    json::sax_parse(text, text + header.size(), &reader);
    file_.metadata_ = reader.take_metadata();
    place_tensors(reader.take_descriptions(), bytes_.subspan(kLengthBytes + header.size()));
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(what, file_.where_, kFetchAgain); }

  std::span<const std::byte> find_header() const {
    uint64_t length = 0;
    if (bytes_.size() < kLengthBytes) fail("no safetensors file: shorter than its header's length");
    std::memcpy(&length, bytes_.data(), sizeof(length));
    const uint64_t left = bytes_.size() - kLengthBytes;
    if (length > kMostHeaderBytes || length > left) {
      fail("no safetensors file: a header of " + std::to_string(length) + " bytes, " + std::to_string(left) +
           " are left");
    }
    const auto header = bytes_.subspan(kLengthBytes, length);
    if (header.empty() || header.front() != std::byte{'{'}) {
      fail("no safetensors file: the header does not start with {");
    }
    // The JSON library would take a NUL for the end and never look at what follows.
    if (std::find(header.begin(), header.end(), std::byte{0}) != header.end()) {
      fail("the header has malformed JSON, a NUL byte");
    }
    return header;
  }

  /// In the order of their offsets each must start where the one before it ends.
  void place_tensors(std::vector<Description> descriptions, std::span<const std::byte> data) {
    std::stable_sort(descriptions.begin(), descriptions.end(),
                     [](const auto& a, const auto& b) { return a.offsets.value() < b.offsets.value(); });
    uint64_t end = 0;
    for (Description& description : descriptions) {
      const uint64_t begin = std::exchange(end, checked_end(description, end, data.size()));
      add(std::move(description), data.subspan(begin, end - begin));
    }
    if (end != data.size()) {
      fail("the tensors end at byte " + std::to_string(end) + " of " + std::to_string(data.size()));
    }
  }

  uint64_t checked_end(const Description& tensor, uint64_t expected, uint64_t size) const {
    const auto begin = static_cast<uint64_t>(tensor.offsets->front());
    const auto end = static_cast<uint64_t>(tensor.offsets->back());
    const std::string name = "tensor " + in_quotes(tensor.name);
    if (begin > expected) fail("a hole before " + name);
    if (begin < expected) fail(name + " overlaps the one before it");
    if (end < begin || end > size) fail(name + " lies beyond the file's end");
    if (bytes_of(*tensor.dtype, *tensor.shape) != end - begin) {
      fail(name + " has a shape that does not fit its " + std::to_string(end - begin) + " bytes");
    }
    return end;
  }

  void add(Description description, std::span<const std::byte> bytes) {
    if (!file_.positions_.emplace(description.name, file_.tensors_.size()).second) {
      fail("tensor " + in_quotes(description.name) + " is there twice");
    }
    file_.tensors_.push_back({std::move(description.name), *description.dtype, std::move(*description.shape), bytes});
  }

  std::span<const std::byte> bytes_;
  SafetensorsFile& file_;
};

std::string_view dtype_name(Dtype dtype) { return facts(dtype).name; }
int64_t dtype_bytes(Dtype dtype) { return facts(dtype).bytes; }

int64_t SafetensorsTensor::elements() const { return static_cast<int64_t>(bytes.size()) / dtype_bytes(dtype); }

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  auto mapping = std::make_shared<const MappedFile>(MappedFile::open(path));
  SafetensorsFile file = parse(mapping->bytes(), path.string());
  file.mapping_ = std::move(mapping);
  return file;
}

SafetensorsFile SafetensorsFile::parse(std::span<const std::byte> bytes, std::string where) {
  SafetensorsFile file;
  file.where_ = std::move(where);
  SafetensorsParser(bytes, file).parse();
  return file;
}

const SafetensorsTensor* SafetensorsFile::find(std::string_view name) const {
  const auto found = positions_.find(name);
  return found == positions_.end() ? nullptr : &tensors_[found->second];
}

const SafetensorsTensor& SafetensorsFile::tensor(std::string_view name) const {
  if (const SafetensorsTensor* found = find(name)) return *found;
  throw Error("tensor " + in_quotes(name) + " is missing", where_, "use a complete model file");
}

void SafetensorsFile::release(std::span<const std::byte> part) const {
  if (mapping_) mapping_->release(part);
}

namespace {

void decode_doubles(std::span<const std::byte> bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    double number = 0;
    std::memcpy(&number, bytes.data() + i * sizeof(number), sizeof(number));
    out[i] = static_cast<float>(number);
  }
}

/// All numbers of an eight-bit type, by their byte.
using Table = std::array<float, 256>;

/// E5M2 is the upper byte of an F16.
Table e5m2_numbers() {
  Table numbers;
  std::array<std::byte, 2 * numbers.size()> halves{};
  for (size_t i = 0; i < numbers.size(); ++i) halves[2 * i + 1] = static_cast<std::byte>(i);
  dequantize(TensorType::f16, halves, numbers);
  return numbers;
}

/// E4M3 as PyTorch's float8_e4m3fn: no infinity, and not a number where all bits but the sign are set.
Table e4m3_numbers() {
  constexpr int kMantissaBits = 3, kBias = 7, kNotANumber = 0x7f;
  Table numbers;
  for (int byte = 0; byte < static_cast<int>(numbers.size()); ++byte) {
    const int magnitude = byte & 0x7f, exponent = magnitude >> kMantissaBits, mantissa = magnitude & 7;
    const auto digits = static_cast<float>(exponent == 0 ? mantissa : 8 + mantissa);
    const float size = magnitude == kNotANumber ? std::numeric_limits<float>::quiet_NaN()
                                                : std::ldexp(digits, std::max(exponent, 1) - kBias - kMantissaBits);
    numbers[static_cast<size_t>(byte)] = byte & 0x80 ? -size : size;
  }
  return numbers;
}

void decode_bytes(const Table& numbers, std::span<const std::byte> bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = numbers[static_cast<size_t>(bytes[i])];
}

std::optional<TensorType> tensor_type(Dtype dtype) {
  if (dtype == Dtype::f32) return TensorType::f32;
  if (dtype == Dtype::f16) return TensorType::f16;
  if (dtype == Dtype::bf16) return TensorType::bf16;
  return std::nullopt;
}

}  // namespace

bool decode_floats(const SafetensorsTensor& tensor, float* out) {
  const std::span<float> numbers(out, static_cast<size_t>(tensor.elements()));
  if (tensor.dtype == Dtype::f64) {
    decode_doubles(tensor.bytes, numbers);
    return !first_not_finite(numbers);
  }
  static const Table kE5m2 = e5m2_numbers(), kE4m3 = e4m3_numbers();  // weights are decoded a few rows at a time
  if (tensor.dtype == Dtype::f8_e5m2 || tensor.dtype == Dtype::f8_e4m3) {
    decode_bytes(tensor.dtype == Dtype::f8_e5m2 ? kE5m2 : kE4m3, tensor.bytes, numbers);
    return !first_not_finite(numbers);
  }
  const auto type = tensor_type(tensor.dtype);
  if (!type) {
    throw Error("tensor " + in_quotes(tensor.name) + " is stored as " + std::string(dtype_name(tensor.dtype)) +
                    ", not as real numbers",
                "safetensors", "use a file stored as F64, F32, F16, BF16 or F8");
  }
  dequantize(*type, tensor.bytes, numbers);
  return all_finite(*type, tensor.bytes);
}

// Writing.

namespace {

/// Wide numbers first, so that none is off its alignment; then by name.
void sort_for_writing(std::vector<SafetensorsOutput>& tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return std::tie(b.dtype, a.name) < std::tie(a.dtype, b.name); });
}

void check_outputs(const std::vector<SafetensorsOutput>& tensors, const std::string& where) {
  std::map<std::string_view, int> names;
  for (const SafetensorsOutput& tensor : tensors) {
    const std::string name = "tensor " + in_quotes(tensor.name);
    if (tensor.name == kMetadata || names[tensor.name]++ > 0) {
      throw Error(name + " cannot be written under that name", where, "give each a name of its own");
    }
    if (bytes_of(tensor.dtype, tensor.shape) != tensor.bytes.size()) {
      throw Error(name + " has a shape that does not fit its " + std::to_string(tensor.bytes.size()) + " bytes", where,
                  "give all of its numbers");
    }
  }
}

/// JSON, padded with spaces to a multiple of 8 bytes.
std::string header_text(const std::vector<SafetensorsOutput>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  uint64_t begin = 0;
  for (const SafetensorsOutput& tensor : tensors) {
    const uint64_t end = begin + tensor.bytes.size();
    header[tensor.name] = {
        {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

std::string checked_header_text(const std::vector<SafetensorsOutput>& tensors,
                                const std::map<std::string, std::string>& metadata, const std::string& where) {
  try {
    std::string header = header_text(tensors, metadata);
    if (header.size() <= kMostHeaderBytes) return header;
  } catch (const json::exception&) {
    throw Error("a name or a metadata text is not UTF-8", where, "give UTF-8");
  }
  throw Error("a header of more than 100 MB", where, "write fewer tensors or less metadata");
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::vector<SafetensorsOutput> tensors,
                       const std::map<std::string, std::string>& metadata) {
  sort_for_writing(tensors);
  check_outputs(tensors, path.string());
  const std::string header = checked_header_text(tensors, metadata, path.string());
  AtomicFile file(path);
  const uint64_t length = header.size();
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const SafetensorsOutput& tensor : tensors) file.write(tensor.bytes);
  file.put_in_place();
}

}  // namespace replicate
