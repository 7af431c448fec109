#include <sluice/driver/device.hpp>
#include <sluice/driver/fault.hpp>
#include <sluice/driver/nested_domain.hpp>
#include <sluice/driver/smmu.hpp>
#include <sluice/driver/viommu.hpp>

namespace sluice::driver {

using base::Order;
using namespace arch;

void Smmu::poll() {
  look_at_errors();
  read_events();
}

void Smmu::read_events() { events_.drain(*this); }

void Smmu::on_event(const Event& event) {
  iommu::Fault fault = to_fault(event);
  const platform::ReadSection section{platform().sync};
  SmmuDevice* device = parts_->streams.owner(fault.requester);
  if (device == nullptr) {
    unknown_streams_.fetch_add(1, Order::relaxed);
    return log_event(Code::event_unknown_stream, event);
  }
  SmmuDomain& domain = device->domain();
  if (give_to_guest(*device, domain, event)) {
    return;
  }
  fault.device = device;
  fault.domain = &domain;
  if (!domain.report(fault)) {
    unhandled_.fetch_add(1, Order::relaxed);
    log_event(Code::event, event);
  }
}

// A device that is on its guest's own STE faults by that guest's doing.
bool Smmu::give_to_guest(const SmmuDevice& device, const SmmuDomain& domain, const Event& event) {
  const Vdevice* vdevice = device.vdevice();
  if (vdevice == nullptr || domain.type() != iommu::DomainType::nested) {
    return false;
  }
  Viommu& viommu = static_cast<const NestedDomain&>(domain).viommu();
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
  errors.acknowledge(active);
}

} // namespace sluice::driver
