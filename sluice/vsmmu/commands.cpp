#include <sluice/vsmmu/guest_command.hpp>
#include <sluice/vsmmu/vsmmu.hpp>

#include <sluice/arch/queues.hpp>
#include <sluice/frame/command.hpp>

// The guest's command queue. Invalidations are gathered up to the next command that is more than that, or to the end of
// what is there; CMDQ_CONS moves when they have been executed.
namespace sluice::vsmmu {

using namespace arch;

void Vsmmu::run_commands() {
  if (registers_->get<CR0ACK>().get(CR0ACK::CMDQEN) == 0 || active(GERROR::CMDQ_ERR.mask)) {
    return;
  }
  const unsigned log2 =
      effective_log2(registers_->get<CMDQ_BASE>().get(CMDQ_BASE::LOG2SIZE), config_.features.idr1.get(IDR1::CMDQS));
  const std::uint32_t prod = registers_->get<CMDQ_PROD>().raw();
  const std::uint32_t cons = queue_pointer(registers_->get<CMDQ_CONS>().raw(), log2);
  const std::uint32_t used = queue_used(prod, cons, log2);
  if (used > 1U << log2) {
    return; // 3.5.1: pointers that contradict each other make no progress
  }
  for (std::uint32_t i = 0; i < used; ++i) {
    if (!run_command(queue_advance(cons, log2, i), log2)) {
      return;
    }
  }
  if (flush()) {
    consume(queue_advance(cons, log2, used));
  }
}

// False: the queue has stopped.
bool Vsmmu::run_command(std::uint32_t position, unsigned log2) {
  const std::uint64_t base = registers_->get<CMDQ_BASE>().get(CMDQ_BASE::ADDR);
  const std::uint64_t address = queue_address(base, log2, command_size, queue_index(position, log2));
  Command command;
  if (!memory_.read(address, command.w.data(), command_size)) {
    return stop(position, Cerror::ABT);
  }
  const auto decoded = frame::decode(command, config_.features, config_.reserved_bits_illegal);
  const bool beyond_all = decoded.legal() && decoded.opcode == Opcode::CMD_ATC_INV &&
                          command.get(Command::Size) > atc_inv_size_all; // 4.5.1: may be CERROR_ILL
  if (!decoded.legal() || beyond_all) {
    return stop(position, Cerror::ILL);
  }
  if (decoded.opcode == Opcode::CMD_SYNC) {
    return sync(command, position, log2);
  }
  const bool going_on = execute(command, position);
  counters_.commands += going_on ? 1 : 0;
  return going_on;
}

bool Vsmmu::execute(const Command& command, std::uint32_t position) {
  const auto stream = static_cast<std::uint32_t>(command.get(Command::StreamID));
  switch (command.get(Command::Opcode)) {
  case Opcode::CMD_CFGI_STE:
    if (!flush()) { // 7.1: nothing after a command in error has an effect
      return false;
    }
    reconfigure(stream, 1, position);
    return !active(GERROR::CMDQ_ERR.mask);
  case Opcode::CMD_CFGI_STE_RANGE: { // 4.3.2, 4.3.3
    if (!flush()) {
      return false;
    }
    const auto range = command.get(Command::Range);
    const std::uint64_t count = 2ULL << range;
    const bool all = range == cfgi_range_all;
    reconfigure(all ? 0 : stream & ~static_cast<std::uint32_t>(count - 1), count, position);
    return !active(GERROR::CMDQ_ERR.mask);
  }
  case Opcode::CMD_ATC_INV: // 4.5.1: ignored while the SMMU is off
    if (registers_->get<CR0ACK>().get(CR0ACK::SMMUEN) == 0) {
      return true;
    }
    [[fallthrough]];
  case Opcode::CMD_CFGI_CD:
  case Opcode::CMD_CFGI_CD_ALL:
    return !devices_.contains(stream) || forward(command, position);
  case Opcode::CMD_TLBI_NH_ALL:
  case Opcode::CMD_TLBI_NH_ASID:
  case Opcode::CMD_TLBI_NH_VA:
  case Opcode::CMD_TLBI_NH_VAA:
  case Opcode::CMD_TLBI_NSNH_ALL:
    return forward(command, position);
  case Opcode::CMD_RESUME:
    resume(command);
    return true;
  case Opcode::CMD_STALL_TERM:
    terminate(stream);
    return true;
  default: // 4.2: prefetches are hints
    return true;
  }
}

// Without a vIOMMU nothing is cached for this guest.
bool Vsmmu::forward(const Command& command, std::uint32_t position) {
  const auto host = for_host(command, config_.features);
  if (!host || !host_->is_open()) {
    return true;
  }
  if (batch_.full() && !flush()) {
    return false;
  }
  batch_.add(*host, position);
  ++counters_.invalidations;
  return true;
}

bool Vsmmu::flush() {
  if (batch_.empty()) {
    return true;
  }
  const Batch::Flushed flushed = batch_.flush(host_->calls(), host_->viommu());
  counters_.calls += flushed.calls;
  atc_timed_out_ = atc_timed_out_ || flushed.atc_timed_out;
  if (!flushed.stop) {
    return true;
  }
  return stop(flushed.stop->position, flushed.stop->error);
}

// 4.7.3. Its signal is the last that comes of it: who sees it sees that it is consumed.
bool Vsmmu::sync(const Command& command, std::uint32_t position, unsigned log2) {
  if (!flush()) {
    return false;
  }
  if (atc_timed_out_) {
    atc_timed_out_ = false;
    return stop(position, Cerror::ATC_INV_SYNC);
  }
  consume(queue_advance(position, log2));
  ++counters_.commands;
  ++counters_.syncs;
  signal_sync(command);
  return true;
}

// 7.1: what came before the failing command is done with, and CMDQ_CONS says which it is before GERROR tells of it.
bool Vsmmu::stop(std::uint32_t position, Cerror error) {
  if (!flush()) {
    return false; // something before it failed first
  }
  registers_->put(CMDQ_CONS{}.with(CMDQ_CONS::RD, position).with(CMDQ_CONS::ERR, error));
  ++counters_.command_errors;
  report_error(GERROR::CMDQ_ERR.mask);
  return false;
}

void Vsmmu::consume(std::uint32_t position) {
  registers_->put(registers_->get<CMDQ_CONS>().with(CMDQ_CONS::RD, position));
}

} // namespace sluice::vsmmu
