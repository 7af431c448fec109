#include <sluice/driver/device.hpp>
#include <sluice/platform/pci_translation.hpp>

// When a function may ask for pages: while it has ATS and is attached to a domain that serves such requests.
namespace sluice::driver {

using iommu::Change;
using iommu::PageResponse;
using platform::PciTranslation;

bool SmmuDevice::can_ask_for_pages() const {
  return can_ats_ && parts_.page_request_queue.works() && PciTranslation{*function_}.has_pri();
}

void SmmuDevice::borrow_credits() {
  if (can_pri_) {
    credits_ = parts_.page_request_queue.lend(PciTranslation{*function_}.page_request_capacity());
    if (credits_ == 0) {
      parts_.health.warn(Code::page_requests_no_credits, sids_[0]);
    }
  }
}

// Of a function that is not known to have stopped they are not lent again.
void SmmuDevice::return_credits() {
  if (!failed()) {
    parts_.page_request_queue.give_back(std::exchange(credits_, 0));
  }
}

// ATS is on: a page that has been served is then asked for as a translation.
void SmmuDevice::start_pri() {
  if (credits_ == 0) {
    return;
  }
  told_failure_.store(0);
  pri_ = PciTranslation{*function_}.enable_pri(credits_).ok();
  if (!pri_) {
    parts_.health.warn(Code::page_requests_not_enabled, sids_[0]);
  }
}

// ATS is still on. The function asks for no more pages (10.5.2.2), and what it has asked for is answered before its
// translations go; what has been served it may still ask for.
void SmmuDevice::stop_pri(PageResponse response, Change& change) {
  if (!std::exchange(pri_, false)) {
    return;
  }
  PciTranslation pci{*function_};
  pci.disable_pri();
  const auto answered = [&] {
    parts_.page_request_queue.read();
    parts_.page_requests.settle(*this, response);
    return pci.pri_stopped() || parts_.health.failed();
  };
  if (!platform::wait_until(parts_.platform.time, parts_.config.timeout_us, answered)) {
    parts_.health.timed_out(Code::page_requests_not_stopped, sids_[0]);
    change.confirmed = false;
  }
  change.confirmed = change.confirmed && !parts_.health.failed();
}

// 10.4.2.1: it has been told of a failure, by a handler or by an SMMU that could not write its request, and asks no
// more until it is reset.
bool SmmuDevice::has_given_up_pages() const { return pri_ && PciTranslation{*function_}.pri_failed(); }

// What a handler said holds until its attachment ends; what the SMMU said of itself (8.1) is over. If not all that the
// function waits for comes to its end it asks for no more pages, which does no harm to what it has.
void SmmuDevice::restart_pri() {
  if (failed() || told_failure_.load() != 0 || !has_given_up_pages()) {
    return;
  }
  Change change;
  stop_pri(PageResponse::served, change);
  if (change.confirmed) {
    start_pri();
    parts_.health.warn(Code::page_requests_restarted, sids_[0]);
  }
}

} // namespace sluice::driver
