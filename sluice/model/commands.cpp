#include <sluice/arch/queues.hpp>
#include <sluice/frame/command.hpp>
#include <sluice/model/conditions.hpp>
#include <sluice/model/core.hpp>
#include <sluice/model/memory_types.hpp>

namespace sluice::model {

using arch::CMDQ_BASE;
using arch::CMDQ_CONS;
using arch::CMDQ_PROD;

bool Core::work() {
  bool any = acknowledge();
  any = complete_sync() || any;
  if (consume()) {
    any = true;
    acknowledge(); // of what had to wait for the command in progress
  }
  return any;
}

// 4.1.2, 7.1
bool Core::queue_runs() const {
  const std::uint32_t enabled = regs_.get<arch::CR0>().raw() & regs_.get<arch::CR0ACK>().raw();
  const std::uint32_t errors = regs_.get<arch::GERROR>().raw() ^ regs_.get<arch::GERRORN>().raw();
  return (enabled & arch::CR0::CMDQEN.mask) != 0 && (errors & arch::GERROR::CMDQ_ERR.mask) == 0;
}

// 4.1.2: in order, up to what PROD says at the beginning; a later write of PROD kicks again. A CMD_SYNC that has to
// wait stops it.
bool Core::consume() {
  const unsigned log2 =
      arch::effective_log2(regs_.get<CMDQ_BASE>().get(CMDQ_BASE::LOG2SIZE), facts_.features.cmdq_log2);
  const auto prod = static_cast<std::uint32_t>(regs_.get<CMDQ_PROD>().get(CMDQ_PROD::WR));
  bool any = false;
  while (queue_runs() && !sync_barrier_.pending) {
    const auto cons = static_cast<std::uint32_t>(regs_.get<CMDQ_CONS>().get(CMDQ_CONS::RD));
    if (arch::queue_empty(prod, cons, log2)) {
      break;
    }
    // 3.21.2: PROD moved more than a queue ahead; nothing is consumed until software puts it right.
    if (arch::queue_used(prod, cons, log2) > std::uint32_t{1} << log2) {
      break;
    }
    arch::Command command;
    if (!fetch(cons, command)) {
      facts_.met(at("cmdq.ABT"));
      command_error(arch::Cerror::ABT);
      return true;
    }
    const auto decoded = frame::decode(command, facts_.id, facts_.knobs.reserved_bits_illegal);
    if (!decoded.legal()) {
      facts_.met(Condition::Kind::illegal_command, illegal_command(decoded.illegal, decoded.opcode));
      command_error(decoded.error());
      return true;
    }
    if (!execute(command)) {
      break;
    }
    any = true;
  }
  return any;
}

bool Core::fetch(std::uint32_t cons, arch::Command& command) {
  const auto base = regs_.get<CMDQ_BASE>();
  const unsigned log2 = arch::effective_log2(base.get(CMDQ_BASE::LOG2SIZE), facts_.features.cmdq_log2);
  // 3.4.3: the address is truncated to OAS.
  const std::uint64_t queue = base.get(CMDQ_BASE::ADDR) & facts_.oas_mask() & ~(arch::queue_align(log2, 16) - 1);
  const BusAccess access{
      queue + std::uint64_t{arch::queue_index(cons, log2)} * 16, 16, queue_attributes(regs_.get<arch::CR1>()), {}};
  return bus_.read(access, command.w.data());
}

// 4.8: consuming a CFGI or TLBI guarantees nothing; it is on its way to the ports. False: the command has to wait.
bool Core::execute(const arch::Command& command) {
  using enum arch::Opcode;
  if (command.get(arch::Command::Opcode) != CMD_SYNC) {
    software_faults_.consumed(command);
  }
  switch (command.get(arch::Command::Opcode)) {
  case CMD_PREFETCH_CONFIG: // 4.2: without effect while SMMUEN is 0
  case CMD_PREFETCH_ADDR:
    if (smmuen()) {
      append(command);
    }
    break;
  case CMD_RESUME:
  case CMD_STALL_TERM:
    resume(command);
    break;
  case CMD_ATC_INV:
    if (!invalidate_atc(command)) {
      return false;
    }
    break;
  case CMD_PRI_RESP:
    respond(command);
    break;
  case CMD_SYNC:
    sync_command_ = command;
    sync_reported_ = false;
    sync_since_ns_ = 0;
    begin(sync_barrier_);
    complete_sync();
    return true;
  default:
    append(command);
    break;
  }
  advance();
  return true;
}

// 4.7.1, 4.7.2
void Core::resume(const arch::Command& command) {
  using arch::Command;
  const auto sid = static_cast<std::uint32_t>(command.get(Command::StreamID));
  if (command.get(Command::Opcode) == arch::Opcode::CMD_STALL_TERM) {
    stalls_.terminate([sid](std::uint32_t of) { return of == sid; });
    return;
  }
  const bool abort = command.get(Command::Ab) != 0 || facts_.features.terminate_only_abort;
  const Verdict verdict = command.get(Command::Ac) != 0 ? Verdict::retry : abort ? Verdict::abort : Verdict::zero;
  stalls_.resume(sid, static_cast<std::uint16_t>(command.get(Command::STAG)), verdict);
}

// 4.7.3: all that was used before is gone, and what used it has ended, before CONS moves; the signal comes after.
bool Core::complete_sync() {
  if (!sync_barrier_.pending) {
    return false;
  }
  if (atcs_.any() && await_atcs()) {
    begin(sync_barrier_);
  }
  if (atcs_.any()) {
    return false;
  }
  if (!passed(sync_barrier_)) {
    const std::uint64_t now = time_.now_ns();
    sync_since_ns_ = sync_since_ns_ == 0 ? now : sync_since_ns_;
    if (!sync_reported_ && now - sync_since_ns_ >= facts_.knobs.sync_hold_report_us * 1000) {
      sync_reported_ = true;
      count_.holding_port.store(held_by_.load(base::Order::relaxed), base::Order::relaxed);
      count_.syncs_held.fetch_add(1, base::Order::relaxed);
    }
    return false;
  }
  end(sync_barrier_);
  // 3.9.1.4: said once, by the CMD_SYNC that is in the way; after the acknowledgement it is tried again.
  if (atcs_.take_failure()) {
    facts_.met(at("cmdq.ATC_INV_SYNC"));
    command_error(arch::Cerror::ATC_INV_SYNC);
    return true;
  }
  count_.syncs.fetch_add(1, base::Order::relaxed);
  software_faults_.consumed(sync_command_);
  advance();
  signal_sync(sync_command_);
  return true;
}

void Core::advance() {
  const unsigned log2 =
      arch::effective_log2(regs_.get<CMDQ_BASE>().get(CMDQ_BASE::LOG2SIZE), facts_.features.cmdq_log2);
  auto cons = regs_.get<CMDQ_CONS>();
  const auto rd = static_cast<std::uint32_t>(cons.get(CMDQ_CONS::RD));
  cons.set(CMDQ_CONS::RD, arch::queue_advance(rd, log2));
  regs_.put(cons);
  // 6.3.1 SEV: producers wait for a queue that is full no longer. The fence is against one that looks meanwhile.
  if (facts_.features.sev) {
    base::full_fence();
    const auto wr = static_cast<std::uint32_t>(regs_.get<CMDQ_PROD>().get(CMDQ_PROD::WR));
    if (arch::queue_full(wr, rd, log2)) {
      send_event();
    }
  }
  count_.commands.fetch_add(1, base::Order::relaxed);
}

// 7.1: CONS stays at the command and says why before GERROR does.
void Core::command_error(arch::Cerror code) {
  regs_.put(regs_.get<CMDQ_CONS>().set(CMDQ_CONS::ERR, code));
  count_.command_errors.fetch_add(1, base::Order::relaxed);
  report(arch::GERROR::CMDQ_ERR.mask);
}

} // namespace sluice::model
