#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/driver/capabilities.hpp>
#include <sluice/pagetable/config.hpp>

#include <array>
#include <cstdint>

// STEs and CDs as the driver makes them.
namespace sluice::driver {

// What decides how an entry is written, apart from the domain.
struct EntryFacts {
  bool coherent{true};    // the SMMU's accesses to structures and tables see caches
  bool attr_types{};      // IDR1.ATTR_TYPES_OVR
  bool stalls_optional{}; // IDR0.STALL_MODEL
  bool stalls_forced{};
  bool stage2{}; // IDR0.S2P
  bool e2h{};    // first stages alone are of StreamWorld NS-EL2-E2H
};
EntryFacts entry_facts(const Capabilities& capabilities, bool coherent);

arch::Ste abort_ste();
arch::Ste bypass_ste(const EntryFacts& facts);
// Whether faults wait for software: the device can, and the domain has somebody who will answer.
struct Stalls {
  bool allowed{}; // by the device. The STE says it, so that moving between domains with and without changes one word
  bool wanted{};
};
// Stage 1 through the one CD at `cd_table`.
arch::Ste stage1_ste(const EntryFacts& facts, std::uint64_t cd_table, Stalls stalls = {});
// Stage 1 through a table of 2^`bits` CDs; `dss` says what becomes of requests without SubstreamID.
arch::Ste table_ste(const EntryFacts& facts, std::uint64_t cd_table, arch::S1Format format, unsigned bits,
                    arch::S1Dss dss, Stalls stalls = {});
arch::Ste stage2_ste(const EntryFacts& facts, std::uint16_t vmid, const pagetable::Fields& table, Stalls stalls = {});
// ASET is 1: no processor knows the ASID.
arch::Cd stage1_cd(const EntryFacts& facts, std::uint16_t asid, const pagetable::Fields& table, Stalls stalls = {});

// Of a processor's table, `shared` if under the processor's ASID; and what takes its place when that is no more: no
// walk and no record of it, while SubstreamID and ASID stay as they are. 5.4 EPD0, 5.5
arch::Cd sva_cd(const EntryFacts& facts, std::uint16_t asid, const pagetable::Fields& table, std::uint64_t mair,
                Stalls stalls, bool shared = false);
arch::Cd quiet_cd(const EntryFacts& facts, const arch::Cd& cd);

using EntryWords = std::array<std::uint64_t, 8>;

// The bits that the SMMU looks at in an entry with these contents; all others are IGNORED. 5.2, 5.2.1, 5.4
EntryWords used_bits(const arch::Ste& ste, const EntryFacts& facts);
EntryWords used_bits(const arch::Cd& cd);

// Bits whose value has no part in the result of a transaction: rule 1's exemptions. MEV only permits merging of events
// (7.3.1), CONT is a hint (5.2), and EATS does nothing while nobody asks for translations.
EntryWords exempt_bits(bool ats_off);

} // namespace sluice::driver
