#include <sluice/model/tlbi_scope.hpp>

namespace sluice::model {

using arch::Command;
using arch::Opcode;
using Kind = Context::Kind;

// 4.4: the addresses that a TLBI names, widened to the leaf that the entry is of.
bool names_address(const Command& command, const arch::IdRegisters& id, const TlbEntry& entry) {
  const auto range = frame::decode(command, id, false).range;
  if (range.last - range.first >= 1ULL << 55) {
    return true;
  }
  const std::uint64_t low = mask_below(entry.leaf_log2() < 12 ? 0 : entry.leaf_log2() - 12);
  return entry.page() >= (page_of(range.first) & ~low) && entry.page() <= (page_of(range.last) | low);
}

// 4.4: whether a TLBI is about translations of a context.
bool names_context(const Command& command, const Context& c, bool has_vmids, std::uint16_t any_vmid) {
  const auto vmid = static_cast<std::uint16_t>(command.get(Command::VMID));
  const auto asid = static_cast<std::uint16_t>(command.get(Command::ASID));
  const bool of_vm = c.world == World::el1 && (!has_vmids || (c.vmid | any_vmid) == (vmid | any_vmid));
  const bool of_el2 = c.world != World::el1;
  const bool of_asid = c.kind == Kind::va && c.asid == asid;
  switch (command.get(Command::Opcode)) {
  case Opcode::CMD_TLBI_NSNH_ALL:
    return c.world == World::el1;
  case Opcode::CMD_TLBI_S12_VMALL:
    return of_vm;
  case Opcode::CMD_TLBI_S2_IPA:
    return of_vm && c.kind == Kind::ipa;
  case Opcode::CMD_TLBI_NH_ALL:
  case Opcode::CMD_TLBI_NH_VAA:
    return of_vm && c.kind != Kind::ipa;
  case Opcode::CMD_TLBI_NH_ASID:
    return of_vm && of_asid;
  case Opcode::CMD_TLBI_NH_VA:
    return of_vm && (of_asid || c.kind == Kind::va_global);
  case Opcode::CMD_TLBI_EL2_ALL:
  case Opcode::CMD_TLBI_EL2_VAA:
    return of_el2;
  case Opcode::CMD_TLBI_EL2_ASID:
    return of_el2 && of_asid;
  case Opcode::CMD_TLBI_EL2_VA:
    return of_el2 && (of_asid || c.kind == Kind::va_global || c.world == World::el2);
  default:
    return false;
  }
}

bool is_by_address(Opcode opcode) {
  return opcode == Opcode::CMD_TLBI_NH_VA || opcode == Opcode::CMD_TLBI_NH_VAA || opcode == Opcode::CMD_TLBI_EL2_VA ||
         opcode == Opcode::CMD_TLBI_EL2_VAA || opcode == Opcode::CMD_TLBI_S2_IPA;
}

} // namespace sluice::model
