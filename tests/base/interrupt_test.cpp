#include "base/interrupt.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

namespace replicate {
namespace {

constexpr int kNoted[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGXCPU};

/// Exit status or, negative, the signal that ended a child that sends itself these signals.
int after(const std::vector<int>& signals, int ignored = 0) {
  const pid_t child = fork();
  if (child == 0) {
    for (const int signal_number : kNoted) std::signal(signal_number, SIG_DFL);  // whatever these tests run under
    if (ignored != 0) std::signal(ignored, SIG_IGN);
    install_interrupt_handler();
    for (const int signal_number : signals) raise(signal_number);
    _exit(interrupted() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(Interrupt, TheFirstIsNotedAndTheSecondEnds) {
  EXPECT_EQ(after({}), 0);
  EXPECT_EQ(after({SIGINT}), 1);
  EXPECT_EQ(after({SIGINT, SIGTERM}), -SIGTERM);
}

/// What schedulers send before they kill.
TEST(Interrupt, EachOfTheSignalsIsNoted) {
  for (const int signal_number : kNoted) EXPECT_EQ(after({signal_number}), 1) << signal_number;
  for (const int warning : {SIGHUP, SIGUSR1, SIGXCPU}) {
    EXPECT_EQ(after({warning, warning, SIGTERM}), 1) << "what it warned of is not the second";
    EXPECT_EQ(after({SIGTERM, warning}), 1);
    EXPECT_EQ(after({warning, SIGTERM, SIGINT}), -SIGINT);
  }
  EXPECT_EQ(after({SIGUSR2}), -SIGUSR2) << "another signal";
}

TEST(Interrupt, WhatTheCallerIgnoresStaysIgnored) {
  EXPECT_EQ(after({SIGHUP, SIGHUP}, SIGHUP), 0) << "nohup";
  EXPECT_EQ(after({SIGHUP, SIGTERM}, SIGHUP), 1);
}

}  // namespace
}  // namespace replicate
