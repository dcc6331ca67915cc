#include "models/formats/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text_file.h"
#include "tests/support/assets.h"
#include "tests/support/expect_error.h"
#include "tests/support/files_in.h"
#include "tests/support/small_disk.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

std::string file_bytes(const std::string& header, const std::string& data, std::optional<uint64_t> stated_length = {}) {
  const uint64_t length = stated_length.value_or(header.size());
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header + data;
}

/// Parses a copy that ends where the heap block ends, so that a sanitizer sees every byte too far.
void parse(const std::string& bytes) {
  const std::vector<char> exact(bytes.begin(), bytes.end());
  SafetensorsFile::parse(std::as_bytes(std::span(exact)), "test.safetensors");
}

void expect_rejected(const std::string& header, const std::string& part,
                     const std::string& data = std::string(8, '\1')) {
  expect_error([&] { parse(file_bytes(header, data)); }, part);
}

/// A header of one tensor of two float32.
std::string one(const std::string& shape = "[2]", const std::string& offsets = "[0,8]",
                const std::string& dtype = "\"F32\"") {
  return R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

std::vector<float> decoded(const SafetensorsTensor& tensor) {
  std::vector<float> numbers(static_cast<size_t>(tensor.elements()));
  decode_floats(tensor, numbers.data());
  return numbers;
}

template <typename Number>
std::vector<Number> numbers_of(const SafetensorsTensor& tensor) {
  std::vector<Number> numbers(tensor.bytes.size() / sizeof(Number));
  std::memcpy(numbers.data(), tensor.bytes.data(), tensor.bytes.size());
  return numbers;
}

// Files of PyPI `safetensors` and `transformers` (tests/reference/make_safetensors.py).

fs::path golden(const std::string& name) { return source_folder() / "tests/golden/safetensors" / name; }

TEST(Safetensors, ReadsEveryDtypeOfTheReference) {
  const auto file = SafetensorsFile::open(golden("every_dtype.safetensors"));
  EXPECT_EQ(file.tensors().size(), 15u);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  const std::vector<float> reals = {-1.5, -0.5, 0.5, 1.5, 2.5, 3.5};
  for (const char* name : {"real/float64", "real/float32", "real/float16", "real/bfloat16"}) {
    EXPECT_EQ(decoded(file.tensor(name)), reals) << name;
    EXPECT_EQ(file.tensor(name).shape, (std::vector<int64_t>{2, 3})) << name;
  }
  EXPECT_EQ(numbers_of<int64_t>(file.tensor("integer/int64")), (std::vector<int64_t>{-2, -1, 0, 1}));
  EXPECT_EQ(numbers_of<int32_t>(file.tensor("integer/int32")), (std::vector<int32_t>{-2, -1, 0, 1}));
  EXPECT_EQ(numbers_of<int16_t>(file.tensor("integer/int16")), (std::vector<int16_t>{-2, -1, 0, 1}));
  EXPECT_EQ(numbers_of<int8_t>(file.tensor("integer/int8")), (std::vector<int8_t>{-2, -1, 0, 1}));
  EXPECT_EQ(numbers_of<uint64_t>(file.tensor("integer/uint64")), (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_EQ(numbers_of<uint16_t>(file.tensor("integer/uint16")), (std::vector<uint16_t>{0, 1, 2}));
  EXPECT_EQ(file.tensor("integer/uint32").dtype, Dtype::u32);
  EXPECT_EQ(file.tensor("integer/uint8").dtype, Dtype::u8);
  EXPECT_EQ(numbers_of<uint8_t>(file.tensor("flags")), (std::vector<uint8_t>{1, 0, 1}));
  EXPECT_EQ(decoded(file.tensor("scalar")), (std::vector<float>{3.25}));
  EXPECT_TRUE(file.tensor("scalar").shape.empty());
  EXPECT_EQ(file.tensor("empty").elements(), 0);
  EXPECT_EQ(file.tensor("empty").shape, (std::vector<int64_t>{0, 5}));
}

TEST(Safetensors, ReadsAModelThatTransformersSaved) {
  const auto file = SafetensorsFile::open(golden("tiny_gpt2.safetensors"));
  std::ifstream stream(golden("tiny_gpt2.json"));
  const auto expected = nlohmann::json::parse(stream);
  EXPECT_EQ(file.tensors().size(), expected.size());
  for (const auto& [name, facts] : expected.items()) {
    const auto numbers = decoded(file.tensor(name));
    double sum = 0;
    for (const float number : numbers) sum += number;
    EXPECT_EQ(file.tensor(name).shape, facts["shape"].get<std::vector<int64_t>>()) << name;
    EXPECT_EQ(numbers.front(), facts["first"].get<float>()) << name;
    EXPECT_NEAR(sum, facts["sum"].get<double>(), 1e-12) << name;
  }
}

std::vector<SafetensorsOutput> outputs_of(const SafetensorsFile& file) {
  std::vector<SafetensorsOutput> outputs;
  for (const auto& tensor : file.tensors()) {
    outputs.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
  }
  return outputs;
}

TEST(Safetensors, WritesTheReferencesBytesWhateverTheOrder) {
  const TemporaryFolder folder;
  for (const char* name : {"every_dtype.safetensors", "tiny_gpt2.safetensors"}) {
    const auto file = SafetensorsFile::open(golden(name));
    auto outputs = outputs_of(file);
    std::reverse(outputs.begin(), outputs.end());
    write_safetensors(folder / name, outputs, file.metadata());
    EXPECT_EQ(read_text(folder / name), read_text(golden(name))) << name;
  }
}

TEST(Safetensors, DecodesAtTheEdges) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<double> doubles = {1e300, -1e300, 1e-300, 0.1};
  const auto tensor = [](Dtype dtype, auto& numbers) {
    return SafetensorsTensor{"a", dtype, {static_cast<int64_t>(numbers.size())}, std::as_bytes(std::span(numbers))};
  };
  EXPECT_EQ(decoded(tensor(Dtype::f64, doubles)), (std::vector<float>{infinity, -infinity, 0, 0.1f}));
  const std::vector<uint16_t> halves = {0x7c00, 0x0001, 0x7e00};
  const auto numbers = decoded(tensor(Dtype::f16, halves));
  EXPECT_EQ(numbers[0], infinity);
  EXPECT_EQ(numbers[1], 0x1p-24f);
  EXPECT_TRUE(std::isnan(numbers[2]));
  const std::vector<int32_t> integers = {1};
  expect_error([&] { decoded(tensor(Dtype::i32, integers)); }, "stored as I32, not as real numbers");
}

TEST(Safetensors, FindsByName) {
  const std::string bytes = file_bytes(one(), std::string(8, '\0'));
  const auto file = SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "test.safetensors");
  EXPECT_EQ(file.find("a"), &file.tensors().front());
  EXPECT_EQ(file.find("b"), nullptr);
  expect_error([&] { (void)file.tensor("b"); }, "tensor 'b' is missing (test.safetensors)");
  EXPECT_NO_THROW(file.release(file.tensor("a").bytes));
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  EXPECT_NO_THROW(parse(file_bytes("{}", "")));
  EXPECT_NO_THROW(parse(file_bytes("{}      ", "")));
  expect_rejected("{}", "the tensors end at byte 0 of 8");
}

TEST(Safetensors, KeepsPagesThatAreReleased) {
  const TemporaryFolder folder;
  const std::vector<float> numbers(10000, 0.5f);
  write_safetensors(folder / "a", {{"a", Dtype::f32, {100, 100}, std::as_bytes(std::span(numbers))}});
  const auto file = SafetensorsFile::open(folder / "a");
  file.release(file.tensor("a").bytes);
  EXPECT_EQ(decoded(file.tensor("a")), numbers);
}

// What a file can get wrong.

TEST(Safetensors, RefusesABrokenHeaderLength) {
  expect_error([] { parse("1234567"); }, "shorter than its header's length");
  expect_error([] { parse(file_bytes("{}", "", 3)); }, "a header of 3 bytes, 2 are left");
  expect_error([] { parse(file_bytes("{}", "", std::numeric_limits<uint64_t>::max())); },
               "a header of 18446744073709551615 bytes");
  expect_error([] { parse(file_bytes("{}", "", 0)); }, "does not start with {");
  expect_error([] { parse(file_bytes(" {}", "")); }, "does not start with {");
  expect_error([] { parse(file_bytes(std::string(100'000'001, ' '), "")); }, "a header of 100000001 bytes");
}

TEST(Safetensors, RefusesEveryTruncation) {
  const std::string whole = read_text(golden("every_dtype.safetensors"));
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(parse(whole.substr(0, size)), Error) << size;
  }
  EXPECT_THROW(parse(whole + "x"), Error);
}

/// Whatever single byte of the header changes, the result is sound or an Error; never a crash.
TEST(Safetensors, SurvivesEveryDamagedByteOfTheHeader) {
  const std::string whole = file_bytes(one(), std::string(8, '\1'));
  for (size_t i = 0; i + 8 < whole.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(byte);
      message_of([&] { parse(damaged); });
    }
  }
}

TEST(Safetensors, RefusesMalformedJson) {
  expect_rejected("{", "malformed JSON at byte 2");
  expect_rejected("{\"a\":}", "malformed JSON");
  expect_rejected("{} {}", "malformed JSON");
  expect_rejected("{\"\xff\":1}", "malformed JSON");
  expect_rejected(one("[1e999]"), "malformed JSON");
  expect_rejected(std::string("{}\0", 3), "malformed JSON");
}

TEST(Safetensors, RefusesDeepNestingAtOnce) {
  const std::string deep(1'000'000, '[');
  expect_rejected("{\"a\":" + deep, "a list where none belongs");
  expect_rejected(one(deep), "a list where none belongs");
  std::string objects = "{";
  for (int i = 0; i < 100'000; ++i) objects += "\"a\":{";
  expect_rejected(objects, "unknown field 'a'");
}

TEST(Safetensors, RefusesWhatTheFormatDoesNotKnow) {
  expect_rejected(R"({"a":1})", "a number where none belongs");
  expect_rejected(R"({"a":null})", "a null where none belongs");
  expect_rejected(R"({"a":"F32"})", "a text where none belongs");
  expect_rejected(R"({"a":true})", "a truth value");
  expect_rejected(R"({"a":{}})", "a tensor with a missing field");
  expect_rejected(R"({"a":{"dtype":"F32","shape":[2]}})", "a missing field");
  expect_rejected(R"({"a":{"dtype":"F32","kind":1}})", "unknown field 'kind'");
  expect_rejected(R"({"a":{"dtype":[]}})", "a list where none belongs");
  expect_rejected(R"({"a":{"shape":"2"}})", "a text where none belongs");
  expect_rejected(one("[2.0]"), "a number with a fraction");
  expect_rejected(one("[-2]"), "a negative number -2");
  expect_rejected(one("[\"2\"]"), "a text where none belongs");
  expect_rejected(one("[2]", "[0]"), "not two numbers");
  expect_rejected(one("[2]", "[0,8,8]"), "not two numbers");
  expect_rejected(one("[2]", "[0,8]", "\"Q4\""), "tensor 'a' is stored as 'Q4', which is not");
  expect_rejected(one("[2]", "[0,8]", "\"\\n\\u00e9\""), "tensor 'a' is stored as");
  expect_rejected(R"({"__metadata__":{"a":1}})", "a number where none belongs");
  expect_rejected(R"({"__metadata__":{"a":{}}})", "an object where none belongs");
  expect_rejected(R"({"__metadata__":[]})", "a list where none belongs");
}

TEST(Safetensors, RefusesDuplicates) {
  const std::string tensor = R"("a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  expect_rejected("{" + tensor + "," + tensor + "}", "tensor 'a' is there twice", "");
  expect_rejected(R"({"a":{"dtype":"F32","dtype":"F32"}})", "'dtype' twice");
  expect_rejected(R"({"a":{"shape":[2],"shape":[2]}})", "'shape' twice");
  expect_rejected(R"({"__metadata__":{"k":"1","k":"2"}})", "metadata 'k' twice");
  expect_rejected(R"({"__metadata__":{},"__metadata__":{}})", "'__metadata__' twice");
}

TEST(Safetensors, RefusesShapesThatDoNotFit) {
  expect_rejected(one("[3]"), "a shape that does not fit its 8 bytes");
  expect_rejected(one("[]"), "does not fit its 8 bytes");
  expect_rejected(one("[9223372036854775807,9223372036854775807]"), "does not fit");
  expect_rejected(one("[4611686018427387904,2]"), "does not fit");
  expect_rejected(one("[4294967296,4294967296,2]"), "does not fit");
  expect_rejected(one("[9223372036854775808]"), "an absurd number");
  expect_rejected(one("[0,9223372036854775807,4]"), "does not fit its 8 bytes");
  std::string long_shape = "[1";
  for (int i = 0; i < 64; ++i) long_shape += ",1";
  expect_rejected(one(long_shape + "]"), "a list of more than 64 numbers");
}

TEST(Safetensors, RefusesOffsetsThatDoNotFit) {
  expect_rejected(one("[2]", "[0,9]"), "lies beyond the file's end");
  expect_rejected(one("[1]", "[4,8]"), "a hole before tensor 'a'");
  expect_rejected(one("[1]", "[0,4]"), "the tensors end at byte 4 of 8");
  expect_rejected(one("[2]", "[8,0]"), "a hole");
  expect_rejected(one("[2]", "[0,9223372036854775807]"), "lies beyond");
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"F32","shape":[1],"data_offsets":)" + first +
           R"(},"b":{"dtype":"F32","shape":[1],"data_offsets":)" + second + "}}";
  };
  EXPECT_NO_THROW(parse(file_bytes(two("[4,8]", "[0,4]"), std::string(8, '\1'))));
  expect_rejected(two("[0,4]", "[0,4]"), "tensor 'b' overlaps");
  expect_rejected(two("[0,4]", "[2,6]"), "tensor 'b' overlaps");
  expect_rejected(two("[0,4]", "[5,8]"), "a hole before tensor 'b'");
}

TEST(Safetensors, NamesAnUnreadableFile) {
  const TemporaryFolder folder;
  expect_error([&] { SafetensorsFile::open(folder / "absent"); }, "no such file");
  folder.write("text", "no safetensors at all");
  expect_error([&] { SafetensorsFile::open(folder / "text"); }, "no safetensors file");
}

// Writing.

TEST(WriteSafetensors, RoundTripsNamesAndMetadata) {
  const TemporaryFolder folder;
  const std::vector<float> numbers = {1, 2};
  const std::string odd = "a \"quoted\" name\\ \n é";
  write_safetensors(folder / "a", {{odd, Dtype::f32, {1, 2}, std::as_bytes(std::span(numbers))}},
                    {{"b", "2"}, {"a", "line\n"}});
  const auto file = SafetensorsFile::open(folder / "a");
  EXPECT_EQ(decoded(file.tensor(odd)), numbers);
  EXPECT_EQ(file.metadata().at("a"), "line\n");
  EXPECT_EQ(read_text(folder / "a").size() % 8, 0u);
}

TEST(WriteSafetensors, RefusesWhatCannotBeReadBack) {
  const TemporaryFolder folder;
  const std::vector<float> numbers = {1, 2};
  const auto output = [&](const std::string& name, std::vector<int64_t> shape) {
    return SafetensorsOutput{name, Dtype::f32, std::move(shape), std::as_bytes(std::span(numbers))};
  };
  const auto write = [&](std::vector<SafetensorsOutput> outputs) {
    write_safetensors(folder / "a", std::move(outputs));
  };
  expect_error([&] { write({output("a", {2}), output("a", {2})}); }, "tensor 'a' cannot be written");
  expect_error([&] { write({output("__metadata__", {2})}); }, "cannot be written under that name");
  expect_error([&] { write({output("a", {3})}); }, "does not fit its 8 bytes");
  expect_error([&] { write({output("a", {-2})}); }, "does not fit its 8 bytes");
  expect_error([&] { write({output("\xff", {2})}); }, "not UTF-8");
  expect_error([&] { write_safetensors(folder / "a", {}, {{"k", "\xff"}}); }, "not UTF-8");
  EXPECT_EQ(files_in(folder.path()), 0u);
}

TEST(WriteSafetensors, LeavesNothingHalfWritten) {
  const TemporaryFolder folder;
  folder.write("a", "old");
  const std::vector<float> numbers(1000, 1);
  EXPECT_TRUE(fails_on_small_disk(1000, "cannot write", [&] {
    write_safetensors(folder / "a", {{"a", Dtype::f32, {1000}, std::as_bytes(std::span(numbers))}});
  }));
  EXPECT_EQ(read_text(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

}  // namespace
}  // namespace replicate
