#include <sluice/driver/device.hpp>
#include <sluice/driver/smmu.hpp>

// 7.2.2: when a record could not be written, transactions may be stalled of which nobody knows. Their devices' STEs
// abort while all that is stalled is terminated, so that what stalls afterwards has a record and an answer of its own.
namespace sluice::driver {

using base::Order;
using iommu::Change;
using namespace arch;

bool SmmuDevice::may_stall() const {
  return parts_.capabilities.stalls != StallModel::terminate && (facts_.may_stall || parts_.facts.stalls_forced);
}

// 4.7.2: only where nothing new can stall is it certain what is terminated.
void SmmuDevice::terminate_stalls(Change& change) {
  if (!may_stall() || failed()) {
    return;
  }
  resumed_ste_ = parts_.writer.read(sids_[0]);
  change += move_to(abort_ste());
  CommandBatch batch{parts_.commands};
  for (const StreamID sid : sids_) {
    batch.add(cmd::stall_term(sid));
  }
  static_cast<void>(batch.finish(change));
}

void SmmuDevice::resume(Change& change) {
  if (may_stall() && !failed()) {
    change += move_to(resumed_ste_);
  }
}

// Until the end of this, records of stalled transactions are not handed over: they are terminated.
void Smmu::end_stalls() {
  Change change;
  platform().sync.reclaim(); // who has read a record has handed it over
  const unsigned dropped = parts_->page_requests.drop_stalls();
  platform().sync.reclaim(); // and who has answered has sent it
  for (SmmuDevice* d = parts_->devices; d != nullptr; d = d->next_device) {
    d->terminate_stalls(change);
  }
  const bool read = platform::wait_until(platform().time, parts_->config.timeout_us, [&] {
    events_.drain(*this, true);
    return events_.idle();
  });
  stalls_lost_.store(0, Order::release);
  for (SmmuDevice* d = parts_->devices; d != nullptr; d = d->next_device) {
    d->resume(change);
  }
  parts_->health.error(Code::stalls_terminated, dropped, read);
}

} // namespace sluice::driver
