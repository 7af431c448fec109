#include <sluice/base/fence.hpp>
#include <sluice/driver/command_queue.hpp>

namespace sluice::driver {

using base::Errc;
using namespace arch;

// 7.1: the SMMU has stopped with CONS at the failing command, and goes on as soon as the error is acknowledged. So
// whatever has to be put right is put right before that.
void CommandQueue::recover() {
  if (errors_.active().get(GERROR::CMDQ_ERR) == 0) {
    return;
  }
  const auto guard = errors_.guard();
  if (errors_.active().get(GERROR::CMDQ_ERR) == 0 || health_.failed()) {
    return;
  }
  const std::uint64_t not_before = consumed_.load(Order::acquire);
  const auto cons = registers_.read<CMDQ_CONS>();
  base::dma_observe();
  const std::uint64_t position = position_of(static_cast<std::uint32_t>(cons.get(CMDQ_CONS::RD)), not_before);

  switch (cons.get(CMDQ_CONS::ERR)) {
  case Cerror::ILL:
    recover_illegal(position);
    break;
  case Cerror::ABT:
    if (!recover_abort(position)) {
      return;
    }
    break;
  case Cerror::ATC_INV_SYNC: // the CMD_SYNC is executed again; what timed out is known only to be between it and the
                             // one before
    health_.error(Code::atc_inv_timed_out, position);
    failures_.record(position, Errc::atc_timed_out);
    break;
  default:
    health_.error(Code::command_error_other, position, static_cast<std::uint64_t>(cons.get(CMDQ_CONS::ERR)));
    break;
  }
  base::dma_publish(); // the repaired command and the record of its failure, before the SMMU goes on
  errors_.acknowledge(GERROR{}.with(GERROR::CMDQ_ERR, 1));
}

// The command becomes a CMD_SYNC, which harms nobody, and so does what is not to be executed after it.
void CommandQueue::recover_illegal(std::uint64_t position) {
  const base::DmaWord* slot = entries_ + 2 * (position & slot_mask_);
  health_.error(Code::command_illegal, position, slot[0].load(Order::relaxed), slot[1].load(Order::relaxed));
  failures_.record(position, Errc::illegal_command);
  const std::uint64_t there = mark(position).load(Order::acquire);
  const std::uint64_t chain_end = (there & chain) != 0 ? there & ~flags : 0; // of an earlier round, if not above
  const std::uint64_t end = chain_end > position ? chain_end : position + 1;
  constexpr Command sync = cmd::sync();
  for (std::uint64_t p = position; p != end; ++p) {
    store(p, sync);
  }
  if (!coherent_) {
    clean(position, end - position);
  }
}

// Another fetch may succeed; says whether one is left.
bool CommandQueue::recover_abort(std::uint64_t position) {
  aborts_ = position == aborted_at_ ? aborts_ + 1 : 1;
  aborted_at_ = position;
  health_.error(Code::command_aborted, position, aborts_);
  if (aborts_ < abort_limit) {
    return true;
  }
  failures_.record(position, Errc::command_abort);
  health_.fail(Code::command_aborted);
  return false;
}

} // namespace sluice::driver
