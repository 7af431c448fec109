#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/machine/function_routes.hpp>
#include <sluice/model/bus.hpp>
#include <sluice/platform/sync.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace sluice::machine {

// What an SMMU sees of a guest that somebody else runs: its RAM, but for the piece that is the SMMU's own register
// frame, and the interrupt controllers. Everything else aborts.
class GuestBus final : public model::Bus {
public:
  // A frame of registers in RAM, at a bus address.
  struct Hole {
    std::uint64_t begin{};
    std::uint64_t size{};
  };
  // `routes`: to the functions that have an ATC.
  GuestBus(hosted::Arena& ram, Hole frame, FunctionRoutes& routes, platform::Sync& sync)
      : ram_{ram}, frame_{frame}, routes_{routes}, sync_{sync} {}

  bool read(const model::BusAccess& access, void* into) override;
  bool write(const model::BusAccess& access, const void* from) override;
  bool read64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& value) override;
  bool compare_exchange64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& expected,
                          std::uint64_t desired) override;
  // By way of take_signals(), wherever it goes: a guest that polls for a CMD_SYNC's message in RAM must not go on
  // before whoever takes the signals has seen what has completed.
  bool message(const model::BusAccess& access, std::uint32_t data) override;
  void pulse(model::Wire wire) override;
  model::AtcAnswer invalidate_atc(const model::AtcInvalidation& invalidation) override {
    return routes_.invalidate_atc(invalidation);
  }
  bool atc_completed(std::uint32_t stream, std::uint8_t tag) override { return routes_.atc_completed(stream, tag); }
  void page_response(const model::PageResponse& response) override { routes_.page_response(response); }

  struct Message {
    std::uint64_t address{};
    std::uint32_t data{};
  };
  // Interrupts that have not reached the guest yet. The same one twice is one.
  struct Signals {
    static constexpr std::size_t most = 16;

    std::uint32_t wires{}; // bit n: model::Wire n
    std::size_t count{};
    std::array<Message, most> list{};

    std::span<const Message> messages() const { return {list.data(), count}; }
    bool none() const { return wires == 0 && count == 0; }
  };
  Signals take_signals();
  // A message to RAM; false for one to an interrupt controller.
  bool deliver(const Message& message);

  // Accesses of devices to what is no RAM of the guest's.
  std::uint64_t strays() const { return strays_.load(base::Order::relaxed); }

private:
  // Null: nothing is there.
  void* target(std::uint64_t address, std::uint64_t size) const;

  hosted::Arena& ram_;
  Hole frame_;
  FunctionRoutes& routes_;
  platform::Sync& sync_;
  platform::SpinLock lock_; // of signals_
  Signals signals_;
  base::Atomic<std::uint64_t> strays_{0};
};

} // namespace sluice::machine
