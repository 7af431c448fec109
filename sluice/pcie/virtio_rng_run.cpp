#include <sluice/pcie/virtio_rng.hpp>

// What an entropy source does when it has been told to.
namespace sluice::pcie {

using platform::MutexGuard;
using platform::SpinGuard;

bool VirtioRng::run(Master& master) {
  {
    const MutexGuard turn{sync_, turn_};
    const bool may_request = bus_master();
    const std::uint32_t mine = may_request ? ~0u : hooked;
    const std::uint32_t work = work_.fetch_and(~mine, base::Order::acq_rel) & mine;
    if ((work & hooked) != 0) {
      hook_.run(dma_, master, may_request, source_.latest());
    }
    if ((work & notified) != 0) {
      serve(master);
    }
    if (may_request) {
      send_messages(master);
    }
  }
  return pending();
}

void VirtioRng::serve(Master& master) {
  QueueLayout layout;
  QueueRules rules;
  {
    const SpinGuard guard{sync_, lock_};
    if (!common_.live()) { // 3.1.1: nothing is consumed before DRIVER_OK
      return;
    }
    layout = common_.layout();
    rules = common_.rules();
  }
  if (!queue_started_) {
    queue_.start(layout, rules);
    queue_started_ = true;
  }
  for (unsigned i = 0; i < layout.size; ++i) {
    if (!serve_one(master)) {
      return;
    }
  }
  work_.fetch_or(notified, base::Order::acq_rel); // there may be more
}

bool VirtioRng::serve_one(Master& master) {
  Chain chain;
  const Virtqueue::Next next = queue_.next(master, chain);
  if (next != Virtqueue::Next::chain) {
    break_down(queue_.fault());
    return false;
  }
  std::uint32_t written = 0;
  if (!source_.fill(dma_, master, chain, written)) {
    break_down(RingFault::access);
    return false;
  }
  if (!queue_.complete(master, chain, written)) {
    break_down(queue_.fault());
    return false;
  }
  {
    const SpinGuard guard{sync_, lock_};
    source_.account(written);
  }
  if (queue_.wants_interrupt(master)) {
    const SpinGuard guard{sync_, lock_};
    raise(virtio::isr_queue, common_.queue_vector());
  }
  break_down(queue_.fault());
  return queue_.fault() == RingFault::none;
}

void VirtioRng::break_down(RingFault fault) {
  if (fault != RingFault::none) {
    const SpinGuard guard{sync_, lock_};
    fail(fault);
  }
}

// 2.1.2: a device that cannot go on says so, and tells a driver that is at work.
void VirtioRng::fail(RingFault fault) {
  if ((common_.status() & virtio::needs_reset) != 0) {
    return;
  }
  ring_fault_ = fault;
  common_.set_needs_reset();
  if (common_.driver_ok()) {
    raise(virtio::isr_configuration, common_.config_vector());
  }
}

// 4.1.4.5.1: with MSI-X the ISR stays as it is.
void VirtioRng::raise(std::uint8_t isr, std::uint16_t vector) {
  if (msix_.enabled()) {
    msix_.post(vector);
    return;
  }
  if (isr_ == 0) {
    interrupts_.fetch_add(1, base::Order::relaxed);
  }
  isr_ |= isr;
  set_interrupt(pin());
}

// A message is a write like any other, so it goes through the SMMU; 6.1.4: after the data it tells of.
void VirtioRng::send_messages(Master& master) {
  for (unsigned i = 0; i < vectors; ++i) {
    std::optional<Msix::Message> due;
    {
      const SpinGuard guard{sync_, lock_};
      due = msix_.take();
    }
    if (!due) {
      return;
    }
    dma_.write(master, due->address, &due->data, sizeof due->data);
    messages_.fetch_add(1, base::Order::relaxed);
  }
}

} // namespace sluice::pcie
