#pragma once

#include <sluice/machine/forwarding_bus.hpp>
#include <sluice/machine/windows.hpp>

namespace sluice::machine {

// A bus on which clients' memory lies beside the machine's own.
class WindowBus final : public ForwardingBus {
public:
  WindowBus(model::Bus& inner, const Windows& windows) : ForwardingBus{inner}, windows_{windows} {}

  bool read(const model::BusAccess& access, void* into) override {
    return windows_.contains(access.address)
               ? windows_.read(access.address, {static_cast<std::byte*>(into), access.size})
               : inner_.read(access, into);
  }
  bool write(const model::BusAccess& access, const void* from) override {
    return windows_.contains(access.address)
               ? windows_.write(access.address, {static_cast<const std::byte*>(from), access.size})
               : inner_.write(access, from);
  }
  bool read64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& value) override {
    return windows_.contains(address) ? windows_.read64(address, value) : inner_.read64(address, attributes, value);
  }
  // A client's memory cannot be locked for the hardware.
  bool compare_exchange64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& expected,
                          std::uint64_t desired) override {
    return !windows_.contains(address) && inner_.compare_exchange64(address, attributes, expected, desired);
  }

private:
  const Windows& windows_;
};

} // namespace sluice::machine
