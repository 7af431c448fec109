#include <tools/sluice/progress.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <cstdio>

namespace sluice::tool {

using std::chrono::steady_clock;

ProgressLine::ProgressLine() : terminal_{isatty(STDERR_FILENO) == 1}, next_{steady_clock::now()} {}

void ProgressLine::show(std::string_view text) {
  const auto now = steady_clock::now();
  if (now < next_) {
    return;
  }
  next_ = now + (terminal_ ? std::chrono::milliseconds{100} : std::chrono::milliseconds{1000});
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r\033[K" : "", text, terminal_ ? "" : "\n");
  std::fflush(stderr);
  shown_ = true;
}

void ProgressLine::finish() {
  if (terminal_ && shown_) {
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
  }
  shown_ = false;
}

} // namespace sluice::tool
