#include <sluice/frame/command.hpp>
#include <sluice/model/core.hpp>

namespace sluice::model {

void Core::append(const arch::Command& command) {
  const platform::SpinGuard guard{sync_, log_lock_};
  log_.append(command);
}

// 4.8: ports that apply nothing before they must go by what is asked for here.
std::uint64_t Core::require_log() {
  if (!facts_.knobs.adversary.late) {
    return log_.head().load(base::Order::acquire);
  }
  const platform::SpinGuard guard{sync_, log_lock_};
  log_.require();
  return log_.due().load(base::Order::relaxed);
}

void Core::broadcast(const arch::Command& tlbi) {
  const auto* form = arch::command_form(tlbi.get(arch::Command::Opcode));
  const bool is_tlbi = form != nullptr && tlbi.get(arch::Command::Opcode) >= arch::Opcode::CMD_TLBI_NH_ALL &&
                       tlbi.get(arch::Command::Opcode) <= arch::Opcode::CMD_TLBI_NSNH_ALL;
  // A processor has regimes that this SMMU may lack; its messages concern nothing here then.
  if (!facts_.features.btm || regs_.get<arch::CR2>().get(arch::CR2::PTM) != 0 || !is_tlbi ||
      !arch::has(facts_.id, form->needs)) {
    return;
  }
  // 3.17: without stage 2 all is of VMID 0.
  const bool by_vmid = (form->defined[0] & arch::Command::VMID.mask) != 0;
  if (!facts_.features.stage2 && by_vmid && tlbi.get(arch::Command::VMID) != 0) {
    return;
  }
  arch::Command marked = tlbi;
  marked.w[0] |= InvalidationLog::by_broadcast;
  append(marked);
  count_.broadcasts.fetch_add(1, base::Order::relaxed);
}

std::uint64_t Core::dvm_sync() { return require_log(); }

// Whoever asks polls: ports that are online go past the position by their own accesses.
bool Core::dvm_synced(std::uint64_t number) { return passed({true, number}); }

} // namespace sluice::model
