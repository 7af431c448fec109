#include "report.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <unistd.h>

namespace sluice::preload {

namespace {

// One write, so that lines of several threads stay whole.
void write_line(const char* format, va_list arguments) {
  const int before = errno;
  char line[1024] = "sluice: ";
  constexpr int head = 8;
  int length = head + std::vsnprintf(line + head, sizeof line - head - 1, format, arguments);
  length = length < static_cast<int>(sizeof line) - 1 ? length : static_cast<int>(sizeof line) - 2;
  line[length] = '\n';
  if (write(STDERR_FILENO, line, static_cast<size_t>(length) + 1) < 0) {
    // Nobody to tell.
  }
  errno = before;
}

} // namespace

void report(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_line(format, arguments);
  va_end(arguments);
}

void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_line(format, arguments);
  va_end(arguments);
  _exit(cannot_start);
}

} // namespace sluice::preload
