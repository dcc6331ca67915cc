#pragma once

namespace replicate {

/// From here on SIGINT and SIGTERM are noted for `interrupted()`; the second signal ends the process at once.
void install_interrupt_handler();

/// True after the first SIGINT or SIGTERM.
bool interrupted();

}  // namespace replicate
