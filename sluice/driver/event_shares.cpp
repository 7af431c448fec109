#include <sluice/driver/event_shares.hpp>

#include <sluice/driver/viommu.hpp>

#include <utility>

namespace sluice::driver {

using base::Order;

void EventShares::note(Viommu& viommu) {
  if (!viommu.become_loud()) {
    return;
  }
  Viommu* first = loud_.load(Order::relaxed);
  do {
    viommu.next_loud = first;
  } while (!loud_.compare_exchange(first, &viommu, Order::release));
}

void EventShares::settle(std::uint64_t now_ns) {
  for (Viommu* v = loud_.exchange(nullptr, Order::acquire); v != nullptr;) {
    Viommu* next = v->next_loud;
    v->cut_off();
    if (!std::exchange(v->is_cut_off, true)) {
      v->next_cut_off = std::exchange(cut_off_, v);
    }
    v = next;
  }
  std::uint64_t release = 0;
  for (Viommu** at = &cut_off_; *at != nullptr;) {
    Viommu& v = **at;
    if (now_ns >= v.cut_off_until()) {
      *at = v.next_cut_off;
      v.is_cut_off = false;
      v.hear_again();
    } else {
      release = release == 0 || v.cut_off_until() < release ? v.cut_off_until() : release;
      at = &v.next_cut_off;
    }
  }
  release_ns_.store(release, Order::relaxed);
}

void EventShares::forget(Viommu& viommu) {
  settle(0);
  for (Viommu** at = &cut_off_; *at != nullptr; at = &(*at)->next_cut_off) {
    if (*at == &viommu) {
      *at = viommu.next_cut_off;
      return;
    }
  }
}

} // namespace sluice::driver
