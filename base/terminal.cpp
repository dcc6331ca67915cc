#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace replicate {
namespace {

constexpr int kUsualColumns = 80;

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool moves_its_cursor(int descriptor) {
  const char* kind = std::getenv("TERM");
  return isatty(descriptor) != 0 && kind != nullptr && std::string(kind) != "dumb";
}

}  // namespace

int terminal_columns(int descriptor) {
  if (!moves_its_cursor(descriptor)) return 0;
  winsize size{};
  const bool known = ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualColumns;
}

bool takes_colour(int descriptor) { return moves_its_cursor(descriptor) && !is_set("NO_COLOR"); }

}  // namespace replicate
