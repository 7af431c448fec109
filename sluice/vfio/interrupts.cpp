#include <sluice/vfio/interrupts.hpp>

#include <sluice/uapi/vfio.hpp>

#include <cstring>

namespace sluice::vfio {

namespace u = uapi::vfio;
using base::Errc;
using base::Status;
using platform::MutexGuard;
using platform::SpinGuard;

bool IrqRequest::none() const { return (flags & u::irq_set_data_none) != 0; }
bool IrqRequest::has_eventfds() const { return (flags & u::irq_set_data_eventfd) != 0; }

std::int32_t IrqRequest::eventfd(std::uint32_t i) const {
  std::int32_t fd;
  std::memcpy(&fd, data.data() + sizeof fd * i, sizeof fd);
  return fd;
}

bool IrqRequest::says(std::uint32_t i) const { return none() || data[i] != std::byte{}; }

void Interrupts::open() {
  const MutexGuard guard{sync_, gate_};
  has_pin_ = function_.config_read(pcie::config::interrupt_pin, 1) != 0;
  place_ = find_msix(function_);
  table_.clear();
  table_.resize(place_ ? place_->vectors : 0);
}

void Interrupts::close() {
  const MutexGuard guard{sync_, gate_};
  disable_intx();
  disable_msix();
  error_ = {};
  request_ = {};
  const SpinGuard line{sync_, line_lock_};
  disabled_ = false;
}

std::uint32_t Interrupts::count(std::uint32_t index) const {
  switch (index) {
  case u::irq_intx:
    return has_pin_ ? 1 : 0;
  case u::irq_msix:
    return place_ ? place_->vectors : 0;
  case u::irq_err: // of every PCI Express function
  case u::irq_req:
    return 1;
  default:
    return 0;
  }
}

Status Interrupts::set(const IrqRequest& request) {
  const MutexGuard guard{sync_, gate_};
  const std::uint32_t action = request.flags & u::irq_set_actions;
  if (request.index == u::irq_intx) {
    return set_intx(request);
  }
  if (action != u::irq_set_action_trigger) {
    return Errc::unknown_call;
  }
  switch (request.index) {
  case u::irq_msix:
    return trigger_msix(request);
  case u::irq_err:
    return set_single(request, error_);
  case u::irq_req:
    return set_single(request, request_);
  default:
    return Errc::unknown_call;
  }
}

Status Interrupts::set_single(const IrqRequest& request, Eventfd& trigger) {
  if (request.start != 0 || request.count > 1) {
    return Errc::invalid_argument;
  }
  if (request.count == 0) {
    if (!request.none() || !trigger) {
      return Errc::invalid_argument;
    }
    trigger = {};
    return {};
  }
  if (request.has_eventfds()) {
    const std::int32_t fd = request.eventfd(0);
    if (fd < -1) {
      return {};
    }
    Eventfd next;
    if (fd >= 0) {
      auto own = Eventfd::duplicate(fd);
      if (!own) {
        return own.error();
      }
      next = std::move(*own);
    }
    trigger = std::move(next);
    return {};
  }
  if (request.none() && !trigger) {
    return Errc::invalid_argument;
  }
  if (request.says(0)) {
    trigger.signal();
  }
  return {};
}

void Interrupts::signal_error() {
  const MutexGuard guard{sync_, gate_};
  error_.signal();
}

void Interrupts::signal_request() {
  const MutexGuard guard{sync_, gate_};
  request_.signal();
}

} // namespace sluice::vfio
