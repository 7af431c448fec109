#include <sluice/vfio/interrupts.hpp>

#include <sluice/uapi/vfio.hpp>

namespace sluice::vfio {

namespace u = uapi::vfio;
using base::Errc;
using base::Status;
using platform::SpinGuard;

Status Interrupts::set_intx(const IrqRequest& request) {
  const std::uint32_t action = request.flags & u::irq_set_actions;
  if (action == u::irq_set_action_trigger) {
    return trigger_intx(request);
  }
  if (action != u::irq_set_action_mask && action != u::irq_set_action_unmask) {
    return Errc::unknown_call;
  }
  if (kind_ != Kind::intx || request.start != 0 || request.count != 1) {
    return Errc::invalid_argument;
  }
  const bool masks = action == u::irq_set_action_mask;
  if (request.has_eventfds()) {
    return masks ? Status{Errc::unknown_call} : unmask_by(request.eventfd(0));
  }
  if (request.says(0)) {
    const SpinGuard guard{sync_, line_lock_};
    masks ? mask() : unmask();
  }
  return {};
}

Status Interrupts::unmask_by(std::int32_t fd) {
  if (fd < 0) {
    unmask_by_nobody();
    return {};
  }
  auto own = Eventfd::duplicate(fd);
  if (!own) {
    return own.error();
  }
  if (wakeups_ == nullptr) {
    return Errc::unknown_call;
  }
  if (unmask_) {
    return Errc::busy;
  }
  unmask_ = std::move(*own);
  auto status = wakeups_->watch(unmask_, unmasker_);
  if (!status) {
    unmask_ = {};
  }
  return status;
}

void Interrupts::unmask_by_nobody() {
  if (unmask_) {
    wakeups_->unwatch(unmask_);
    unmask_ = {};
  }
}

void Interrupts::Unmasker::on_signal() {
  const SpinGuard guard{of.sync_, of.line_lock_};
  of.unmask();
}

Status Interrupts::trigger_intx(const IrqRequest& request) {
  if (kind_ == Kind::intx && request.count == 0 && request.none()) {
    disable_intx();
    return {};
  }
  if (kind_ == Kind::msix || request.start != 0 || request.count != 1) {
    return Errc::invalid_argument;
  }
  if (request.has_eventfds()) {
    Eventfd trigger;
    if (const std::int32_t fd = request.eventfd(0); fd >= 0) {
      auto own = Eventfd::duplicate(fd);
      if (!own) {
        return own.error();
      }
      trigger = std::move(*own);
    }
    kind_ == Kind::intx ? swap_trigger(trigger) : enable_intx(std::move(trigger));
    return {};
  }
  if (kind_ != Kind::intx) {
    return Errc::invalid_argument;
  }
  if (request.says(0)) {
    const SpinGuard guard{sync_, line_lock_};
    send();
  }
  return {};
}

void Interrupts::enable_intx(Eventfd trigger) {
  kind_ = Kind::intx;
  const SpinGuard guard{sync_, line_lock_};
  intx_ = true;
  trigger_ = std::move(trigger);
  masked_ = disabled_;
  take_line(); // it may be up already
}

// The old one is closed by the caller, outside the lock.
void Interrupts::swap_trigger(Eventfd& trigger) {
  const SpinGuard guard{sync_, line_lock_};
  std::swap(trigger_, trigger);
}

void Interrupts::disable_intx() {
  if (kind_ != Kind::intx) {
    return;
  }
  unmask_by_nobody();
  kind_ = Kind::none;
  Eventfd last;
  swap_trigger(last);
  const SpinGuard guard{sync_, line_lock_};
  intx_ = false;
}

void Interrupts::set_disabled(bool disabled) {
  const SpinGuard guard{sync_, line_lock_};
  if (disabled != disabled_) {
    disabled_ = disabled;
    disabled ? mask() : unmask();
  }
}

void Interrupts::assert_line() {
  const SpinGuard guard{sync_, line_lock_};
  line_ = true;
  take_line();
}

void Interrupts::deassert_line() {
  const SpinGuard guard{sync_, line_lock_};
  line_ = false;
}

void Interrupts::take_line() {
  if (intx_ && line_ && !masked_) {
    masked_ = true;
    send();
  }
}

void Interrupts::send() {
  if (!disabled_) {
    trigger_.signal();
  }
}

void Interrupts::mask() { masked_ = masked_ || intx_; }

// A line that is still up is signalled again and stays masked.
void Interrupts::unmask() {
  if (!intx_ || !masked_ || disabled_) {
    return;
  }
  masked_ = line_;
  if (line_) {
    send();
  }
}

} // namespace sluice::vfio
