#pragma once

// A limit on the size of files stands in for a full disk: the write fails half way.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "tests/support/temporary_folder.h"

namespace replicate {

/// Runs `action` in a child process that may write files of `bytes` only; true when it ended in an
/// Error whose message holds `part`.
template <typename Action>
bool fails_on_small_disk(rlim_t bytes, const std::string& part, Action action) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    _exit(message_of(action).find(part) != std::string::npos ? 7 : 8);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

}  // namespace replicate
