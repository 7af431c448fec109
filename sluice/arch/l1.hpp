#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/base/field.hpp>

// First-level descriptors, and where entries lie in tables.
namespace sluice::arch {

// 5.1 Level 1 Stream Table Descriptor
struct L1Std : base::Words<L1Std, 1> {
  static constexpr base::Field<L1Std, 4, 0> Span{}; // 1 to 11: 2^(Span-1) STEs; all else: none
  static constexpr base::Address<L1Std, 55, 6> L2Ptr{};

  static constexpr base::FieldList fields{Span, L2Ptr};
};
static_assert(base::well_formed<L1Std>());
static_assert(sizeof(L1Std) == 8);

inline constexpr unsigned l1std_max_span = 11; // 5.1

// 5.1 STEs behind a Span; 0 when the Span is 0 or reserved.
constexpr std::uint32_t l1std_entries(std::uint64_t span) {
  return span >= 1 && span <= l1std_max_span ? std::uint32_t{1} << (span - 1) : 0;
}

// 6.3.25 STRTAB_BASE_CFG.SPLIT: 6, 8 or 10, and all else is 6.
constexpr unsigned effective_split(std::uint64_t split) { return split == 8 || split == 10 ? unsigned(split) : 6; }

// 5.3 Level 1 Context Descriptor
struct L1Cd : base::Words<L1Cd, 1> {
  static constexpr base::Field<L1Cd, 0> V{};
  static constexpr base::Address<L1Cd, 55, 12> L2Ptr{};

  static constexpr base::FieldList fields{V, L2Ptr};
};
static_assert(base::well_formed<L1Cd>());
static_assert(sizeof(L1Cd) == 8);

// 5.2 STE.S1Fmt: bits of the SubstreamID that index a leaf table of CDs.
constexpr unsigned cd_split(S1Format format) {
  return format == S1Format::two_level_4k ? 6 : format == S1Format::two_level_64k ? 10 : 0;
}

// 5.6 Virtual Machine Structure
struct Vms {
  static constexpr std::size_t byte_size = 4096;
  static constexpr std::size_t partid_map_entries = 32; // 16 bits each, from byte 0
};

} // namespace sluice::arch
