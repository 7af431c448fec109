#pragma once

#include <sluice/platform/time.hpp>

#include <cstdint>
#include <limits>

namespace sluice::hosted {

// A loop with an end: `for (Bounded run{time, 1'000'000}; run.goes_on();)`. In a seeded schedule both bounds repeat.
class Bounded {
public:
  Bounded(platform::Time& time, std::uint64_t limit_ns,
          std::uint64_t turns_max = std::numeric_limits<std::uint64_t>::max())
      : time_{time}, end_ns_{time.now_ns() + limit_ns}, turns_left_{turns_max} {}

  bool goes_on() {
    if (turns_left_ == 0 || time_.now_ns() >= end_ns_) {
      return false;
    }
    --turns_left_;
    return true;
  }

private:
  platform::Time& time_;
  const std::uint64_t end_ns_;
  std::uint64_t turns_left_;
};

} // namespace sluice::hosted
