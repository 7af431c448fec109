#include <sluice/driver/device.hpp>
#include <sluice/driver/viommu.hpp>

// A device whose guest has had its share of the event queue.
namespace sluice::driver {

using base::Order;
using iommu::Change;

void SmmuDevice::cut_off_if_loud() {
  if (loud_.exchange(0) == 0 || cut_off_.is || failed() || table() != nullptr) {
    return;
  }
  CutOff now{true, ats_, pri_, parts_.writer.read(sids_[0])};
  Change change;
  stop_pri(iommu::PageResponse::failed, change);
  stop_ats(change);
  change += move_to(abort_ste());
  cut_off_ = now;
  parts_.cut_off.fetch_add(1, Order::relaxed);
  parts_.health.warn(Code::guest_cut_off, sids_[0]);
  if (!change.confirmed) {
    quarantine();
  }
}

// A guest that gives its device another STE has had its share all the same.
void SmmuDevice::stay_cut_off() {
  if (vdevice() != nullptr && parts_.platform.time.now_ns() < vdevice()->viommu.cut_off_until()) {
    set_loud();
    cut_off_if_loud();
  }
}

void SmmuDevice::hear_again() {
  if (!cut_off_.is || failed()) {
    return;
  }
  const CutOff before = cut_off_;
  Change change = move_to(before.ste);
  if (before.ats && change.confirmed) {
    start_ats(change);
  }
  if (before.pri && ats_ && change.confirmed) {
    start_pri();
  }
  if (!change.confirmed) {
    quarantine();
  }
}

} // namespace sluice::driver
