#include <sluice/frame/command.hpp>

namespace sluice::frame {

namespace {

using arch::Command;

// 4.4.1.1
AddressRange address_range(const Command& command, const arch::IdRegisters& id) {
  const bool ipa = command.get(Command::Opcode) == arch::Opcode::CMD_TLBI_S2_IPA;
  AddressRange range;
  range.first = ipa ? command.get(Command::IPA) : command.get(Command::Address);
  range.leaf = command.get(Command::Leaf) != 0;
  const auto granule = arch::granule_of(command.get(Command::TG));
  if (!granule || !arch::has(id, arch::Feature::range_tlbi)) {
    range.last = range.first | 0xfff;
    return range;
  }
  range.granule = *granule;
  const auto ttl = static_cast<std::uint8_t>(command.get(Command::TTL));
  range.level = ttl == 1 && *granule == arch::Granule::k16 ? std::uint8_t{0} : ttl; // reserved without DS
  const unsigned shift = static_cast<unsigned>(command.get(Command::SCALE)) + arch::granule_bits(*granule);
  const std::uint64_t bytes = (command.get(Command::NUM) + 1) << shift;
  range.last = range.first + (bytes - 1);
  if (range.last < range.first) {
    range.last = ~0ULL; // no wrap at the top
  }
  return range;
}

} // namespace

Decoded decode(const Command& command, const arch::IdRegisters& id, bool reserved_illegal) {
  const auto opcode = command.get(Command::Opcode);
  const auto* form = arch::command_form(opcode);
  const auto illegal = [&](Illegal why) { return Decoded{why, opcode, {}}; };
  if (form == nullptr) {
    return illegal(Illegal::opcode);
  }
  if (!arch::has(id, form->needs)) {
    return illegal(Illegal::feature);
  }
  const bool ril = arch::has(id, arch::Feature::range_tlbi);
  if (arch::illegal_parameters(*form, command, ril, false)) {
    return illegal(Illegal::parameters);
  }
  if (reserved_illegal) {
    const auto reserved = arch::reserved_bits(*form, ril, false);
    if ((command.w[0] & reserved[0]) != 0 || (command.w[1] & reserved[1]) != 0) {
      return illegal(Illegal::reserved);
    }
  }
  return {Illegal::none, opcode, form->by_range ? address_range(command, id) : AddressRange{}};
}

} // namespace sluice::frame
