#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace sluice::fuzz {

// Says what is wrong and ends the process, which is how a fuzzer knows that it has found something.
[[noreturn]] [[gnu::format(printf, 1, 2)]] inline void finding(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  std::fputs("finding: ", stderr);
  std::vfprintf(stderr, format, arguments);
  std::fputc('\n', stderr);
  va_end(arguments);
  std::abort();
}

} // namespace sluice::fuzz
