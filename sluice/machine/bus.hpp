#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/machine/client_memory.hpp>
#include <sluice/machine/function_routes.hpp>
#include <sluice/machine/interleave.hpp>
#include <sluice/model/bus.hpp>

#include <cstdint>

namespace sluice::machine {

// Lines of one SMMU, counted from its first.
constexpr platform::IrqLine wires_per_smmu = 4;

// What one SMMU sees of the machine: all RAM for itself, the clients' pages for its clients, its wires, and the
// functions behind it. Everything else aborts.
class Bus final : public model::Bus {
public:
  Bus(hosted::Arena& arena, const ClientMemory& clients, hosted::Irq& irq, platform::IrqLine first_line,
      Interleave& interleave, FunctionRoutes& routes)
      : arena_{arena}, clients_{clients}, irq_{irq}, first_line_{first_line}, interleave_{interleave}, routes_{routes} {
  }

  bool read(const model::BusAccess& access, void* into) override;
  bool write(const model::BusAccess& access, const void* from) override;
  bool read64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& value) override;
  bool compare_exchange64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& expected,
                          std::uint64_t desired) override;
  // To the driver's interrupt controller, or into RAM, where whoever waits for it may look.
  bool message(const model::BusAccess& access, std::uint32_t data) override;
  void pulse(model::Wire wire) override { irq_.raise(first_line_ + static_cast<platform::IrqLine>(wire)); }

  model::AtcAnswer invalidate_atc(const model::AtcInvalidation& invalidation) override {
    return routes_.invalidate_atc(invalidation);
  }
  bool atc_completed(std::uint32_t stream, std::uint8_t tag) override { return routes_.atc_completed(stream, tag); }
  void page_response(const model::PageResponse& response) override { routes_.page_response(response); }

  // Accesses of clients to RAM that is not for clients.
  std::uint64_t strays() const { return strays_.load(base::Order::relaxed); }

private:
  // Null: nothing is there for this initiator.
  void* target(const model::BusAccess& access);

  hosted::Arena& arena_;
  const ClientMemory& clients_;
  hosted::Irq& irq_;
  platform::IrqLine first_line_;
  Interleave& interleave_;
  FunctionRoutes& routes_;
  base::Atomic<std::uint64_t> strays_{0};
};

} // namespace sluice::machine
