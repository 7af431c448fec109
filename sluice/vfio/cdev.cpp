#include <sluice/vfio/cdev.hpp>

#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/translation_controls.hpp>

namespace sluice::vfio {

namespace config = pcie::config;
namespace u = uapi::vfio;
using base::Errc;
using base::Order;
using platform::MutexGuard;

Cdev::Cdev(pcie::Function& function, iommu::Device& device, const Host& host, CdevConfig cdev_config)
    : function_{function}, device_{device}, host_{host}, config_{std::move(cdev_config)}, view_{function,
                                                                                                config_.show_pasid},
      interrupts_{function, host.vectors, host.sync, config_.dynamic_msix, host.wakeups},
      ioeventfds_{host.sync, host.wakeups, [this](const Ioeventfds::Place& place) { write_register(place); }} {
  function_.connect_intx(&interrupts_);
}

std::unique_ptr<File> Cdev::open() { return std::make_unique<File>(*this); }

// As the host's PCI code hands a device over: reset, decoding memory, no bus master.
void Cdev::start() {
  TranslationControls controls{function_};
  function_.power_cycle();
  controls.restore();
  function_.config_write(config::command, 2, config::command_memory_space);
  const MutexGuard guard{host_.sync, view_mutex_};
  view_.open();
  memory_enabled_.store(view_.memory_enabled(), Order::release);
  interrupts_.open();
}

// First no more requests, then no more interrupts; the reset waits for what is under way.
void Cdev::stop() {
  function_.config_write(config::command, 2, 0);
  interrupts_.close();
  ioeventfds_.clear();
  reset_function();
  const MutexGuard guard{host_.sync, power_mutex_};
  leave_low_power();
}

void Cdev::reset_function() {
  TranslationControls controls{function_};
  function_.reset();
  controls.restore();
}

// What the client has set in configuration space stays, and so do its interrupts.
void Cdev::reset() {
  reset_function();
  interrupts_.restore();
}

File::~File() {
  if (!granted_.load(Order::acquire)) {
    return;
  }
  const MutexGuard guard{cdev_.host_.sync, cdev_.mutex_};
  cdev_.stop();
  context_->unbind(*device_);
  cdev_.bound_ = false;
}

std::uint32_t File::device_id() const { return granted_.load(Order::acquire) ? device_->id() : 0; }

int File::ioctl(std::uint32_t number, std::uint64_t argument) {
  const Status status = dispatch(number, argument);
  return status ? 0 : -static_cast<int>(uapi::to_errno(status.error()));
}

// Nothing but binding works on a device that is not bound.
base::Status File::dispatch(std::uint32_t number, std::uint64_t argument) {
  if (number == u::device_bind_iommufd) {
    return bind(argument);
  }
  if (!granted_.load(Order::acquire)) {
    return Errc::invalid_argument;
  }
  cdev_.wake();
  switch (number) {
  case u::device_attach_iommufd_pt:
    return attach(argument);
  case u::device_detach_iommufd_pt:
    return detach(argument);
  case u::device_ioeventfd:
    return ioeventfd(argument);
  case u::device_feature:
    return feature(argument);
  case u::device_get_info:
    return get_info(argument);
  case u::device_get_region_info:
    return get_region_info(argument);
  case u::device_get_irq_info:
    return get_irq_info(argument);
  case u::device_set_irqs:
    return set_irqs(argument);
  case u::device_reset:
    return reset();
  case u::device_get_pci_hot_reset_info:
    return get_hot_reset_info(argument);
  case u::device_pci_hot_reset:
    return hot_reset(argument);
  default:
    return Errc::unknown_call;
  }
}

base::Status File::reset() {
  const MutexGuard guard{cdev_.host_.sync, cdev_.mutex_};
  cdev_.reset();
  return {};
}

} // namespace sluice::vfio
