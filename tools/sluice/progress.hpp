#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace sluice::tool {

// Says on stderr how far a run is: one line that changes on a terminal, a line per second elsewhere.
class ProgressLine {
public:
  ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { finish(); }

  void show(std::string_view text);
  // Clears it.
  void finish();

private:
  const bool terminal_;
  bool shown_{false};
  std::chrono::steady_clock::time_point next_;
};

} // namespace sluice::tool
