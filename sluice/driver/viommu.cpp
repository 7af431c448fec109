#include <sluice/driver/viommu.hpp>

#include <sluice/driver/device.hpp>
#include <sluice/driver/guest_commands.hpp>
#include <sluice/driver/nested_domain.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

namespace sluice::driver {

using arch::Command;
using arch::Event;
using arch::EventType;
using base::Errc;
using base::Order;
using base::Result;
using base::Status;
namespace u = uapi::arm_smmuv3;

Result<iommu::Viommu*> Viommu::make(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts, PagingDomain& parent) {
  auto made = platform::make<Viommu>(parts.platform.memory, unit, mutex, parts, parent);
  if (!made) {
    return made.error();
  }
  return made->release();
}

Viommu::Viommu(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts, PagingDomain& parent)
    : unit_{unit}, mutex_{mutex}, parts_{parts}, parent_{parent} {
  parent_.hold();
}

Status Viommu::destroy() {
  auto& sync = parts_.platform.sync;
  {
    const platform::MutexGuard guard{sync, mutex_};
    if (nested_.load(Order::acquire) != 0 || !vdevices_.empty()) {
      return Errc::in_use;
    }
  }
  sync.reclaim(); // an event may be on its way to us
  {
    const platform::MutexGuard guard{sync, mutex_};
    parts_.shares.forget(*this);
  }
  platform::Owned<Viommu>{parts_.platform.memory, this}.reset();
  return {};
}

Result<iommu::Domain*> Viommu::nested_alloc(std::uint32_t type, std::span<const std::byte> data) {
  u::NestedSte words;
  if (type != u::hwpt_data_type || data.size() != sizeof words) {
    return Errc::invalid_argument;
  }
  __builtin_memcpy(&words, data.data(), sizeof words);
  const auto guest = guest_ste(words);
  if (!guest) {
    return guest.error();
  }
  auto domain = platform::make<NestedDomain>(parts_.platform.memory, unit_, parts_, *this, *guest);
  if (!domain) {
    return domain.error();
  }
  return domain->release();
}

Status Viommu::vdevice_add(iommu::Device& device, std::uint64_t virtual_id) {
  if (&device.unit() != &unit_) {
    return Errc::other_smmu;
  }
  if (virtual_id > 0xffff'ffff) {
    return Errc::invalid_argument;
  }
  auto& d = static_cast<SmmuDevice&>(device);
  const auto vsid = static_cast<StreamID>(virtual_id);
  const platform::MutexGuard guard{parts_.platform.sync, mutex_};
  if (d.vdevice() != nullptr || vdevices_.find(vsid) != nullptr) {
    return Errc::already_exists;
  }
  if (d.sids().size() != 1) {
    return Errc::unsupported; // one StreamID of the guest's cannot stand for several
  }
  auto& memory = parts_.platform.memory;
  auto made = platform::make<Vdevice>(memory, memory, *this, d.sids()[0], vsid);
  if (!made) {
    return made.error();
  }
  Vdevice& vdevice = *made->release();
  vdevices_.add(vdevice);
  d.set_vdevice(&vdevice);
  return {};
}

Status Viommu::vdevice_remove(iommu::Device& device) {
  if (&device.unit() != &unit_) {
    return Errc::not_found;
  }
  auto& d = static_cast<SmmuDevice&>(device);
  const platform::MutexGuard guard{parts_.platform.sync, mutex_};
  Vdevice* vdevice = d.vdevice();
  if (vdevice == nullptr || &vdevice->viommu != this) {
    return Errc::not_found;
  }
  d.hear_again();
  d.set_vdevice(nullptr);
  vdevices_.remove(*vdevice);
  parts_.platform.sync.retire(*vdevice);
  return {};
}

Status Viommu::set_event_sink(std::uint32_t type, iommu::EventSink* sink) {
  if (type != u::veventq_type) {
    return Errc::unsupported;
  }
  sink_.store(sink, Order::release);
  parts_.platform.sync.reclaim(); // the sink before may be taking an event in a read section
  return {};
}

void Viommu::count(SmmuDevice& device) {
  const Config& config = parts_.config;
  const std::uint64_t period = config.guest_event_period_us * 1000;
  if (config.guest_events == 0 || !share_.take(parts_.platform.time.now_ns(), config.guest_events, period)) {
    return;
  }
  device.set_loud();
  until_ns_.store(share_.end_ns(period), Order::relaxed);
  parts_.shares.note(*this);
}

void Viommu::cut_off() {
  vdevices_.for_each([&](const Vdevice& v) { parts_.streams.owner(v.sid)->cut_off_if_loud(); });
  loud_.store(0); // another device of the guest's may be next
  const platform::ReadSection section{parts_.platform.sync};
  if (iommu::EventSink* sink = sink_.load(Order::acquire)) {
    sink->on_loss(); // what they would have recorded from now on
  }
}

void Viommu::hear_again() {
  vdevices_.for_each([&](const Vdevice& v) { parts_.streams.owner(v.sid)->hear_again(); });
}

namespace {

// What a guest's own configuration and tables can be the cause of. A stall waits for an answer that only we can give,
// and a fault at stage 2 is about memory that the guest has not got.
bool is_guests(const Event& event) {
  switch (event.get(Event::Type)) {
  case EventType::C_BAD_STE:
  case EventType::F_STREAM_DISABLED:
  case EventType::C_BAD_SUBSTREAMID:
  case EventType::C_BAD_CD:
    return true;
  case EventType::F_TRANSLATION:
  case EventType::F_ADDR_SIZE:
  case EventType::F_ACCESS:
  case EventType::F_PERMISSION:
    return event.get(Event::Stall) == 0 && event.get(Event::S2) == 0;
  default:
    return false;
  }
}

} // namespace

bool Viommu::take(const Event& event, StreamID vsid) {
  iommu::EventSink* sink = sink_.load(Order::acquire);
  if (sink == nullptr || !is_guests(event)) {
    return false;
  }
  const Event guests = event.with(Event::StreamID, vsid);
  static_assert(sizeof guests == sizeof(u::Vevent));
  sink->on_event(std::as_bytes(std::span{guests.w}));
  return true;
}

} // namespace sluice::driver
