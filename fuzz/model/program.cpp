#include "program.hpp"

#include <sluice/arch/commands.hpp>
#include <sluice/arch/register_map.hpp>

namespace sluice::fuzz {

using namespace arch;
using reference::below;
using reference::Response;

void Program::run() {
  access();
  for (unsigned i = 0; i < most_steps && !input_.empty(); ++i) {
    step();
  }
  refresh();
  access();
}

void Program::step() {
  switch (input_.below(24)) {
  case 0:
  case 1:
    refresh();
    return;
  case 2:
    spoil_something();
    return;
  case 3:
  case 4:
  case 5:
    change_with_invalidation();
    return;
  case 6:
  case 7:
    command();
    return;
  case 8:
    write_register();
    return;
  case 9:
    read_register();
    return;
  case 10:
    plant_or_heal();
    return;
  case 11:
    answer_stall();
    return;
  case 12:
    follow_up();
    return;
  case 13:
  case 14:
    traffic_unchecked();
    return;
  case 15:
    refresh();
    ats(some_request(), 1 << 3, true);
    fresh_ = false;
    return;
  default:
    access();
    return;
  }
}

model::Request Program::some_request() {
  model::Request r;
  const std::uint64_t choice = input_.bytes(2);
  r.stream_id = static_cast<std::uint32_t>(choice & 3);
  if ((choice >> 2 & 7) == 7) {
    r.stream_id = static_cast<std::uint32_t>(input_.bytes(4)) >> (choice >> 5 & 31);
  } else if (machine_.image->has_substreams && (choice >> 5 & 1) != 0) {
    r.substream_id = static_cast<std::uint32_t>((choice >> 6 & 7) == 7 ? input_.bytes(3) & below(20) : choice >> 6 & 1);
  }
  r.write = (choice >> 9 & 1) != 0;
  r.instruction = !r.write && (choice >> 10 & 3) == 3;
  r.privileged = (choice >> 12 & 1) != 0;
  const auto& inputs =
      (choice >> 13 & 1) != 0 || machine_.image->inputs.empty() ? machine_.image->outputs : machine_.image->inputs;
  r.address = inputs[input_.below(inputs.size())];
  if ((choice >> 14 & 3) == 3) {
    const std::uint64_t other = input_.byte();
    r.address = other < 64 ? r.address ^ 1ULL << other : other < 80 ? input_.bytes(8) : r.address + (other << 12);
  }
  r.size = 1U << (choice >> 6 & 3);
  r.address &= ~std::uint64_t{r.size - 1};
  return r;
}

void Program::refresh() {
  machine_.invalidate_everything();
  fresh_ = true;
  hinted_ = false;
  latest_.reset();
  cached_.clear();
}

void Program::spoil_something() {
  const auto& words = machine_.image->words;
  machine_.image->spoil(input_, words[input_.below(words.size())]);
  fresh_ = false;
}

void Program::plant_or_heal() {
  if (input_.flag()) {
    machine_.memory.heal();
  } else {
    const auto& words = machine_.image->words;
    machine_.memory.plant(input_.one_in(8)   ? machine_.image->commands
                          : input_.one_in(8) ? machine_.image->events
                                             : words[input_.below(words.size())]);
  }
  fresh_ = false;
}

void Program::command() {
  const Command c = some_command();
  if (input_.one_in(4)) {
    machine_.smmu->broadcast(c);
    if (machine_.smmu->dvm_synced(machine_.smmu->dvm_sync()) == false) {
      finding("a DVM Sync waits for nobody");
    }
    return;
  }
  machine_.submit(c);
  hinted_ = true;
  if (c.get(Command::Opcode) == Opcode::CMD_STALL_TERM || c.get(Command::Opcode) == Opcode::CMD_RESUME) {
    fresh_ = false;
  }
}

// Any opcode, with fields that may mean something.
Command Program::some_command() {
  constexpr Opcode opcodes[] = {
      Opcode::CMD_PREFETCH_CONFIG, Opcode::CMD_PREFETCH_ADDR, Opcode::CMD_CFGI_STE,       Opcode::CMD_CFGI_STE_RANGE,
      Opcode::CMD_CFGI_CD,         Opcode::CMD_CFGI_CD_ALL,   Opcode::CMD_TLBI_NH_ALL,    Opcode::CMD_TLBI_NH_ASID,
      Opcode::CMD_TLBI_NH_VA,      Opcode::CMD_TLBI_NH_VAA,   Opcode::CMD_TLBI_EL2_ALL,   Opcode::CMD_TLBI_EL2_ASID,
      Opcode::CMD_TLBI_EL2_VA,     Opcode::CMD_TLBI_EL2_VAA,  Opcode::CMD_TLBI_S12_VMALL, Opcode::CMD_TLBI_S2_IPA,
      Opcode::CMD_TLBI_NSNH_ALL,   Opcode::CMD_RESUME,        Opcode::CMD_STALL_TERM,     Opcode::CMD_SYNC,
      Opcode::CMD_ATC_INV,         Opcode::CMD_PRI_RESP,      Opcode::CMD_CFGI_VMS_PIDM,  Opcode::CMD_DPTI_ALL};
  const std::uint64_t choice = input_.below(32);
  Command c;
  if (choice >= std::size(opcodes)) {
    c.w[0] = input_.bytes(8);
    c.w[1] = input_.bytes(8);
    return c;
  }
  c.set(Command::Opcode, opcodes[choice]);
  const std::uint64_t fields = input_.bytes(2);
  if (opcodes[choice] == Opcode::CMD_SYNC) {
    c.set(Command::CS, static_cast<SyncSignal>(fields & 3));
    if ((fields & 3) == 1) {
      c.set(Command::MSIAddress, machine_.image->outputs[0] + (fields >> 4 & 0xfc)).set(Command::MSIData, fields);
    }
  } else if (opcodes[choice] >= Opcode::CMD_TLBI_NH_ALL && opcodes[choice] <= Opcode::CMD_TLBI_NSNH_ALL) {
    c.set(Command::VMID, 1 + (fields & 1)).set(Command::ASID, 1 + (fields >> 1 & 1));
    const auto& inputs =
        (fields >> 2 & 1) != 0 || machine_.image->inputs.empty() ? machine_.image->outputs : machine_.image->inputs;
    c.w[1] = (inputs[input_.below(inputs.size())] & Command::Address.mask) | (fields >> 3 & 1);
    if ((fields >> 4 & 3) == 3) {
      c.set(Command::NUM, fields >> 6 & 31).set(Command::SCALE, fields >> 11 & 7);
      c.set(Command::TTL, fields >> 9 & 3).set(Command::TG, static_cast<TlbiTg>(fields >> 14 & 3));
    }
  } else {
    c.set(Command::StreamID, fields & 3).set(Command::SubstreamID, fields >> 2 & 1);
    c.w[1] |= fields >> 8 & 31;
  }
  return c;
}

void Program::write_register() {
  const auto& info = register_map[input_.below(register_map.size())];
  const std::uint64_t choice = input_.byte();
  std::uint64_t value = machine_.smmu->read(info.offset, info.width / 8);
  value = (choice & 1) != 0 ? value ^ 1ULL << (choice >> 1 & 63) : input_.bytes(info.width / 8);
  const std::uint32_t offset = (choice >> 7 & 1) != 0 && input_.one_in(4) ? info.offset + 4 : info.offset;
  machine_.write(offset, info.width / 8, value);
  fresh_ = false;
}

void Program::read_register() {
  const std::uint64_t choice = input_.bytes(3);
  machine_.smmu->read(static_cast<std::uint32_t>(choice & 0x1ffff), (choice >> 20 & 1) != 0 ? 4 : 8);
  static_cast<void>(machine_.smmu->snapshot());
  static_cast<void>(machine_.smmu->counters());
  machine_.smmu->step();
}

// 4.7.1, 4.7.2
void Program::answer_stall() {
  if (stags_.empty()) {
    return;
  }
  const std::uint64_t choice = input_.bytes(2);
  const std::uint64_t of = stags_[choice % stags_.size()];
  const auto stream = static_cast<std::uint32_t>(of >> 16);
  const auto stag = static_cast<std::uint16_t>(of);
  machine_.submit((choice >> 8 & 3) == 0   ? cmd::stall_term(stream)
                  : (choice >> 8 & 3) == 1 ? cmd::resume_retry(stream, stag)
                                           : cmd::resume_terminate(stream, stag, (choice >> 10 & 1) != 0));
}

} // namespace sluice::fuzz
