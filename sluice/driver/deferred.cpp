#include <sluice/driver/deferred.hpp>

namespace sluice::driver {

using base::Order;
using pagetable::Gather;
using platform::SpinGuard;

DeferredUnmaps::Added DeferredUnmaps::add(Gather& gather) {
  const SpinGuard guard{sync_, lock_};
  pagetable::PageTable::absorb(pending_, gather);
  ++marks_;
  return {marks_, marks_ - taken_};
}

DeferredUnmaps::Taken DeferredUnmaps::take(Gather& gather) {
  const SpinGuard guard{sync_, lock_};
  pagetable::PageTable::absorb(gather, pending_);
  const std::uint64_t flushed = flushed_.load(Order::relaxed);
  const Taken taken{marks_, flushed == marks_, flushed == taken_};
  taken_ = marks_;
  return taken;
}

void DeferredUnmaps::confirm(std::uint64_t mark) {
  std::uint64_t seen = flushed_.load(Order::relaxed);
  while (seen < mark && !flushed_.compare_exchange(seen, mark, Order::release)) {
  }
}

} // namespace sluice::driver
