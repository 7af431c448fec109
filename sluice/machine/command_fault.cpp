#include <sluice/machine/command_fault.hpp>

#include <sluice/arch/commands.hpp>
#include <sluice/arch/registers.hpp>

namespace sluice::machine {

using arch::Command;
using arch::Opcode;
using base::Order;

SpoiledMmio::SpoiledMmio(platform::Mmio& inner, const hosted::Arena& arena)
    : inner_{inner}, view_{arena}, harmless_tlbi_{arch::cmd::tlbi_nh_asid(0xffff, 0xffff)} {
  const auto idr1 = arch::IDR1::from(inner_.read32(arch::IDR1::offset));
  const std::uint64_t streams = 1ULL << idr1.get(arch::IDR1::SIDSIZE);
  harmless_cfgi_ = arch::cmd::cfgi_ste(static_cast<std::uint32_t>(streams - 1), true);
}

void SpoiledMmio::write32(std::uint32_t offset, std::uint32_t value) {
  view_.on_write32(offset, value);
  if (offset == arch::CMDQ_PROD::offset) {
    view_.each_new(value, [this](base::DmaWord* entry) { spoil(entry); });
  }
  inner_.write32(offset, value);
}

void SpoiledMmio::write64(std::uint32_t offset, std::uint64_t value) {
  view_.on_write64(offset, value);
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
  case CommandFault::atc: // 4.5.1
    return opcode == Opcode::CMD_ATC_INV;
  case CommandFault::resume: // 4.7.1
    return opcode == Opcode::CMD_RESUME;
  }
  return false;
}

void SpoiledMmio::spoil(base::DmaWord* entry) {
  if (fault_.load(Order::relaxed) == CommandFault::none || !spoils(CommandView::load(entry).get(Command::Opcode))) {
    return;
  }
  const bool tlbi = fault_.load(Order::relaxed) == CommandFault::tlbi;
  CommandView::store(entry, tlbi ? harmless_cfgi_ : harmless_tlbi_);
  spoiled_.fetch_add(1, Order::relaxed);
}

} // namespace sluice::machine
