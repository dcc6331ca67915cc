#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

class MappedFileTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    folder_.write(name, content);
    return folder_ / name;
  }

  const TemporaryFolder folder_;
};

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(MappedFileTest, ShowsTheContent) {
  const MappedFile file = MappedFile::open(write("a", "some bytes"));
  EXPECT_EQ(text(file.bytes()), "some bytes");
}

TEST_F(MappedFileTest, MovesWithItsMapping) {
  MappedFile file = MappedFile::open(write("a", "first"));
  MappedFile other = MappedFile::open(write("b", "second"));
  file = std::move(other);
  EXPECT_EQ(text(MappedFile(std::move(file)).bytes()), "second");
}

TEST_F(MappedFileTest, ReleasedPagesComeBack) {
  std::string content(100'000, 'x');
  content.back() = 'y';
  const MappedFile file = MappedFile::open(write("a", content));
  EXPECT_EQ(text(file.bytes()), content);
  file.release(file.bytes());
  file.release(file.bytes().subspan(10, 3));
  file.release({});
  EXPECT_EQ(text(file.bytes()), content);
}

TEST_F(MappedFileTest, SaysWhatIsWrong) {
  expect_error([&] { MappedFile::open(folder_ / "missing"); }, "no such file");
  expect_error([&] { MappedFile::open(folder_.path()); }, "a directory, not a file");
  expect_error([&] { MappedFile::open(write("empty", "")); }, "the file is empty");
  expect_error([&] { MappedFile::open(write("a", "x") / "below"); }, "Not a directory");
}

TEST_F(MappedFileTest, DoesNotWaitForAPipe) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  expect_error([&] { MappedFile::open(folder_ / "pipe"); }, "not a regular file");
}

TEST_F(MappedFileTest, SaysThatItMayNotRead) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const std::filesystem::path path = write("secret", "x");
  std::filesystem::permissions(path, std::filesystem::perms::none);
  expect_error([&] { MappedFile::open(path); }, "cannot read the file, Permission denied");
}

TEST_F(MappedFileTest, DigestOfAFileIsThatOfItsBytes) {
  // NIST's examples: "abc", and the empty message.
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const std::string content(3'000'001, 'z');
  EXPECT_EQ(sha256_file(write("long", content)), sha256_hex(content));
  EXPECT_EQ(sha256_file(write("none", "")), sha256_hex(""));
  expect_error([&] { sha256_file(folder_ / "missing"); }, "No such file");
  expect_error([&] { sha256_file(folder_.path()); }, "cannot read the file");
}

TEST_F(MappedFileTest, DigestOfSeveralFilesIsThatOfTheirDigests) {
  const std::vector<std::filesystem::path> files{write("a", "first"), write("b", "second")};
  EXPECT_EQ(sha256_files(std::span(files).first(1)), sha256_hex("first"));
  EXPECT_EQ(sha256_files(files), sha256_hex(sha256_hex("first") + "\n" + sha256_hex("second") + "\n"));
}

}  // namespace
}  // namespace replicate
