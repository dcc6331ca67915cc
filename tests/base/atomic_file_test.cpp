#include "base/atomic_file.h"

#include <gtest/gtest.h>

#include <iterator>

#include "base/text_file.h"
#include "tests/support/expect_error.h"
#include "tests/support/files_in.h"
#include "tests/support/small_disk.h"
#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

TEST(AtomicFile, IsThereOnlyOnceInPlace) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a");
  file.write("....three");
  file.write(" four");
  file.overwrite(0, std::as_bytes(std::span("two ", 4)));
  EXPECT_FALSE(fs::exists(folder / "a"));
  file.put_in_place();
  EXPECT_EQ(read_text(folder / "a"), "two three four");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, VanishesWhenGivenUp) {
  const TemporaryFolder folder;
  folder.write("a", "old");
  { AtomicFile(folder / "a").write("new"); }
  EXPECT_EQ(read_text(folder / "a"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(AtomicFile, TwoAtATimeDoNotMix) {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a"), second(folder / "a");
  first.write("first");
  second.write("second");
  second.put_in_place();
  first.put_in_place();
  EXPECT_EQ(read_text(folder / "a"), "first");
}

TEST(AtomicFile, SaysWhatIsWrongAndLeavesNothing) {
  const TemporaryFolder folder;
  folder.write("taken/inside", "x");
  expect_error([&] { AtomicFile(folder / "absent/a"); }, "cannot create a file");
  expect_error([&] { AtomicFile(folder / "taken").put_in_place(); }, "cannot put the file in");
  expect_error([&] { AtomicFile(folder / "a").overwrite(0, std::as_bytes(std::span("x", 1))); },
               "bytes that are not there");
  EXPECT_TRUE(
      fails_on_small_disk(1000, "cannot write", [&] { AtomicFile(folder / "a").write(std::string(5000, 'x')); }));
  EXPECT_EQ(files_in(folder.path()), 1u);
}

}  // namespace
}  // namespace replicate
