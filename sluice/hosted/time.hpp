#pragma once

#include <sluice/hosted/actor.hpp>
#include <sluice/platform/time.hpp>

namespace sluice::hosted {

// The clock of a schedule: the system's for free threads, a virtual one for a seeded schedule.
class Time final : public platform::Time {
public:
  explicit Time(Schedule& schedule) : schedule_{schedule} {}

  std::uint64_t now_ns() override { return schedule_.now_ns(); }
  void relax() override { schedule_.relax(); }

private:
  Schedule& schedule_;
};

} // namespace sluice::hosted
