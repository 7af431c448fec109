#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/base/atomic.hpp>
#include <sluice/machine/command_view.hpp>
#include <sluice/platform/mmio.hpp>

#include <cstdint>

namespace sluice::machine {

// Commands that get lost between driver and SMMU.
enum class CommandFault : std::uint8_t { none, tlbi, cfgi, sync, atc, resume };

// A register frame that spoils what is in the command queue: when CMDQ_PROD moves, each command of the planted kind
// between the old and the new value becomes a legal one of another kind, for a tag or stream that nobody has.
class SpoiledMmio final : public platform::Mmio {
public:
  SpoiledMmio(platform::Mmio& inner, const hosted::Arena& arena);

  std::uint32_t read32(std::uint32_t offset) override { return inner_.read32(offset); }
  std::uint64_t read64(std::uint32_t offset) override { return inner_.read64(offset); }
  void write32(std::uint32_t offset, std::uint32_t value) override;
  void write64(std::uint32_t offset, std::uint64_t value) override;

  // From now on.
  void plant(CommandFault fault) { fault_.store(fault, base::Order::relaxed); }
  std::uint64_t spoiled() const { return spoiled_.load(base::Order::relaxed); }

private:
  bool spoils(arch::Opcode opcode) const;
  void spoil(base::DmaWord* entry);

  platform::Mmio& inner_;
  CommandView view_;
  arch::Command harmless_tlbi_;
  arch::Command harmless_cfgi_;
  base::Atomic<CommandFault> fault_{CommandFault::none};
  base::Atomic<std::uint64_t> spoiled_{0};
};

} // namespace sluice::machine
