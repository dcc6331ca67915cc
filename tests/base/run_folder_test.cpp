#include "base/run_folder.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/temporary_folder.h"

namespace replicate {
namespace {

namespace fs = std::filesystem;

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// Runs `action` in a child process and returns its exit status.
template <typename Action>
int in_child(Action action) {
  const pid_t child = fork();
  if (child == 0) _exit(action());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(WriteAtomically, WritesReplacesAndLeavesNothingElse) {
  const TemporaryFolder folder;
  write_atomically(folder / "a.txt", "one");
  write_atomically(folder / "a.txt", std::string("two\0three", 9));
  EXPECT_EQ(read_text(folder / "a.txt"), std::string("two\0three", 9));
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(WriteAtomically, FailureKeepsTheOldFileWhole) {
  const TemporaryFolder folder;
  write_atomically(folder / "a.txt", "old");
  // A file-size limit stands in for a full disk: the write fails half way.
  const int status = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto message = message_of([&] { write_atomically(folder / "a.txt", std::string(5000, 'x')); });
    return message.find("cannot write") != std::string::npos ? 7 : 8;
  });
  EXPECT_EQ(status, 7);
  EXPECT_EQ(read_text(folder / "a.txt"), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(WriteAtomically, FailureToPutInPlaceIsOneLineAndLeavesNothing) {
  const TemporaryFolder folder;
  folder.write("taken/inside", "x");  // a folder stands where the file should go
  const auto message = message_of([&] { write_atomically(folder / "taken", "text"); });
  EXPECT_NE(message.find("taken"), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(WriteAtomically, MissingFolderIsAnError) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_atomically(folder / "absent/a.txt", "x"), Error);
}

TEST(ReadText, MissingFilesAndFoldersAreErrors) {
  const TemporaryFolder folder;
  EXPECT_NE(message_of([&] { read_text(folder / "absent"); }).find("absent"), std::string::npos);
  EXPECT_NE(message_of([&] { read_text(folder.path()); }).find("folder"), std::string::npos);
}

TEST(ReadText, WhatNeedNotEndIsNotRead) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_symlink("/dev/zero", folder / "zero");
  for (const char* name : {"pipe", "zero"}) {
    EXPECT_NE(message_of([&] { read_text(folder / name); }).find("a pipe or a device"), std::string::npos) << name;
  }
}

TEST(ReadText, NoMoreThanAskedFor) {
  const TemporaryFolder folder;
  folder.write("a.txt", "12345678");
  EXPECT_EQ(read_text(folder / "a.txt", 8), "12345678");
  EXPECT_NE(message_of([&] { read_text(folder / "a.txt", 7); }).find("more than 7 bytes"), std::string::npos);
  folder.write("large", "");
  fs::resize_file(folder / "large", uintmax_t{1} << 40);  // a hole: the disk need not have it
  EXPECT_NE(message_of([&] { read_text(folder / "large"); }).find("too large"), std::string::npos);
}

TEST(RunFolder, CreatesFoldersAndNamesClaims) {
  const TemporaryFolder folder;
  const RunFolder run(folder / "a/b", 0);
  EXPECT_TRUE(fs::is_directory(folder / "a/b"));
  EXPECT_EQ(run.claim("sink_onset"), folder / "a/b/sink_onset");
}

TEST(RunFolder, HoldsOneRunAtATime) {
  const TemporaryFolder folder;
  {
    const RunFolder run(folder / "run", 0);
    const auto message = message_of([&] { RunFolder(folder / "run", 0); });
    EXPECT_NE(message.find("another run"), std::string::npos) << message;
    const int other_process =
        in_child([&] { return message_of([&] { RunFolder(folder / "run", 0); }).empty() ? 1 : 7; });
    EXPECT_EQ(other_process, 7);
  }
  EXPECT_NO_THROW(RunFolder(folder / "run", 0));
}

TEST(RunFolder, RefusesAFullDisk) {
  const TemporaryFolder folder;
  const auto message = message_of([&] { RunFolder(folder / "run", UINTMAX_MAX / 2); });
  EXPECT_NE(message.find("no space left"), std::string::npos) << message;
}

TEST(RunFolder, RefusesAFileInItsPlaceAndReadOnlyPlaces) {
  const TemporaryFolder folder;
  folder.write("file", "x");
  EXPECT_THROW(RunFolder(folder / "file", 0), Error);
  EXPECT_THROW(RunFolder(folder / "file/below", 0), Error);
  EXPECT_THROW(RunFolder("/proc/replicate", 0), Error);  // read-only even for root
}

TEST(FreshRunFolder, IsNewAndSafeAsAName) {
  const TemporaryFolder folder;
  const fs::path first = fresh_run_folder(folder.path(), "cpu", "../my model");
  EXPECT_EQ(first.parent_path(), folder.path());
  EXPECT_EQ(first.filename().string().rfind("cpu-.._my_model-2", 0), 0u) << first;
  fs::create_directory(first);
  EXPECT_NE(fresh_run_folder(folder.path(), "cpu", "../my model"), first);
}

}  // namespace
}  // namespace replicate
