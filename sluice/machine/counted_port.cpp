#include <sluice/machine/counted_port.hpp>

#include <sluice/hosted/mmio_order.hpp>

namespace sluice::machine {

using base::Order;
using platform::MutexGuard;

model::Transfer CountedPort::transfer(const model::Request& request, void* data, std::uint64_t size) {
  const MutexGuard guard{host_.device_sync, turn_};
  model::Transfer result;
  hosted::device_access([&] { result = port_.transfer(request, data, size); });
  latest_ = port_.stages_of(request);
  if (result.outcome.served() && latest_) {
    Counted& counted = moved_[static_cast<std::size_t>(*latest_)];
    counted.requests.fetch_add(1, Order::relaxed);
    counted.bytes.fetch_add(size, Order::relaxed);
  }
  return result;
}

model::PortCounters CountedPort::counters() {
  const MutexGuard guard{host_.device_sync, turn_};
  return port_.counters();
}

model::Audit CountedPort::audit(std::span<const arch::Command> scope) {
  const MutexGuard guard{host_.device_sync, turn_};
  return port_.audit(scope);
}

} // namespace sluice::machine
