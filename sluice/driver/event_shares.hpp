#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/platform/time.hpp>

#include <cstdint>

namespace sluice::driver {

class Viommu;

// What one guest has had of the event queue in this period. Of the one who reads the queue.
class EventShare {
public:
  // One more; says whether it is beyond the share.
  bool take(std::uint64_t now_ns, std::uint64_t most, std::uint64_t period_ns) {
    if (now_ns - begin_ns_ >= period_ns) {
      begin_ns_ = now_ns;
      taken_ = 0;
    }
    return ++taken_ > most;
  }
  std::uint64_t end_ns(std::uint64_t period_ns) const { return begin_ns_ + period_ns; }

private:
  std::uint64_t begin_ns_{};
  std::uint64_t taken_{};
};

// All guests' events come through one queue, which loses what finds it full. Devices of a guest that has had its share
// are cut off from it until the end of the period: their requests abort, and record nothing (5.2 STE.Config 0b000).
class EventShares {
public:
  // In a read section; any time. Whoever holds the unit's mutex next cuts its devices off.
  void note(Viommu& viommu);

  bool anything(std::uint64_t now_ns) const {
    const std::uint64_t release = release_ns_.load(base::Order::relaxed);
    return loud_.load(base::Order::relaxed) != nullptr || (release != 0 && now_ns >= release);
  }
  // With the unit's mutex held: cuts off whoever is to be, and hears those again whose time has come.
  void settle(std::uint64_t now_ns);
  // It is to end, and nobody reads an event for it any more.
  void forget(Viommu& viommu);

private:
  base::Atomic<Viommu*> loud_{nullptr};
  Viommu* cut_off_{}; // with the unit's mutex held
  base::Atomic<std::uint64_t> release_ns_{0};
};

} // namespace sluice::driver
