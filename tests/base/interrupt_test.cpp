#include "base/interrupt.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace replicate {
namespace {

/// Exit status or, negative, the signal that ended a child that sends itself so many interrupts.
int after_interrupts(int count) {
  const pid_t child = fork();
  if (child == 0) {
    install_interrupt_handler();
    for (int i = 0; i < count; ++i) raise(i % 2 == 0 ? SIGINT : SIGTERM);
    _exit(interrupted() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(Interrupt, TheFirstIsNotedAndTheSecondEnds) {
  EXPECT_EQ(after_interrupts(0), 0);
  EXPECT_EQ(after_interrupts(1), 1);
  EXPECT_EQ(after_interrupts(2), -SIGTERM);
}

}  // namespace
}  // namespace replicate
