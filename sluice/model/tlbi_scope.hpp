#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/model/contexts.hpp>
#include <sluice/model/facts.hpp>
#include <sluice/model/tlb.hpp>

#include <cstdint>

// 4.4: what a TLBI is about, said once more, apart from how ports go about it.
namespace sluice::model {

// The addresses that it names, widened to the leaf that the entry is of.
bool names_address(const arch::Command& tlbi, const arch::IdRegisters& id, const TlbEntry& entry);
// Translations of a context. `any_vmid`: 6.3.9 VMW.
bool names_context(const arch::Command& tlbi, const Context& context, bool has_vmids, std::uint16_t any_vmid);
bool is_by_address(arch::Opcode opcode);

inline bool names(const arch::Command& tlbi, const Facts& facts, std::uint16_t any_vmid, const Context& context,
                  const TlbEntry& entry) {
  return names_context(tlbi, context, facts.features.stage2, any_vmid) &&
         (!is_by_address(tlbi.get(arch::Command::Opcode)) || names_address(tlbi, facts.id, entry));
}

} // namespace sluice::model
