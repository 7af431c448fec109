#include <sluice/driver/device.hpp>
#include <sluice/driver/fault.hpp>
#include <sluice/driver/nested_domain.hpp>
#include <sluice/driver/smmu.hpp>
#include <sluice/driver/viommu.hpp>

namespace sluice::driver {

using base::Order;
using namespace arch;

namespace {
iommu::PageAsker asker_of(const iommu::Fault& fault) {
  const auto target = fault.has_pasid ? iommu::Target::pasid(fault.pasid) : iommu::Target::rid();
  return {fault.device, fault.requester, target, fault.stall_tag, true};
}
} // namespace

void Smmu::poll() {
  look_at_errors();
  if (stalls_lost_.load(Order::acquire) != 0) {
    const platform::MutexGuard guard{platform().sync, mutex()};
    if (stalls_lost_.load(Order::acquire) != 0) {
      end_stalls();
    }
  }
  read_events(true);
  parts_->page_request_queue.read();
  restart_page_requests();
  if (parts_->due.load(Order::relaxed) != nullptr) {
    const platform::MutexGuard guard{platform().sync, mutex()};
    block_failed();
  }
}

// 8.1: while PRIQ_ABT_ERR is active each request is answered with a failure, after which its function asks no more.
// That answer may come to it some time after the error has been acknowledged.
void Smmu::restart_page_requests() {
  std::uint64_t until = pages_lost_until_.load(Order::acquire);
  if (until == 0) {
    return;
  }
  const platform::MutexGuard guard{platform().sync, mutex()};
  const bool over = platform().time.now_ns() >= until;
  for (SmmuDevice* d = parts_->devices; d != nullptr; d = d->next_device) {
    d->restart_pri();
  }
  if (over) {
    pages_lost_until_.compare_exchange(until, 0);
  }
}

void Smmu::read_events(bool may_wait) {
  events_.drain(*this, may_wait);
  if (may_wait) {
    expire_page_requests();
    settle_shares();
  }
}

void Smmu::settle_shares() {
  const std::uint64_t now = platform().time.now_ns();
  if (parts_->shares.anything(now)) {
    const platform::MutexGuard guard{platform().sync, mutex()};
    parts_->shares.settle(now);
  }
}

void Smmu::read_page_requests() {
  if (parts_->config.interrupts_may_wait) {
    parts_->page_request_queue.read();
  }
}

void Smmu::expire_page_requests() {
  if (const unsigned late = parts_->page_requests.expire()) {
    parts_->health.error(Code::page_request_late, late);
  }
}

bool Smmu::wants_answer(const Event& event) const { return to_fault(event).stalled; }

// 3.12.2: each stalled transaction is answered, whoever it belongs to.
bool Smmu::on_record(const Event& event, bool may_wait) {
  iommu::Fault fault = to_fault(event);
  if (fault.stalled && !may_wait) {
    return false;
  }
  const platform::ReadSection section{platform().sync};
  SmmuDevice* device = parts_->streams.owner(fault.requester);
  fault.device = device;
  bool served = false;
  if (fault.stalled) {
    stalls_.fetch_add(1, Order::relaxed);
  }
  if (fault.stalled && stalls_lost_.load(Order::acquire) == 0) {
    const iommu::PageRequest page{fault.iova, !fault.write, fault.write, fault.execute, fault.privileged};
    const auto arrival = parts_->page_requests.add(asker_of(fault), page, true);
    served = arrival == iommu::PageRequests::Arrival::delivered;
    if (arrival == iommu::PageRequests::Arrival::no_room) {
      parts_->health.error(Code::page_request_no_room, fault.requester, fault.stall_tag);
    }
  }
  if (device == nullptr) {
    unknown_streams_.fetch_add(1, Order::relaxed);
    log_event(Code::event_unknown_stream, event);
  } else if (!served) {
    report(*device, fault, event);
  }
  return true;
}

void Smmu::report(SmmuDevice& device, iommu::Fault& fault, const Event& event) {
  if (const Vdevice* vdevice = device.vdevice()) {
    vdevice->viommu.count(device);
  }
  fault.domain = device.domain_at(fault.has_pasid, fault.pasid);
  if (give_to_guest(device, fault.domain, event)) {
    return;
  }
  if (fault.domain == nullptr || !fault.domain->report(fault)) {
    unhandled_.fetch_add(1, Order::relaxed);
    log_event(Code::event, event);
  }
}

// A device that is on its guest's own STE faults by that guest's doing.
bool Smmu::give_to_guest(const SmmuDevice& device, const iommu::Domain* domain, const Event& event) {
  const Vdevice* vdevice = device.vdevice();
  if (vdevice == nullptr || domain == nullptr || domain->type() != iommu::DomainType::nested) {
    return false;
  }
  Viommu& viommu = static_cast<const NestedDomain*>(domain)->viommu();
  if (&viommu != &vdevice->viommu || !viommu.take(event, vdevice->vsid)) {
    return false;
  }
  guest_events_.fetch_add(1, Order::relaxed);
  return true;
}

void Smmu::log_event(Code code, const Event& event) {
  parts_->health.warn(code, event.w[0], event.w[1], event.w[2], event.w[3]);
}

// 6.3.19. CMDQ_ERR is the command queue's affair; of the others there is nothing to be put right.
void Smmu::look_at_errors() {
  auto& errors = parts_->errors;
  if (errors.active().raw() == 0) {
    return;
  }
  parts_->commands.recover();
  const auto guard = errors.guard();
  const GERROR active = errors.active().with(GERROR::CMDQ_ERR, 0);
  if (active.raw() == 0) {
    return;
  }
  global_errors_.fetch_add(1, Order::relaxed);
  parts_->health.error(Code::global_error, active.raw());
  if (active.get(GERROR::SFM_ERR) == 1) {
    parts_->health.error(Code::service_failure, active.raw());
    parts_->health.fail(Code::service_failure);
  }
  if (active.get(GERROR::EVENTQ_ABT_ERR) == 1 && parts_->capabilities.stalls != StallModel::terminate) {
    stalls_lost_.store(1, Order::release);
  }
  if (active.get(GERROR::PRIQ_ABT_ERR) == 1) {
    const bool again = parts_->page_request_queue.abort();
    const std::uint64_t limit_ns = parts_->config.timeout_us * 1000; // of the SMMU's last answer on its way
    pages_lost_until_.store(again ? (platform().time.now_ns() + limit_ns) | 1 : 0, Order::release);
  }
  errors.acknowledge(active);
}

} // namespace sluice::driver
