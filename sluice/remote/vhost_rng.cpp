#include <sluice/remote/vhost_rng.hpp>

#include <sluice/pcie/virtio.hpp>

namespace sluice::remote {

namespace virtio = pcie::virtio;
using platform::SpinGuard;

VhostRng::VhostRng(std::string_view name, pcie::Address address, pcie::Master& master, platform::Sync& sync)
    : sync_{sync}, function_{{.vendor = virtio::vendor, .device = virtio::modern_device + virtio::entropy_source},
                             address},
      master_{master}, source_{name} {
  // A driver that has no bus mastership kicks no queue.
  function_.config_write(pcie::config::command, 2, pcie::config::command_bus_master);
}

std::uint64_t VhostRng::features() const {
  return virtio::version_1 | virtio::access_platform | pcie::QueueRules::features;
}

void VhostRng::start(const pcie::QueueLayout& layout, pcie::QueueRules rules, std::uint16_t next) {
  queue_.start(layout, rules, next);
  size_ = layout.size;
  broken_ = false;
}

VhostDevice::Ran VhostRng::run() {
  Ran ran;
  for (unsigned i = 0; i < size_ && !broken_; ++i) {
    if (!serve(ran)) {
      return ran;
    }
  }
  ran.more = !broken_;
  return ran;
}

// One chain; false: there was none, or the ring is broken.
bool VhostRng::serve(Ran& ran) {
  pcie::Chain chain;
  std::uint32_t written = 0;
  const auto next = queue_.next(master_, chain);
  if (next == pcie::Virtqueue::Next::none) {
    return false;
  }
  if (next == pcie::Virtqueue::Next::broken || !source_.fill(dma_, master_, chain, written) ||
      !queue_.complete(master_, chain, written)) {
    broken_ = ran.broken = true;
    return false;
  }
  {
    const SpinGuard guard{sync_, lock_};
    source_.account(written);
  }
  ran.interrupt = queue_.wants_interrupt(master_) || ran.interrupt;
  broken_ = ran.broken = queue_.fault() != pcie::RingFault::none;
  return !broken_;
}

pcie::Delivered VhostRng::delivered() const {
  const SpinGuard guard{sync_, lock_};
  return source_.delivered();
}

} // namespace sluice::remote
