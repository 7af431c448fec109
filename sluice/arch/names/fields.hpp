#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/arch/command.hpp>
#include <sluice/arch/descriptors.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/pri.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/arch/ste.hpp>

#include <span>
#include <string_view>

// The manual's names of fields, for printing. The tables pair each field with its text and cover all of them.
namespace sluice::arch::names {

struct NamedField {
  std::string_view name;
  std::uint16_t hi; // the manual's absolute bit numbers
  std::uint16_t lo;
  bool address;                              // the value is the address itself, not counted from `lo`
  std::string_view (*word)(std::uint64_t){}; // the encoding's name, empty when it has none; null for numbers
};

// The field's value in a structure's words; 0 for a field that lies beyond them.
std::uint64_t value_of(const NamedField& field, std::span<const std::uint64_t> words);

std::span<const NamedField> fields_of(const Ste&);
std::span<const NamedField> fields_of(const Cd&);
std::span<const NamedField> fields_of(const L1Std&);
std::span<const NamedField> fields_of(const L1Cd&);
std::span<const NamedField> fields_of(const PriRecord&);
std::span<const NamedField> fields_of(const S1Table&);
std::span<const NamedField> fields_of(const S1Leaf&);
std::span<const NamedField> fields_of(const S2Table&);
std::span<const NamedField> fields_of(const S2Leaf&);

// By opcode and by type; only Opcode or Type for one that is not defined.
std::span<const NamedField> fields_of(const Command&);
std::span<const NamedField> fields_of(const Event&);

struct NamedRegister {
  std::string_view name;
  std::uint32_t offset; // for a group that is not in page 0 or 1: from where the group begins
  std::uint8_t width;
  std::span<const NamedField> fields;
};

// In the order of register_map, without PIDR and CIDR.
std::span<const NamedRegister> registers();
std::span<const NamedRegister> vatos_registers();
std::span<const NamedRegister> ecmdq_registers();
// GATOS_PAR and VATOS_PAR with FAULT = 1
std::span<const NamedField> par_fault_fields();

// The register that holds the byte at `offset`, or null. PIDR0 to CIDR3 have names and no fields.
const NamedRegister* find_register(std::uint32_t offset);

// These offsets are not from page 0.
std::span<const NamedField> fields_of(const ECMDQ_BASE&);
std::span<const NamedField> fields_of(const ECMDQ_PROD&);
std::span<const NamedField> fields_of(const ECMDQ_CONS&);
std::span<const NamedField> fields_of(const VATOS_CTRL&);
std::span<const NamedField> fields_of(const VATOS_SID&);
std::span<const NamedField> fields_of(const VATOS_ADDR&);
// By FAULT.
std::span<const NamedField> fields_of(const VATOS_PAR&);
std::span<const NamedField> fields_of(const GATOS_PAR&);

template <class R>
concept FrameRegister = requires {
  R::offset;
  R::width;
  R::access;
};
template <FrameRegister R>
std::span<const NamedField> fields_of(const R&) {
  const NamedRegister* found = find_register(R::offset);
  return found ? found->fields : std::span<const NamedField>{};
}

// Calls visit(name, hi, lo, value) for each field, lowest first.
template <class S, class Visit>
void for_each_field(const S& s, Visit visit) {
  for (const NamedField& field : fields_of(s)) {
    visit(field.name, unsigned{field.hi}, unsigned{field.lo}, value_of(field, s.w));
  }
}

} // namespace sluice::arch::names
