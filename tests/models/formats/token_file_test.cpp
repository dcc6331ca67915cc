#include "models/formats/token_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <numeric>

#include "tests/support/expect_error.h"
#include "tests/support/files_in.h"
#include "tests/support/small_disk.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;

const Sha256Digest kSource = sha256("source");

Ids counting(int64_t count, int64_t first = 0) {
  Ids ids(static_cast<size_t>(count));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

/// Three documents: 5 and 3 tokens of training, 2 of validation between them.
void write_small(const fs::path& path, int64_t vocabulary = 100) {
  TokenFileWriter writer(path, vocabulary, kSource);
  writer.add_document(counting(5), Split::train);
  writer.add_document(Ids{}, Split::train);
  writer.add_document(counting(2, 50), Split::validation);
  writer.add_document(counting(3, 97), Split::train);
  writer.finish();
}

std::vector<std::byte> bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Ids copied(const TokenFile& file, int64_t first, int64_t count) {
  Ids ids(static_cast<size_t>(count));
  file.copy(first, ids);
  return ids;
}

TEST(TokenFile, RoundTripsWithBothWidthsOfId) {
  const TemporaryFolder folder;
  for (const int64_t vocabulary : {int64_t{100}, int64_t{65536}, int64_t{65537}, int64_t{1} << 30}) {
    write_small(folder / "a", vocabulary);
    const TokenFile file = TokenFile::open(folder / "a");
    EXPECT_EQ(file.vocabulary(), vocabulary);
    EXPECT_EQ(file.tokens(), 10);
    EXPECT_EQ(file.source(), kSource);
    EXPECT_EQ(copied(file, 0, 10), (Ids{0, 1, 2, 3, 4, 50, 51, 97, 98, 99}));
    EXPECT_EQ(copied(file, 6, 2), (Ids{51, 97}));
    EXPECT_EQ(copied(file, 10, 0), Ids{});
    ASSERT_EQ(file.documents().size(), 3u);
    EXPECT_EQ(file.documents()[1].first, 5);
    EXPECT_EQ(file.documents()[1].count, 2u);
    EXPECT_EQ(file.documents()[1].split, Split::validation);
    EXPECT_EQ(file.largest_id(), 99);
    EXPECT_NO_THROW(file.verify());
  }
}

TEST(TokenFile, HoldsTheLargestIds) {
  const TemporaryFolder folder;
  for (const int64_t vocabulary : {int64_t{65536}, int64_t{std::numeric_limits<int32_t>::max()}}) {
    TokenFileWriter writer(folder / "a", vocabulary, kSource);
    writer.add_document(Ids{vocabulary - 1, 0}, Split::train);
    writer.finish();
    EXPECT_EQ(copied(TokenFile::open(folder / "a"), 0, 2), (Ids{vocabulary - 1, 0}));
  }
}

TEST(TokenFile, HasTheSameBytesEveryTime) {
  const TemporaryFolder folder;
  write_small(folder / "a");
  write_small(folder / "b");
  EXPECT_EQ(bytes_of(folder / "a"), bytes_of(folder / "b"));
  EXPECT_EQ(bytes_of(folder / "a").size(), 136u + 24 + 3 * 16);  // 20 bytes of ids, padded
}

TEST(TokenFile, StreamsManyDocuments) {
  const TemporaryFolder folder;
  TokenFileWriter writer(folder / "a", 50000, kSource);
  for (int64_t i = 0; i < 3000; ++i) writer.add_document(counting(500, i), Split::train);
  writer.finish();
  const TokenFile file = TokenFile::open(folder / "a");
  EXPECT_NO_THROW(file.verify());
  EXPECT_EQ(copied(file, 2999 * 500, 500), counting(500, 2999));
}

TEST(TokenFile, ChecksWhatIsCopied) {
  const TemporaryFolder folder;
  write_small(folder / "a");
  const TokenFile file = TokenFile::open(folder / "a");
  expect_error([&] { copied(file, 9, 2); }, "are not among 10");
  expect_error([&] { copied(file, -1, 1); }, "are not among 10");
  expect_error([&] { copied(file, 11, 0); }, "are not among 10");
  expect_error([&] { copied(file, std::numeric_limits<int64_t>::max(), 1); }, "are not among");
}

TEST(TokenFile, WriterRefusesIdsOutsideTheVocabularyAndLeavesNothing) {
  const TemporaryFolder folder;
  const auto write = [&](Ids ids) {
    TokenFileWriter writer(folder / "a", 10, kSource);
    writer.add_document(ids, Split::train);
    writer.finish();
  };
  expect_error([&] { write({1, 10}); }, "token id 10 is not in the vocabulary of 10");
  expect_error([&] { write({-1}); }, "token id -1");
  expect_error([&] { TokenFileWriter(folder / "a", 0, kSource); }, "a vocabulary of 0 tokens");
  EXPECT_TRUE(fails_on_small_disk(1000, "cannot write", [&] {
    TokenFileWriter writer(folder / "a", 10000, kSource);
    writer.add_document(counting(5000), Split::train);
    writer.finish();
  }));
  EXPECT_EQ(files_in(folder.path()), 0u);
}

// Damaged files.

constexpr size_t kChecked = 104;  // bytes of the header under its checksum

/// The bytes of a sound file with some of them changed, and its checksums made to fit if wanted.
class Damaged {
 public:
  Damaged() {
    const TemporaryFolder folder;
    write_small(folder / "a");
    bytes_ = bytes_of(folder / "a");
  }

  template <typename Number>
  Damaged& set(size_t at, Number number) {
    std::memcpy(bytes_.data() + at, &number, sizeof(number));
    return *this;
  }

  Damaged& resize(size_t size) {
    bytes_.resize(size);
    return *this;
  }

  Damaged& seal() {
    const Sha256Digest digest = sha256(std::span(bytes_).first(kChecked));
    std::memcpy(bytes_.data() + kChecked, digest.data(), digest.size());
    return *this;
  }

  Damaged& seal_payload() {
    const Sha256Digest digest = sha256(std::span(bytes_).subspan(136));
    std::memcpy(bytes_.data() + 40, digest.data(), digest.size());
    return seal();
  }

  const std::vector<std::byte>& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }

  void expect_rejected(const std::string& part) const {
    expect_error([&] { TokenFile::parse(bytes_, "test.tokens"); }, part);
  }

 private:
  std::vector<std::byte> bytes_;
};

TEST(DamagedTokenFile, IsRefusedForItsHeader) {
  Damaged().set(0, 'X').expect_rejected("no file of token ids");
  Damaged().resize(135).expect_rejected("no file of token ids");
  Damaged().set(8, uint32_t{2}).expect_rejected("token file version 2");
  Damaged().set(24, uint64_t{9}).expect_rejected("does not have its checksum");
  Damaged().set(80, uint8_t{9}).expect_rejected("does not have its checksum");
  Damaged().set(12, uint32_t{4}).seal().expect_rejected("ids of 4 bytes");
  Damaged().set(16, uint64_t{0}).seal().expect_rejected("a vocabulary of 0 tokens");
  Damaged().set(16, ~uint64_t{0}).seal().expect_rejected("an absurd vocabulary");
  Damaged().set(16, uint64_t{1} << 40).seal().expect_rejected("a vocabulary of 1099511627776");
}

TEST(DamagedTokenFile, IsRefusedForItsSize) {
  const size_t whole = Damaged().size();
  for (size_t size = 136; size < whole; ++size) {
    Damaged().resize(size).expect_rejected("bytes do not hold 10 tokens and 3 documents");
  }
  Damaged().resize(whole + 1).expect_rejected("bytes do not hold");
  for (const uint64_t count : {uint64_t{100}, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{1} << 60}) {
    Damaged().set(24, count).seal().expect_rejected("bytes do not hold");
    Damaged().set(32, count).seal().expect_rejected("bytes do not hold");
  }
}

TEST(DamagedTokenFile, IsRefusedForItsTable) {
  constexpr size_t kTable = 136 + 24;
  for (const int64_t first : {int64_t{1}, int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    Damaged().set(kTable, first).expect_rejected("document 0 is not where it should be");
  }
  Damaged().set(kTable + 16, int64_t{4}).expect_rejected("document 1 is not where");
  Damaged().set(kTable + 8, uint32_t{0}).expect_rejected("document 0");
  Damaged().set(kTable + 8, uint32_t{4}).expect_rejected("document 1");
  Damaged().set(kTable + 8, ~uint32_t{0}).expect_rejected("document 0");
  Damaged().set(kTable + 12, uint32_t{2}).expect_rejected("document 0");
  Damaged().set(kTable + 40, uint32_t{2}).expect_rejected("tokens that are in no document");
}

TEST(DamagedTokenFile, FailsVerification) {
  const auto verify = [](const Damaged& file) { TokenFile::parse(file.bytes(), "test.tokens").verify(); };
  EXPECT_NO_THROW(verify(Damaged().seal_payload()));
  expect_error([&] { verify(Damaged().set(136, uint16_t{7})); }, "do not have their checksum");
  expect_error([&] { verify(Damaged().set(136, uint16_t{100}).seal_payload()); },
               "token id 100 is not in the vocabulary of 100");
}

TEST(DamagedTokenFile, SurvivesEveryChangedByte) {
  const Damaged sound;
  for (size_t i = 0; i < sound.size(); ++i) {
    for (const uint8_t change : {1, 0x80, 0xff}) {
      Damaged file = sound;
      file.set(i, static_cast<uint8_t>(std::to_integer<uint8_t>(sound.bytes()[i]) ^ change));
      EXPECT_THROW(TokenFile::parse(file.bytes(), "test.tokens").verify(), Error) << i;
    }
  }
}

// Windows.

TEST(Windows, FitIntoDocumentsOfTheirSplit) {
  const TemporaryFolder folder;
  write_small(folder / "a");
  const TokenFile file = TokenFile::open(folder / "a");
  const Windows pairs(file, Split::train, 1);  // 5 / 2 of the first, 3 / 2 of the third
  ASSERT_EQ(pairs.size(), 3);
  EXPECT_EQ(pairs.first_token(0), 0);
  EXPECT_EQ(pairs.first_token(1), 2);
  EXPECT_EQ(pairs.first_token(2), 7);
  EXPECT_EQ(Windows(file, Split::validation, 1).size(), 1);
  EXPECT_EQ(Windows(file, Split::validation, 1).first_token(0), 5);
  EXPECT_EQ(Windows(file, Split::validation, 2).size(), 0);
  EXPECT_EQ(Windows(file, Split::train, 4).size(), 1);
  EXPECT_EQ(Windows(file, Split::train, std::numeric_limits<int64_t>::max()).size(), 0);
}

TEST(Windows, EqualThePlainWay) {
  const TemporaryFolder folder;
  TokenFileWriter writer(folder / "a", 100, kSource);
  for (int64_t i = 0; i < 60; ++i) {
    writer.add_document(counting(1 + i * 7 % 40), i % 5 ? Split::train : Split::validation);
  }
  writer.finish();
  const TokenFile file = TokenFile::open(folder / "a");
  for (const int64_t length : {1, 3, 8, 39, 40}) {
    Ids expected;
    for (const TokenDocument& document : file.documents()) {
      if (document.split != Split::train) continue;
      for (int64_t at = 0; at + length + 1 <= document.count; at += length + 1) {
        expected.push_back(document.first + at);
      }
    }
    const Windows windows(file, Split::train, length);
    ASSERT_EQ(windows.size(), static_cast<int64_t>(expected.size()));
    for (int64_t i = 0; i < windows.size(); ++i) {
      EXPECT_EQ(windows.first_token(i), expected[static_cast<size_t>(i)]);
    }
  }
}

TEST(Windows, RefuseWhatIsNotThere) {
  const TemporaryFolder folder;
  write_small(folder / "a");
  const TokenFile file = TokenFile::open(folder / "a");
  expect_error([&] { Windows(file, Split::train, 0); }, "windows of 0 tokens");
  const Windows windows(file, Split::train, 1);
  expect_error([&] { (void)windows.first_token(3); }, "window 3 of 3");
  expect_error([&] { (void)windows.first_token(-1); }, "window -1 of 3");
}

}  // namespace
}  // namespace replicate
