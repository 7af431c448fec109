#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/machine/forwarding_bus.hpp>

#include <array>
#include <cstdint>

namespace sluice::machine {

enum class Whose : std::uint8_t { smmu, clients, everyone };

// A bus with a place that answers every access of some initiators with an abort: a memory error in a table, a window
// that was closed.
class FaultyBus final : public ForwardingBus {
public:
  explicit FaultyBus(model::Bus& inner) : ForwardingBus{inner} {}

  // From the next access on; takes the place of what was planted before. `size` 0: none.
  void plant(std::uint64_t address, std::uint64_t size, Whose whose);
  std::uint64_t aborted() const { return aborted_.load(base::Order::relaxed); }

  bool read(const model::BusAccess& access, void* into) override { return passes(access) && inner_.read(access, into); }
  bool write(const model::BusAccess& access, const void* from) override {
    return passes(access) && inner_.write(access, from);
  }
  bool read64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& value) override {
    return passes({address, 8, attributes}) && inner_.read64(address, attributes, value);
  }
  bool compare_exchange64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& expected,
                          std::uint64_t desired) override {
    return passes({address, 8, attributes}) && inner_.compare_exchange64(address, attributes, expected, desired);
  }
  bool message(const model::BusAccess& access, std::uint32_t data) override {
    return passes(access) && inner_.message(access, data);
  }

private:
  bool passes(const model::BusAccess& access);

  base::Atomic<std::uint64_t> begin_{0};
  base::Atomic<std::uint64_t> size_{0};
  base::Atomic<Whose> whose_{Whose::everyone};
  base::Atomic<std::uint64_t> aborted_{0};
};

} // namespace sluice::machine
