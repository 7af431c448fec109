#include <sluice/vsmmu/guest_command.hpp>

#include <sluice/arch/command_forms.hpp>

namespace sluice::vsmmu {

using namespace arch;

namespace {

// 4.4.1.1
void tidy_range(Command& c, const IdRegisters& id) {
  c.set(Command::TTL128, 0); // 64-bit descriptors are all that there is
  if (!has(id, Feature::range_tlbi) || c.get(Command::TG) == TlbiTg::any) {
    c.set(Command::NUM, 0).set(Command::SCALE, 0).set(Command::TG, TlbiTg::any).set(Command::TTL, 0);
  } else if (c.get(Command::TG) == TlbiTg::k16 && c.get(Command::TTL) == 1) {
    c.set(Command::TTL, 0); // reserved without DS
  }
}

bool has_substream(Opcode opcode) { return opcode == Opcode::CMD_CFGI_CD || opcode == Opcode::CMD_ATC_INV; }
bool has_asid(Opcode opcode) { return opcode == Opcode::CMD_TLBI_NH_ASID || opcode == Opcode::CMD_TLBI_NH_VA; }

} // namespace

std::optional<Command> for_host(const Command& command, const IdRegisters& id) {
  const Opcode opcode = command.get(Command::Opcode);
  const CommandForm& form = *command_form(opcode);
  Command c;
  for (std::size_t i = 0; i < Command::word_count; ++i) {
    c.w[i] = command.w[i] & form.defined[i];
  }
  if (form.by_range) {
    tidy_range(c, id);
  }
  if (has_asid(opcode) && c.get(Command::ASID) >> asid_bits(id) != 0) {
    return std::nullopt; // 4.4: no entry has such an ASID
  }
  if (opcode == Opcode::CMD_ATC_INV && (substream_id_bits(id) == 0 || c.get(Command::SSV) == 0)) {
    c.set(Command::SSV, 0).set(Command::SubstreamID, 0).set(Command::Global, 0); // 4.5.1
  }
  if (has_substream(opcode) && c.get(Command::SubstreamID) >> substream_id_bits(id) != 0) {
    return std::nullopt; // 4.1.7
  }
  return c;
}

} // namespace sluice::vsmmu
