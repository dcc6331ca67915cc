#include "base/interrupt.h"

#include <csignal>
#include <initializer_list>

namespace replicate {
namespace {

volatile std::sig_atomic_t noted = 0, asked = 0;

/// A scheduler's warning may be followed by others, and XCPU comes again every second: they end nothing.
extern "C" void replicate_on_warning(int) { noted = 1; }

extern "C" void replicate_on_interrupt(int signal_number) {
  noted = 1;
  const bool first = asked == 0;
  asked = 1;
  if (first) return;
  std::signal(signal_number, SIG_DFL);  // the second one ends the process as if nothing were installed
  std::raise(signal_number);
}

void install(int signal_number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;  // a file being written is written to its end
  sigaction(signal_number, &action, nullptr);
}

bool is_ignored(int signal_number) {
  struct sigaction action {};
  sigaction(signal_number, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

}  // namespace

void install_interrupt_handler() {
  for (const int signal_number : {SIGINT, SIGTERM}) install(signal_number, replicate_on_interrupt);
  for (const int signal_number : {SIGUSR1, SIGXCPU}) install(signal_number, replicate_on_warning);
  if (!is_ignored(SIGHUP)) install(SIGHUP, replicate_on_warning);  // as nohup wants it
}

bool interrupted() { return noted != 0; }

}  // namespace replicate
