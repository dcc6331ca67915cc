#include "base/interrupt.h"

#include <csignal>

namespace replicate {
namespace {

volatile std::sig_atomic_t interrupts = 0;

extern "C" void replicate_on_interrupt(int signal_number) {
  const bool first = interrupts == 0;
  interrupts = 1;
  if (first) return;
  std::signal(signal_number, SIG_DFL);  // the second one ends the process as if nothing were installed
  std::raise(signal_number);
}

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = replicate_on_interrupt;
  action.sa_flags = SA_RESTART;  // a file being written is written to its end
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return interrupts > 0; }

}  // namespace replicate
