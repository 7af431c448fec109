#include <sluice/pcie/virtio_rng.hpp>

#include <algorithm>
#include <array>

namespace sluice::pcie {

using platform::MutexGuard;
using platform::SpinGuard;
using MsixCapability = VirtioRngConfig::MsixCapability;

namespace {

constexpr FunctionIds ids{.vendor = virtio::vendor,
                          .device = virtio::modern_device + virtio::entropy_source,
                          .revision = 1,
                          .class_code = 0xff0000};
constexpr std::uint16_t subsystem = 0x1100;
constexpr std::uint8_t msix_bytes = 12;

} // namespace

VirtioRng::VirtioRng(const VirtioRngConfig& config, Address address, platform::Sync& sync)
    : Function{ids, address}, sync_{sync}, source_{config.name},
      msix_kind_{config.msix}, common_{virtio::version_1 | virtio::access_platform | QueueRules::features,
                                       config.msix == MsixCapability::none ? std::uint16_t{0} : vectors} {
  this->config().set(config::subsystem_vendor_id, 2, virtio::vendor);
  this->config().set(config::subsystem_id, 2, subsystem);
  add_bar32(0, bar_bytes);
  add_intx();
  add_structures();
  add_msix(config.msix);
}

// 4.1.4: one vendor-specific capability for each structure.
void VirtioRng::add_structures() {
  struct Place {
    virtio::Structure type;
    std::uint64_t offset;
    std::uint8_t size;
  };
  constexpr std::uint8_t plain = 16;
  constexpr std::uint8_t with_multiplier = 20;
  constexpr std::uint32_t length = 0x1000;
  for (const auto& [type, offset, size] :
       {Place{virtio::Structure::common, common_at, plain},
        Place{virtio::Structure::notify, notify_at, with_multiplier}, Place{virtio::Structure::isr, isr_at, plain},
        Place{virtio::Structure::device, device_at, plain}}) {
    const std::uint16_t at = config().add_capability(config::id_vendor_specific, size, structures_at);
    const auto put = [&](unsigned field, unsigned width, std::uint64_t value) {
      config().set(static_cast<std::uint16_t>(at + field), width, static_cast<std::uint32_t>(value));
    };
    put(2, 1, size);
    put(3, 1, static_cast<std::uint8_t>(type));
    put(8, 4, offset);
    put(12, 4, length);
    if (size == with_multiplier) {
      put(16, 4, notify_multiplier);
    }
  }
}

void VirtioRng::add_msix(MsixCapability kind) {
  if (kind == MsixCapability::none) {
    return;
  }
  add_bar32(msix_bar, Msix::page);
  config().add_capability(config::id_vendor_specific, msix_bytes, msix_at);
  config().make_writable(msix_at + 2, 2, Msix::enable_bit | Msix::function_mask_bit);
  show_msix(kind == MsixCapability::plain);
}

void VirtioRng::show_msix(bool shown) {
  msix_shown_ = shown;
  config().set(msix_at, 1, shown ? config::id_msix : config::id_vendor_specific);
  config().set(msix_at + 2, 2, shown ? vectors - 1u : msix_bytes); // 7.7.2.2 table size, or the capability's own
  config().set(msix_at + 4, 4, shown ? msix_bar : 0);
  config().set(msix_at + 8, 4, shown ? Msix::pending_offset | msix_bar : 0);
}

void VirtioRng::post(std::uint32_t work) {
  work_.fetch_or(work, base::Order::acq_rel);
  if (worker_ != nullptr && pending()) {
    worker_->on_work();
  }
}

bool VirtioRng::pending() const {
  const std::uint32_t work = work_.load(base::Order::acquire);
  return (work & hooked) != 0 || (work != 0 && bus_master());
}

void VirtioRng::on_config_write(std::uint16_t offset, unsigned size) {
  const auto touches = [&](std::uint16_t at) { return offset < at + 2u && offset + size > at; };
  std::uint32_t work = 0;
  {
    const SpinGuard guard{sync_, lock_};
    if (msix_shown_ && touches(msix_at + 2)) {
      msix_.set_control(static_cast<std::uint16_t>(config_read(msix_at + 2, 2)));
      work |= msix_.ready() ? message : 0;
    }
    set_interrupt(pin());
    work |= hook_.started(offset, size) ? hooked : 0;
  }
  if (work != 0 || touches(config::command)) {
    post(work); // and whatever has waited for Bus Master Enable
  }
}

std::uint64_t VirtioRng::bar_read(unsigned index, std::uint64_t offset, unsigned size) {
  const SpinGuard guard{sync_, lock_};
  if (index == msix_bar) {
    return msix_shown_ ? msix_.read(offset, size) : 0;
  }
  if (offset < isr_at) {
    return common_.read(offset, size);
  }
  return offset == isr_at ? read_isr() : 0; // 5.4.4: there is no configuration of its own
}

// 4.1.4.5: reading clears, and takes the pin back.
std::uint64_t VirtioRng::read_isr() {
  const std::uint8_t value = isr_;
  isr_ = 0;
  set_interrupt(false);
  return value;
}

void VirtioRng::bar_write(unsigned index, std::uint64_t offset, unsigned size, std::uint64_t value) {
  const bool whole_device = index == 0;
  if (whole_device && offset == virtio::common::device_status && size == 1 && value == 0) {
    reset_device();
    return;
  }
  if (whole_device && offset >= notify_at) {
    if (offset == notify_at && (value & 0xffff) == 0) { // 4.1.4.4: the queue's number, at the queue's place
      post(notified);
    }
    return;
  }
  bool ready = false;
  {
    const SpinGuard guard{sync_, lock_};
    write_page(index, offset, size, value);
    ready = msix_.ready();
  }
  if (ready) {
    post(message);
  }
}

void VirtioRng::write_page(unsigned index, std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (index == msix_bar) {
    if (msix_shown_) {
      msix_.write(offset, size, value);
    }
  } else if (offset < isr_at) {
    common_.write(offset, size, value);
    if (common_.bad_layout()) {
      fail(RingFault::length);
    }
  }
}

void VirtioRng::reset_device() {
  const MutexGuard turn{sync_, turn_};
  const SpinGuard guard{sync_, lock_};
  reset_device_locked();
}

void VirtioRng::reset_device_locked() {
  common_.reset();
  ring_fault_ = RingFault::none;
  queue_started_ = false;
  isr_ = 0;
  set_interrupt(false);
  work_.fetch_and(hooked, base::Order::acq_rel);
}

void VirtioRng::reset_function_locked() {
  reset_device_locked();
  msix_.reset();
  hook_.reset();
  work_.store(0, base::Order::release);
}

void VirtioRng::reset() {
  const MutexGuard turn{sync_, turn_};
  const SpinGuard guard{sync_, lock_};
  reset_function_locked();
  if (msix_kind_ != MsixCapability::none) {
    show_msix(true);
  }
}

void VirtioRng::power_cycle() {
  const MutexGuard turn{sync_, turn_};
  const SpinGuard guard{sync_, lock_};
  reset_function_locked();
  hook_.clear();
  source_.forget_latest();
  if (msix_kind_ != MsixCapability::none) {
    show_msix(msix_kind_ == MsixCapability::plain);
  }
}

Delivered VirtioRng::delivered() const {
  const SpinGuard guard{sync_, lock_};
  return source_.delivered();
}

RingFault VirtioRng::ring_fault() const {
  const SpinGuard guard{sync_, lock_};
  return ring_fault_;
}

} // namespace sluice::pcie
