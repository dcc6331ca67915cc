#include "models/formats/gguf.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "models/formats/shard_name.h"
#include "tests/support/expect_error.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

const std::vector<float> kSix = {0, 1, 2, 3, 4, 5};

GgufWriter small_file(uint32_t version = 3) {
  GgufWriter writer(version);
  writer.text("general.architecture", "llama").unsigned_integer("llama.block_count", 30);
  writer.real("llama.rope.freq_base", 10000).boolean("flag", true).integer("negative", -7);
  writer.integers("numbers", {3, 1, 2}).reals("weights", {0.5f, -1}).texts("words", {"a", "", "b c"});
  writer.tensor("first", {2, 3}, kSix).tensor("second", {6}, kSix, TensorType::f16);
  return writer;
}

/// Parses a copy that ends where the heap block ends, so that a sanitizer sees every byte too far.
void parse(std::span<const std::byte> bytes) {
  const std::vector<std::byte> exact(bytes.begin(), bytes.end());
  GgufFile::parse(exact, "test.gguf");
}

void expect_rejected(const GgufWriter& writer, const std::string& part) {
  expect_error([&] { parse(writer.bytes()); }, part);
}

template <typename... Numbers>
std::vector<std::byte> packed(Numbers... numbers) {
  ByteWriter out;
  (out.number(numbers), ...);
  return out.bytes();
}

TEST(Gguf, ReadsMetadataOfEveryKind) {
  for (const uint32_t version : {2u, 3u}) {
    const auto bytes = small_file(version).bytes();
    const GgufFile file = GgufFile::parse(bytes, "test.gguf");
    EXPECT_EQ(file.require_text("general.architecture"), "llama");
    EXPECT_EQ(file.require_integer("llama.block_count"), 30);
    EXPECT_EQ(file.require_integer("negative"), -7);
    EXPECT_EQ(file.require_real("llama.rope.freq_base"), 10000);
    EXPECT_EQ(file.require_real("llama.block_count"), 30);
    EXPECT_TRUE(file.require_boolean("flag"));
    EXPECT_EQ(file.require_integers("numbers"), (std::vector<int64_t>{3, 1, 2}));
    EXPECT_EQ(file.require_reals("weights"), (std::vector<double>{0.5, -1}));
    EXPECT_EQ(file.require_texts("words"), (std::vector<std::string>{"a", "", "b c"}));
    EXPECT_EQ(file.keys().size(), 8u);
  }
}

TEST(Gguf, ReadsIntegersOfEveryWidth) {
  GgufWriter writer;
  writer.raw_value("u8", 0, packed(uint8_t{200})).raw_value("i8", 1, packed(int8_t{-100}));
  writer.raw_value("u16", 2, packed(uint16_t{60000})).raw_value("i16", 3, packed(int16_t{-30000}));
  writer.raw_value("u32", 4, packed(uint32_t{4000000000})).raw_value("i32", 5, packed(int32_t{-2000000000}));
  writer.raw_value("u64", 10, packed(uint64_t{1} << 62)).raw_value("i64", 11, packed(int64_t{-1} << 62));
  writer.raw_value("f64", 12, packed(0.1));
  writer.raw_value("too large", 10, packed(std::numeric_limits<uint64_t>::max()));
  const auto bytes = writer.bytes();
  const GgufFile file = GgufFile::parse(bytes, "test.gguf");
  EXPECT_EQ(file.integer("u8"), 200);
  EXPECT_EQ(file.integer("i8"), -100);
  EXPECT_EQ(file.integer("u16"), 60000);
  EXPECT_EQ(file.integer("i16"), -30000);
  EXPECT_EQ(file.integer("u32"), 4000000000);
  EXPECT_EQ(file.integer("i32"), -2000000000);
  EXPECT_EQ(file.integer("u64"), int64_t{1} << 62);
  EXPECT_EQ(file.integer("i64"), int64_t{-1} * (int64_t{1} << 62));
  EXPECT_EQ(file.real("f64"), 0.1);
  expect_error([&] { (void)file.integer("too large"); }, "not an integer that fits 64 bits");
}

TEST(Gguf, TellsAbsentKeysFromWrongTypes) {
  const auto bytes = small_file().bytes();
  const GgufFile file = GgufFile::parse(bytes, "test.gguf");
  EXPECT_EQ(file.integer("absent"), std::nullopt);
  EXPECT_EQ(file.boolean("absent"), std::nullopt);
  EXPECT_EQ(file.texts("absent"), std::nullopt);
  EXPECT_FALSE(file.has("absent"));
  expect_error([&] { (void)file.require_text("absent"); }, "metadata 'absent' is missing (test.gguf)");
  expect_error([&] { (void)file.integer("flag"); }, "metadata 'flag' holds a truth value, not an integer");
  expect_error([&] { (void)file.boolean("negative"); }, "not a truth value");
  expect_error([&] { (void)file.text("numbers"); }, "is an array, not a single value");
  expect_error([&] { (void)file.integers("negative"); }, "is a single value, not an array");
  expect_error([&] { (void)file.integers("words"); }, "holds a text, not an integer");
}

TEST(Gguf, ShapesHaveTheSlowestDimensionFirst) {
  const auto bytes = small_file().bytes();
  const GgufFile file = GgufFile::parse(bytes, "test.gguf");
  ASSERT_EQ(file.tensors().size(), 2u);
  const StoredTensor& first = file.tensor("first");
  EXPECT_EQ(first.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(first.elements(), 6);
  EXPECT_EQ(first.type, TensorType::f32);
  EXPECT_EQ(std::memcmp(first.bytes.data(), kSix.data(), first.bytes.size()), 0);
  EXPECT_EQ(file.find("second")->bytes.size(), 12u);
  EXPECT_EQ(file.find("third"), nullptr);
  expect_error([&] { (void)file.tensor("third"); }, "tensor 'third' is missing (test.gguf)");
}

TEST(Gguf, KeepsTheMappingOfAnOpenedFile) {
  const TemporaryFolder folder;
  const auto path = folder / "small.gguf";
  small_file().write(path);
  const GgufFile file = [&] { return GgufFile::open(path); }();
  std::filesystem::remove(path);
  EXPECT_EQ(file.where(), path.string());
  EXPECT_EQ(file.tensor("first").bytes.size(), 24u);
  file.release(file.tensor("first"));
  EXPECT_EQ(static_cast<int>(file.tensor("first").bytes[4 + 2]), 0x80);  // 1.0f
}

TEST(Gguf, FollowsTheAlignmentTheFileStates) {
  const auto bytes = GgufWriter().alignment(256).tensor("a", {6}, kSix).tensor("b", {6}, kSix).bytes();
  const GgufFile file = GgufFile::parse(bytes, "test.gguf");
  EXPECT_EQ((file.tensor("a").bytes.data() - bytes.data()) % 256, 0);
  EXPECT_EQ(file.tensor("b").bytes.data() - file.tensor("a").bytes.data(), 256);
}

TEST(Gguf, ReadsEveryStorageType) {
  const std::vector<float> numbers(512, 0.5f);
  GgufWriter writer;
  for (const TensorType type : tensor_types()) writer.tensor(type_name(type), {2, 256}, numbers, type);
  const auto bytes = writer.bytes();
  const GgufFile file = GgufFile::parse(bytes, "test.gguf");
  for (const TensorType type : tensor_types()) {
    const StoredTensor& tensor = file.tensor(type_name(type));
    EXPECT_EQ(tensor.type, type);
    std::vector<float> decoded(512);
    dequantize(tensor.type, tensor.bytes, decoded);
    EXPECT_NEAR(decoded[300], 0.5, 0.01) << tensor.name;
  }
}

// Models in several files.

/// Part `number`, from 1, of a model: a tensor of its own, and metadata in the first part alone.
GgufWriter shard(uint16_t number, uint16_t count, int32_t tensors) {
  GgufWriter writer;
  if (number == 1) writer.text("general.architecture", "llama");
  writer.raw_value("split.no", 2, packed(static_cast<uint16_t>(number - 1)));
  writer.raw_value("split.count", 2, packed(count));
  writer.raw_value("split.tensors.count", 5, packed(tensors));
  return writer.tensor("t" + std::to_string(number), {6}, kSix);
}

class SplitModel : public testing::Test {
 protected:
  SplitModel() {
    for (const uint16_t number : {1, 2, 3}) shard(number, 3, 3).write(part(number));
  }
  std::filesystem::path part(int number) const {
    return folder_ / ("model-0000" + std::to_string(number) + "-of-00003.gguf");
  }
  void expect_refused(const std::string& message) const {
    expect_error([&] { GgufFile::open(part(1)); }, message);
  }

  const TemporaryFolder folder_;
};

TEST_F(SplitModel, IsOneSetOfTensors) {
  const GgufFile file = [&] { return GgufFile::open(part(1)); }();
  EXPECT_EQ(file.where(), part(1).string());
  EXPECT_EQ(file.files(), (std::vector<std::filesystem::path>{part(1), part(2), part(3)}));
  EXPECT_EQ(file.require_text("general.architecture"), "llama");
  ASSERT_EQ(file.tensors().size(), 3u);
  for (const std::string name : {"t1", "t2", "t3"}) {
    const StoredTensor& tensor = file.tensor(name);
    file.release(tensor);
    EXPECT_EQ(std::memcmp(tensor.bytes.data(), kSix.data(), tensor.bytes.size()), 0) << name;
  }
  EXPECT_EQ(file.find("t3"), &file.tensors()[2]);
}

/// gguf-split --no-tensor-first-split
TEST_F(SplitModel, TheFirstFileMayHaveNoTensors) {
  GgufWriter first;
  first.text("general.architecture", "llama").integer("split.no", 0).integer("split.count", 3);
  first.integer("split.tensors.count", 2).write(part(1));
  for (const uint16_t number : {2, 3}) shard(number, 3, 2).write(part(number));
  EXPECT_EQ(GgufFile::open(part(1)).tensors().size(), 2u);
}

TEST_F(SplitModel, AFileThatWasNotSplitIsWholeUnderAnyName) {
  for (const int64_t count : {0, 1}) {
    small_file().integer("split.no", 0).integer("split.count", count).write(part(1));
    const GgufFile file = GgufFile::open(part(1));
    EXPECT_EQ(file.files(), std::vector<std::filesystem::path>{part(1)});
    EXPECT_EQ(file.tensors().size(), 2u);
  }
}

TEST_F(SplitModel, IsOpenedByItsFirstFile) {
  expect_error([&] { GgufFile::open(part(2)); }, "name the first one, model-00001-of-00003.gguf");
  std::filesystem::rename(part(3), folder_ / "other.gguf");
  expect_error([&] { GgufFile::open(folder_ / "other.gguf"); },
               "name the first one, the one that ends in -00001-of-00003.gguf");
}

TEST_F(SplitModel, NeedsTheNamesOfGgufSplit) {
  for (const char* name : {"other.gguf", "x", "model-00001-of-00004.gguf", "model-00002-of-00003.gguf",
                           "model-1-of-3.gguf", "model-0000a-of-00003.gguf"}) {
    shard(1, 3, 3).write(folder_ / name);
    expect_error([&] { GgufFile::open(folder_ / name); }, "under a name that does not end in -00001-of-00003.gguf");
  }
}

TEST_F(SplitModel, SaysWhichFileIsMissing) {
  std::filesystem::remove(part(2));
  expect_refused("one of a model's 3 files is missing (" + part(2).string() + ")");
}

TEST_F(SplitModel, RefusesFilesOfOtherModels) {
  const std::string where = " (" + part(2).string() + ")";
  shard(3, 3, 3).write(part(2));
  expect_refused("not file 2 of the same model: metadata 'split.no' is 2 instead of 1" + where);
  shard(2, 4, 3).write(part(2));
  expect_refused("metadata 'split.count' is 4 instead of 3" + where);
  shard(2, 3, 7).write(part(2));
  expect_refused("metadata 'split.tensors.count' is 7 instead of 3" + where);
  small_file().write(part(2));
  expect_refused("metadata 'split.count' is missing" + where);
  shard(2, 3, 3).tensor("t1", {6}, kSix).write(part(2));
  expect_refused("tensor 't1' is in another file of the model, too" + where);
  shard(2, 3, 3).tensor("t4", {6}, kSix).write(part(2));
  expect_refused("the model's files hold 4 tensors instead of 3");
}

TEST_F(SplitModel, RefusesAbsurdNumbers) {
  for (const int64_t count : {int64_t{-1}, int64_t{65536}, std::numeric_limits<int64_t>::max()}) {
    small_file().integer("split.count", count).write(part(1));
    expect_refused("metadata 'split.count' is " + std::to_string(count) + ", not from 0 to 65535");
  }
  for (const int64_t number : {int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    small_file().integer("split.count", 3).integer("split.no", number).write(part(1));
    expect_refused("metadata 'split.no' is " + std::to_string(number));
  }
  small_file().integer("split.count", 3).write(part(1));
  expect_refused("metadata 'split.no' is missing");
}

TEST_F(SplitModel, JoinsOnlyWholeModels) {
  const auto bytes = shard(1, 3, 3).bytes();
  expect_error([] { GgufFile::join({}); }, "no file of a model");
  std::vector<GgufFile> shards;
  shards.push_back(GgufFile::parse(bytes, "a"));
  expect_error([&] { GgufFile::join(shards); }, "1 of the model's 3 files are there (a)");
}

TEST(ShardName, IsReadOffTheEndOfAName) {
  const auto name = ShardName::of("some/folder/big-model-00002-of-00013.gguf");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->prefix, "some/folder/big-model");
  EXPECT_EQ(name->number, 2);
  EXPECT_EQ(name->count, 13);
  EXPECT_EQ(name->sibling(13).path(), "some/folder/big-model-00013-of-00013.gguf");
  for (const char* other : {"", "model.gguf", "m-00000-of-00003.gguf", "m-00004-of-00003.gguf", "m-00001-of-00003.bin",
                            "m-0001-of-0003.gguf", "m-+0001-of-00003.gguf"}) {
    EXPECT_FALSE(ShardName::of(other)) << other;
  }
}

TEST(ShardName, ListsTheFilesOfAModel) {
  EXPECT_EQ(model_files("one.gguf"), std::vector<std::filesystem::path>{"one.gguf"});
  EXPECT_EQ(model_files("m-00001-of-00002.gguf"),
            (std::vector<std::filesystem::path>{"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}));
  EXPECT_EQ(model_files("m-00002-of-00002.gguf").size(), 1u);
}

// Hostile input.

TEST(Gguf, AnyTruncationIsAnErrorAndNothingWorse) {
  const auto bytes = small_file().bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    expect_error([&] { parse(std::span(bytes).first(size)); }, "");
  }
}

TEST(Gguf, RejectsOtherFormats) {
  expect_error([] { parse(packed(uint64_t{1}, uint64_t{2}, uint64_t{3})); }, "not a GGUF file");
  expect_rejected(GgufWriter(1), "GGUF version 1");
  expect_rejected(GgufWriter(4), "GGUF version 4");
  expect_rejected(GgufWriter(3u << 24), "big-endian");
}

TEST(Gguf, RejectsAbsurdCounts) {
  const auto with_counts = [](uint64_t tensors, uint64_t values) {
    return packed(uint32_t{0x46554747}, uint32_t{3}, tensors, values, uint64_t{0}, uint64_t{0});
  };
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  expect_error([&] { parse(with_counts(kHuge, 0)); }, "absurd count: 18446744073709551615 tensors");
  expect_error([&] { parse(with_counts(0, kHuge)); }, "metadata values");
  expect_error([&] { parse(with_counts(0, kHuge / 13 + 2)); }, "metadata values");
  expect_rejected(GgufWriter().raw_value("list", 9, packed(uint32_t{4}, kHuge)), "items of metadata 'list'");
  expect_rejected(GgufWriter().raw_value("list", 9, packed(uint32_t{12}, kHuge / 8 + 1)), "items of metadata 'list'");
  expect_rejected(GgufWriter().raw_value("list", 9, packed(uint32_t{8}, uint64_t{1} << 40)),
                  "items of metadata 'list'");
}

TEST(Gguf, RejectsAbsurdTexts) {
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  expect_rejected(GgufWriter().raw_value("name", 8, packed(kHuge)), "needs 18446744073709551615 bytes");
  expect_rejected(GgufWriter().raw_value("name", 8, packed(kHuge - 7)), "truncated");
  expect_rejected(GgufWriter().raw_value("names", 9, packed(uint32_t{8}, uint64_t{1}, kHuge)),
                  "truncated: metadata 'names'");
}

TEST(Gguf, RejectsBrokenMetadata) {
  expect_rejected(GgufWriter().integer("twice", 1).integer("twice", 2), "metadata 'twice' is there twice");
  expect_rejected(GgufWriter().raw_value("odd", 13, {}), "unknown type 13");
  expect_rejected(GgufWriter().raw_value("odd", 9, packed(uint32_t{99}, uint64_t{0})), "unknown type 99");
  expect_rejected(GgufWriter().raw_value("deep", 9, packed(uint32_t{9}, uint64_t{1}, uint64_t{0})),
                  "metadata 'deep' is an array of arrays");
}

TEST(Gguf, RejectsUnsupportedStorageByName) {
  expect_rejected(GgufWriter().raw_tensor("w", {256}, 15, 0), "tensor 'w' is stored as Q8_K");
  expect_rejected(GgufWriter().raw_tensor("w", {256}, 20, 0), "stored as IQ4_NL, which is not");
  expect_rejected(GgufWriter().raw_tensor("w", {256}, 24, 0), "stored as I8");
  expect_rejected(GgufWriter().raw_tensor("w", {256}, 4, 0), "stored as type 4");
  expect_rejected(GgufWriter().raw_tensor("w", {256}, 0xffffffff, 0), "stored as type 4294967295");
}

TEST(Gguf, RejectsBrokenShapes) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  expect_rejected(GgufWriter().raw_tensor("w", {1, 1, 1, 1, 1}, 0, 0), "has 5 dimensions");
  expect_rejected(GgufWriter().raw_tensor("w", {4, 0}, 0, 0), "has a dimension of 0");
  expect_rejected(GgufWriter().raw_tensor("w", {-4}, 0, 0), "has a dimension of -4");
  expect_rejected(GgufWriter().raw_tensor("w", {kHuge, kHuge}, 0, 0), "absurd shape");
  expect_rejected(GgufWriter().raw_tensor("w", {1ll << 32, 1ll << 32}, 0, 0), "absurd shape");
  expect_rejected(GgufWriter().raw_tensor("w", {kHuge}, 0, 0), "lies beyond the file's end");
  expect_rejected(GgufWriter().raw_tensor("w", {32, 33}, 8, 0), "no whole number of blocks");
  expect_rejected(GgufWriter().raw_tensor("w", {256, 32}, 14, 0), "no whole number of blocks");
}

TEST(Gguf, RejectsTensorsOutOfPlace) {
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  expect_rejected(GgufWriter().raw_tensor("w", {1}, 0, 0), "tensor 'w' lies beyond the file's end");
  expect_rejected(GgufWriter().tensor("v", {6}, kSix).raw_tensor("w", {7}, 0, 0),
                  "tensor 'w' lies beyond the file's end");
  expect_rejected(GgufWriter().tensor("v", {6}, kSix).raw_tensor("w", {1}, 0, 4), "at a multiple of 32");
  expect_rejected(GgufWriter().tensor("v", {6}, kSix).raw_tensor("w", {1}, 0, kHuge - 31),
                  "tensor 'w' lies beyond the file's end");
  expect_rejected(GgufWriter().tensor("w", {6}, kSix).tensor("w", {6}, kSix), "tensor 'w' is there twice");
}

TEST(Gguf, RejectsBadAlignment) {
  for (const int64_t alignment : {int64_t{0}, int64_t{3}, int64_t{-32}, int64_t{1} << 40}) {
    GgufWriter writer;
    writer.integer("general.alignment", alignment).tensor("w", {6}, kSix);
    expect_rejected(writer, "metadata 'general.alignment' is " + std::to_string(alignment));
  }
  expect_rejected(GgufWriter().text("general.alignment", "32").tensor("w", {6}, kSix), "holds a text, not an integer");
}

TEST(Gguf, MessagesStayOnOneLineWhateverTheName) {
  const std::string name = "evil\n\x1b[31m" + std::string(500, 'x');
  expect_rejected(GgufWriter().raw_tensor(name, {256}, 15, 0), "tensor 'evil??[31mxxx");
}

TEST(Gguf, ChangingAnyByteDoesNoHarm) {
  auto bytes = small_file().bytes();
  for (std::byte& byte : bytes) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      byte ^= static_cast<std::byte>(flip);
      try {
        parse(bytes);
      } catch (const Error&) {
      }
      byte ^= static_cast<std::byte>(flip);
    }
  }
}

}  // namespace
}  // namespace replicate
