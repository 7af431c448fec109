#include <sluice/model/software_faults.hpp>

#include <sluice/arch/command.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/queues.hpp>
#include <sluice/model/facts.hpp>

namespace sluice::model {

using arch::CR0;
using arch::Opcode;

namespace {

constexpr auto in_order = [] {
  for (std::size_t i = 0; i < software_faults.size(); ++i) {
    if (static_cast<std::size_t>(software_faults[i].fault) != i) {
      return false;
    }
  }
  return true;
};
static_assert(in_order());

// What there is to invalidate, by bit.
constexpr std::uint32_t configuration = 1, el1 = 2, el2 = 4;

std::uint32_t invalidates(const arch::Command& command) {
  switch (command.get(arch::Command::Opcode)) {
  case Opcode::CMD_CFGI_STE_RANGE: // 4.3.3: with a Range of 31, CMD_CFGI_ALL
    return command.get(arch::Command::Range) == 31 ? configuration : 0;
  case Opcode::CMD_TLBI_NSNH_ALL:
    return el1;
  case Opcode::CMD_TLBI_EL2_ALL:
    return el2;
  default:
    return 0;
  }
}

bool on(const frame::Registers& regs, std::uint64_t bit) { return (regs.get<arch::CR0ACK>().raw() & bit) != 0; }

template <class Base>
bool aligned(const frame::Registers& regs, std::uint64_t most, std::size_t entry) {
  const auto base = regs.get<Base>();
  const unsigned log2 = arch::effective_log2(base.get(Base::LOG2SIZE), most);
  return (base.get(Base::ADDR) & (arch::queue_align(log2, entry) - 1)) == 0;
}

// 6.3.24 ADDR
bool stream_table_aligned(const frame::Registers& regs) {
  const auto cfg = regs.get<arch::STRTAB_BASE_CFG>();
  const auto log2size = static_cast<unsigned>(cfg.get(arch::STRTAB_BASE_CFG::LOG2SIZE));
  unsigned bytes = log2size + 6;
  if (cfg.get(arch::STRTAB_BASE_CFG::FMT) == arch::StreamTableFormat::two_level) {
    const unsigned split = arch::effective_split(cfg.get(arch::STRTAB_BASE_CFG::SPLIT));
    bytes = log2size > split ? log2size - split + 3 : 3;
  }
  return (regs.get<arch::STRTAB_BASE>().get(arch::STRTAB_BASE::ADDR) & mask_below(bytes < 6 ? 6 : bytes)) == 0;
}

} // namespace

std::vector<SoftwareFinding> SoftwareFaults::found() const {
  std::vector<SoftwareFinding> all;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const std::uint64_t count = counts_[i].count.load(base::Order::relaxed);
    if (count != 0) {
      all.push_back({software_faults[i], count, counts_[i].latest.load(base::Order::relaxed)});
    }
  }
  return all;
}

void SoftwareFaults::consumed(const arch::Command& command) {
  using arch::Command;
  switch (command.get(Command::Opcode)) {
  case Opcode::CMD_SYNC:
    invalidated_.store(invalidating_, base::Order::relaxed);
    return;
  case Opcode::CMD_ATC_INV: // 4.5.1
    if (command.get(Command::Size) >= arch::atc_inv_size_all) {
      const auto sid = static_cast<std::uint32_t>(command.get(Command::StreamID));
      std::uint64_t mark = mark_of(sid);
      granted_[slot(sid)].compare_exchange(mark, 0);
    }
    return;
  default:
    invalidating_ |= invalidates(command);
  }
}

void SoftwareFaults::granted(std::uint32_t sid) { granted_[slot(sid)].store(mark_of(sid), base::Order::relaxed); }

void SoftwareFaults::ats_is_off(std::uint32_t sid) {
  std::uint64_t mark = mark_of(sid);
  if (granted_[slot(sid)].compare_exchange(mark, 0)) {
    note(SoftwareFault::ats_off_uninvalidated, sid);
  }
}

void SoftwareFaults::judge(const frame::Registers& regs, const frame::Registers::Written& w,
                           const arch::IdRegisters& id) {
  if (w.reg == nullptr) {
    return;
  }
  const std::uint64_t refused = (w.asked ^ w.now) & w.reg->writable;
  switch (w.reg->offset) {
  case CR0::offset:
    judge_enables(regs, w.old, w.now, id);
    [[fallthrough]];
  case arch::IRQ_CTRL::offset: {
    const std::uint64_t ack =
        w.reg->offset == CR0::offset ? regs.get<arch::CR0ACK>().raw() : regs.get<arch::IRQ_CTRLACK>().raw();
    if ((refused & (w.old ^ ack)) != 0) {
      note(SoftwareFault::update_pending, w.reg->offset);
    }
    return;
  }
  case arch::CMDQ_PROD::offset:
  case arch::EVENTQ_CONS::offset:
  case arch::PRIQ_CONS::offset:
    judge_index(regs, w.reg->offset, w.old, w.asked, id);
    return;
  case arch::GERRORN::offset: // 7.5: active is what differs
    if (((w.old ^ w.now) & ~(regs.get<arch::GERROR>().raw() ^ w.old)) != 0) {
      note(SoftwareFault::inactive_error_acknowledged, w.reg->offset);
    }
    return;
  default:
    break;
  }
  for (const auto& guard : w.reg->guards) {
    if (guard.guard != arch::Guard::none && (refused & guard.bits) != 0 && !w.taken) {
      note(SoftwareFault::guarded_register, w.reg->offset);
      return;
    }
  }
}

void SoftwareFaults::judge_enables(const frame::Registers& regs, std::uint64_t before, std::uint64_t now,
                                   const arch::IdRegisters& id) {
  const std::uint64_t begins = now & ~before;
  const auto check = [&](auto bit, bool good, SoftwareFault fault, std::uint64_t where) {
    if ((begins & bit.mask) != 0 && !good) {
      note(fault, where);
    }
  };
  using enum SoftwareFault;
  using arch::IDR1;
  check(CR0::CMDQEN, aligned<arch::CMDQ_BASE>(regs, id.idr1.get(IDR1::CMDQS), arch::command_size), queue_base_unaligned,
        arch::CMDQ_BASE::offset);
  check(CR0::EVENTQEN, aligned<arch::EVENTQ_BASE>(regs, id.idr1.get(IDR1::EVENTQS), arch::event_size),
        queue_base_unaligned, arch::EVENTQ_BASE::offset);
  check(CR0::PRIQEN, aligned<arch::PRIQ_BASE>(regs, id.idr1.get(IDR1::PRIQS), arch::pri_record_size),
        queue_base_unaligned, arch::PRIQ_BASE::offset);
  check(CR0::SMMUEN, stream_table_aligned(regs), stream_table_unaligned, arch::STRTAB_BASE::offset);
  const std::uint32_t all = configuration | el1 | (id.idr0.get(arch::IDR0::Hyp) != 0 ? el2 : 0);
  check(CR0::SMMUEN, (invalidated_.load(base::Order::relaxed) & all) == all, enabled_uninvalidated, CR0::offset);
}

void SoftwareFaults::judge_index(const frame::Registers& regs, std::uint32_t offset, std::uint64_t before,
                                 std::uint64_t value, const arch::IdRegisters& id) {
  const std::uint64_t flag = offset == arch::CMDQ_PROD::offset ? 0 : arch::queue_flag;
  if ((value & ~(arch::queue_pointer_mask | flag)) != 0) {
    note(SoftwareFault::status_bits_in_index, offset);
  }
  const auto now = static_cast<std::uint32_t>(value & arch::queue_pointer_mask);
  const auto old = static_cast<std::uint32_t>(before & arch::queue_pointer_mask);
  const auto judge_output = [&]<class Base, class Prod>(std::uint64_t enable, std::uint64_t most) {
    const unsigned log2 = arch::effective_log2(regs.get<Base>().get(Base::LOG2SIZE), most);
    const auto prod = regs.get<Prod>().raw();
    if (on(regs, enable) && arch::queue_used(prod, now, log2) > arch::queue_used(prod, old, log2)) {
      note(SoftwareFault::consumed_too_much, offset);
    }
  };
  if (offset == arch::EVENTQ_CONS::offset) {
    judge_output.template operator()<arch::EVENTQ_BASE, arch::EVENTQ_PROD>(CR0::EVENTQEN.mask,
                                                                           id.idr1.get(arch::IDR1::EVENTQS));
  } else if (offset == arch::PRIQ_CONS::offset) {
    judge_output.template operator()<arch::PRIQ_BASE, arch::PRIQ_PROD>(CR0::PRIQEN.mask,
                                                                       id.idr1.get(arch::IDR1::PRIQS));
  } else {
    const unsigned log2 = arch::effective_log2(regs.get<arch::CMDQ_BASE>().get(arch::CMDQ_BASE::LOG2SIZE),
                                               id.idr1.get(arch::IDR1::CMDQS));
    const auto cons = regs.get<arch::CMDQ_CONS>().raw();
    if (on(regs, CR0::CMDQEN.mask) && arch::queue_used(now, cons, log2) > std::uint32_t{1} << log2) {
      note(SoftwareFault::commands_overrun, offset);
    }
  }
}

} // namespace sluice::model
