#pragma once

namespace replicate {

/// From here on SIGINT, SIGTERM and what schedulers warn with (SIGHUP, SIGUSR1, SIGXCPU) are noted for `interrupted()`.
/// The second SIGINT or SIGTERM ends the process at once; warnings never do. Under nohup SIGHUP stays ignored.
void install_interrupt_handler();

/// True after the first of them.
bool interrupted();

}  // namespace replicate
