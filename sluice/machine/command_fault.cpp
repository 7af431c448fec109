#include <sluice/machine/command_fault.hpp>

#include <sluice/arch/commands.hpp>
#include <sluice/arch/registers.hpp>

namespace sluice::machine {

using arch::Command;
using arch::Opcode;
using base::Order;

SpoiledMmio::SpoiledMmio(platform::Mmio& inner, const hosted::Arena& arena)
    : inner_{inner}, arena_{arena}, harmless_tlbi_{arch::cmd::tlbi_nh_asid(0xffff, 0xffff)} {
  const auto idr1 = arch::IDR1::from(inner_.read32(arch::IDR1::offset));
  const std::uint64_t streams = 1ULL << idr1.get(arch::IDR1::SIDSIZE);
  harmless_cfgi_ = arch::cmd::cfgi_ste(static_cast<std::uint32_t>(streams - 1), true);
}

void SpoiledMmio::write32(std::uint32_t offset, std::uint32_t value) {
  constexpr std::uint32_t low_base = arch::CMDQ_BASE::offset;
  if (offset == low_base) {
    base_.store((base_.load(Order::relaxed) & ~0xffffffffULL) | value, Order::relaxed);
  } else if (offset == low_base + 4) {
    base_.store((base_.load(Order::relaxed) & 0xffffffffULL) | static_cast<std::uint64_t>(value) << 32, Order::relaxed);
  } else if (offset == arch::CMDQ_PROD::offset) {
    spoil(prod_.exchange(value, Order::relaxed), value);
  }
  inner_.write32(offset, value);
}

void SpoiledMmio::write64(std::uint32_t offset, std::uint64_t value) {
  if (offset == arch::CMDQ_BASE::offset) {
    base_.store(value, Order::relaxed);
  }
  inner_.write64(offset, value);
}

bool SpoiledMmio::spoils(Opcode opcode) const {
  switch (fault_.load(Order::relaxed)) {
  case CommandFault::none:
    return false;
  case CommandFault::tlbi: // 4.4
    return opcode >= Opcode::CMD_TLBI_NH_ALL && opcode <= Opcode::CMD_TLBI_NSNH_ALL;
  case CommandFault::cfgi: // 4.3
    return opcode >= Opcode::CMD_CFGI_STE && opcode <= Opcode::CMD_CFGI_CD_ALL;
  case CommandFault::sync:
    return opcode == Opcode::CMD_SYNC;
  }
  return false;
}

void SpoiledMmio::spoil(std::uint32_t begin, std::uint32_t end) {
  if (fault_.load(Order::relaxed) == CommandFault::none) {
    return;
  }
  const auto base = arch::CMDQ_BASE::from(base_.load(Order::relaxed));
  const auto log2size = static_cast<unsigned>(base.get(arch::CMDQ_BASE::LOG2SIZE));
  const std::uint32_t indices = (2u << log2size) - 1; // index and wrap bit
  const auto queue = arena_.at(base.get(arch::CMDQ_BASE::ADDR), sizeof(Command) << log2size);
  if (!queue) {
    return;
  }
  auto* words = static_cast<base::DmaWord*>(*queue);
  for (std::uint32_t at = begin & indices; at != (end & indices); at = (at + 1) & indices) {
    base::DmaWord* entry = words + 2 * (at & (indices >> 1));
    Command command;
    command.w = {entry[0].load(Order::relaxed), entry[1].load(Order::relaxed)};
    if (spoils(command.get(Command::Opcode))) {
      const bool tlbi = fault_.load(Order::relaxed) == CommandFault::tlbi;
      const Command& harmless = tlbi ? harmless_cfgi_ : harmless_tlbi_;
      entry[0].store(harmless.w[0], Order::relaxed);
      entry[1].store(harmless.w[1], Order::relaxed);
      spoiled_.fetch_add(1, Order::relaxed);
    }
  }
}

} // namespace sluice::machine
