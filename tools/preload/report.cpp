#include "report.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <unistd.h>

namespace sluice::preload {

// One write, so that lines of several threads stay whole.
void report(const char* format, ...) {
  const int before = errno;
  char line[512] = "sluice: ";
  constexpr int head = 8;
  va_list arguments;
  va_start(arguments, format);
  int length = head + std::vsnprintf(line + head, sizeof line - head - 1, format, arguments);
  va_end(arguments);
  length = length < static_cast<int>(sizeof line) - 1 ? length : static_cast<int>(sizeof line) - 2;
  line[length] = '\n';
  if (write(STDERR_FILENO, line, static_cast<size_t>(length) + 1) < 0) {
    // Nobody to tell.
  }
  errno = before;
}

} // namespace sluice::preload
