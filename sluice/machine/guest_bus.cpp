#include <sluice/machine/guest_bus.hpp>

#include <sluice/base/fence.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/machine/doorbell.hpp>

#include <algorithm>

namespace sluice::machine {

using base::DmaWord;
using base::Order;
using platform::SpinGuard;

void* GuestBus::target(std::uint64_t address, std::uint64_t size) const {
  const bool in_frame = address < frame_.begin + frame_.size && address + size > frame_.begin;
  const auto found = ram_.at(address, size);
  return found && !in_frame ? *found : nullptr;
}

bool GuestBus::read(const model::BusAccess& access, void* into) {
  const void* const from = target(access.address, access.size);
  if (from == nullptr) {
    strays_.fetch_add(1, Order::relaxed);
    return false;
  }
  copy_out(from, into, access.size);
  return true;
}

bool GuestBus::write(const model::BusAccess& access, const void* from) {
  void* const into = target(access.address, access.size);
  if (into == nullptr) {
    strays_.fetch_add(1, Order::relaxed);
    return false;
  }
  copy_in(into, from, access.size);
  return true;
}

bool GuestBus::read64(std::uint64_t address, const model::Attributes&, std::uint64_t& value) {
  const void* const at = target(address, sizeof value);
  if (at == nullptr || address % sizeof value != 0) {
    return false;
  }
  value = static_cast<const DmaWord*>(at)->load(Order::relaxed);
  return true;
}

bool GuestBus::compare_exchange64(std::uint64_t address, const model::Attributes&, std::uint64_t& expected,
                                  std::uint64_t desired) {
  void* const at = target(address, sizeof expected);
  if (at == nullptr || address % sizeof expected != 0) {
    return false;
  }
  // A failed exchange leaves what was found in `expected`: the access itself was served.
  static_cast<DmaWord*>(at)->compare_exchange(expected, desired);
  return true;
}

bool GuestBus::message(const model::BusAccess& access, std::uint32_t data) {
  base::dma_publish(); // 3.18: what the message tells of is in memory before it
  if (!Doorbell::contains(access.address) && target(access.address, sizeof data) == nullptr) {
    strays_.fetch_add(1, Order::relaxed);
    return false;
  }
  const SpinGuard guard{sync_, lock_};
  const auto known = signals_.messages();
  if (std::any_of(known.begin(), known.end(),
                  [&](const Message& m) { return m.address == access.address && m.data == data; })) {
    return true;
  }
  if (signals_.count == Signals::most) {
    return false;
  }
  signals_.list[signals_.count++] = {access.address, data};
  return true;
}

bool GuestBus::deliver(const Message& message) {
  void* const into = target(message.address, sizeof message.data);
  if (Doorbell::contains(message.address) || into == nullptr) {
    return false;
  }
  copy_in(into, &message.data, sizeof message.data);
  return true;
}

void GuestBus::pulse(model::Wire wire) {
  const SpinGuard guard{sync_, lock_};
  signals_.wires |= 1u << static_cast<unsigned>(wire);
}

GuestBus::Signals GuestBus::take_signals() {
  const SpinGuard guard{sync_, lock_};
  return std::exchange(signals_, {});
}

} // namespace sluice::machine
