#pragma once

#include <cstdint>

namespace sluice::platform {

class Time {
public:
  // Monotonic, from any start.
  virtual std::uint64_t now_ns() = 0;
  // Called in each turn of every wait: lets others run (a pause, a yield, a WFE; on a seeded machine another actor).
  virtual void relax() = 0;

protected:
  ~Time() = default;
};

// Waits until done() or until `limit_us` have passed; says whether done() came true. Looks once more after the time, so
// that a descheduled waiter does not report what has happened meanwhile as late.
template <class Done>
[[nodiscard]] bool wait_until(Time& time, std::uint64_t limit_us, Done done) {
  if (done()) {
    return true;
  }
  const std::uint64_t end = time.now_ns() + limit_us * 1000;
  do {
    time.relax();
    if (done()) {
      return true;
    }
  } while (time.now_ns() < end);
  return done();
}

} // namespace sluice::platform
