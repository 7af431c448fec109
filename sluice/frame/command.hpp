#pragma once

#include <sluice/arch/command_forms.hpp>
#include <sluice/arch/features.hpp>

#include <cstdint>
#include <optional>

namespace sluice::frame {

// 4.4.1.1 What a TLBI by address names: an entry of granule and level as given matches when its leaf holds one of the
// addresses first to last.
struct AddressRange {
  std::uint64_t first{};
  std::uint64_t last{}; // inclusive
  std::optional<arch::Granule> granule{};
  std::uint8_t level{}; // 0: any
  bool leaf{};          // only last-level entries need go

  friend constexpr bool operator==(const AddressRange&, const AddressRange&) = default;
};

// 4.1.3: what makes a command one that CERROR_ILL answers.
enum class Illegal : std::uint8_t {
  none,
  opcode,     // nobody's
  feature,    // of a feature that is not there, or of another Security state
  parameters, // whatever the SMMU supports
  reserved,   // a field that has to be 0
};

// A command of the Non-secure queue, checked.
struct Decoded {
  Illegal illegal{};
  arch::Opcode opcode{};
  AddressRange range{}; // of TLBI by address

  bool legal() const { return illegal == Illegal::none; }
  arch::Cerror error() const { return legal() ? arch::Cerror::NONE : arch::Cerror::ILL; }
};

// 4.1.3 - 4.1.6. `reserved_illegal`: a non-zero reserved field is CERROR_ILL, else it is ignored.
Decoded decode(const arch::Command& command, const arch::IdRegisters& id, bool reserved_illegal);

} // namespace sluice::frame
