#pragma once

#include <sluice/machine/windows.hpp>
#include <sluice/model/bus.hpp>

namespace sluice::machine {

// A bus on which clients' memory lies beside the machine's own.
class WindowBus final : public model::Bus {
public:
  WindowBus(model::Bus& inner, const Windows& windows) : inner_{inner}, windows_{windows} {}

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
  bool message(const model::BusAccess& access, std::uint32_t data) override { return inner_.message(access, data); }
  void pulse(model::Wire wire) override { inner_.pulse(wire); }
  model::AtcAnswer invalidate_atc(const model::AtcInvalidation& invalidation) override {
    return inner_.invalidate_atc(invalidation);
  }
  bool atc_completed(std::uint32_t stream, std::uint8_t tag) override { return inner_.atc_completed(stream, tag); }
  void page_response(const model::PageResponse& response) override { inner_.page_response(response); }

private:
  model::Bus& inner_;
  const Windows& windows_;
};

} // namespace sluice::machine
