#include <sluice/driver/guest_commands.hpp>

#include <sluice/arch/command_forms.hpp>
#include <sluice/arch/commands.hpp>

namespace sluice::driver {

using base::Errc;
using base::Status;
using namespace arch;

namespace {

bool guests_may_send(Opcode opcode) {
  switch (opcode) {
  case Opcode::CMD_CFGI_CD:
  case Opcode::CMD_CFGI_CD_ALL:
  case Opcode::CMD_TLBI_NH_ALL:
  case Opcode::CMD_TLBI_NH_ASID:
  case Opcode::CMD_TLBI_NH_VA:
  case Opcode::CMD_TLBI_NH_VAA:
  case Opcode::CMD_TLBI_NSNH_ALL:
  case Opcode::CMD_ATC_INV:
    return true;
  default:
    return false;
  }
}

// Fields that this SMMU has less of than the architecture allows.
std::array<std::uint64_t, 2> absent_bits(const CommandForm& form, const Capabilities& c) {
  std::array<std::uint64_t, 2> absent{};
  if (target_of(form.opcode) == GuestTarget::translations) {
    absent[0] |= c.asid_bits == 8 ? 0xff00ULL << Command::ASID.shift : 0; // 4.4: RES0
  } else if (c.substream_bits == 0) {
    absent[0] |= Command::SubstreamID.mask | Command::SSV.mask | Command::Global.mask;
  }
  if (form.by_range) {
    absent[1] |= Command::TTL128.mask; // no table of ours or of a guest's has such descriptors
  }
  return absent;
}

// 4.4.1.1
bool reserved_range(const Command& c, bool ds) {
  if (c.get(Command::TG) == TlbiTg::any) {
    return c.get(Command::NUM) != 0 || c.get(Command::SCALE_DS) != 0 || c.get(Command::TTL) != 0;
  }
  return c.get(Command::TG) == TlbiTg::k16 && c.get(Command::TTL) == 1 && !ds;
}

} // namespace

Status check_guest_command(const Command& command, const Capabilities& capabilities) {
  const Opcode opcode = command.get(Command::Opcode);
  const CommandForm* form = guests_may_send(opcode) ? command_form(opcode) : nullptr;
  if (form == nullptr || !has(capabilities.id, form->needs)) {
    return Errc::reserved_bits;
  }
  const bool ril = capabilities.range_invalidate;
  const bool ds = capabilities.id.idr5.get(IDR5::DS) == 1;
  const auto reserved = reserved_bits(*form, ril, ds);
  const auto absent = absent_bits(*form, capabilities);
  for (std::size_t i = 0; i < Command::word_count; ++i) {
    if ((command.w[i] & (reserved[i] | absent[i])) != 0) {
      return Errc::reserved_bits;
    }
  }
  if (illegal_parameters(*form, command, ril, ds) || (form->by_range && reserved_range(command, ds))) {
    return Errc::reserved_bits;
  }
  if (opcode == Opcode::CMD_ATC_INV && command.get(Command::Size) > atc_inv_size_all) {
    return Errc::reserved_bits;
  }
  return {};
}

GuestTarget target_of(Opcode opcode) {
  switch (opcode) {
  case Opcode::CMD_CFGI_CD:
  case Opcode::CMD_CFGI_CD_ALL:
    return GuestTarget::configuration;
  case Opcode::CMD_ATC_INV:
    return GuestTarget::device;
  default:
    return GuestTarget::translations;
  }
}

Command with_vmid(const Command& command, std::uint16_t vmid) {
  if (command.get(Command::Opcode) == Opcode::CMD_TLBI_NSNH_ALL) {
    return cmd::tlbi_nh_all(vmid); // all that is the guest's
  }
  return command.with(Command::VMID, vmid);
}

} // namespace sluice::driver
