#include <sluice/driver/command_queue.hpp>

#include <sluice/base/fence.hpp>

namespace sluice::driver {

using base::Errc;
using base::Status;
using namespace arch;

Status CommandQueue::make(unsigned log2) {
  auto& memory = platform_.memory;
  auto entries = QueueMemory::make(memory, log2, sizeof(Command));
  if (!entries) {
    return entries.error();
  }
  const std::size_t size = std::size_t{1} << entries->log2;
  auto marks = memory.alloc(size * sizeof(std::uint64_t));
  if (!marks) {
    return marks.error();
  }
  log2_ = entries->log2;
  memory_ = std::move(entries->memory);
  entries_ = memory_.words();
  marks_ = static_cast<base::Atomic<std::uint64_t>*>(*marks);
  size_ = size;
  slot_mask_ = size - 1;
  index_mask_ = 2 * size - 1;
  coherent_ = memory.facts().coherent_walks;
  return {};
}

CommandQueue::~CommandQueue() {
  if (marks_ != nullptr) {
    platform_.memory.free(marks_, size_ * sizeof(std::uint64_t));
  }
}

void CommandQueue::program() {
  registers_.write(
      CMDQ_BASE{}.with(CMDQ_BASE::ADDR, memory_.bus()).with(CMDQ_BASE::LOG2SIZE, log2_).with(CMDQ_BASE::RA, 1));
  registers_.write(CMDQ_PROD{});
  registers_.write(CMDQ_CONS{});
}

Status CommandQueue::submit(std::span<const Command> commands, Wait wait) {
  const std::size_t room = size_ - 1; // and a CMD_SYNC
  while (commands.size() > room)
    [[unlikely]] {
      const auto status = submit_part(commands.first(room), wait).status;
      if (!status) {
        return status;
      }
      commands = commands.subspan(room);
    }
  return submit_part(commands, wait).status;
}

Status CommandQueue::submit_until_illegal(std::span<const Command> commands, std::size_t& done) {
  const std::size_t room = size_ - 1; // and a CMD_SYNC
  done = 0;
  while (!commands.empty()) {
    const auto part = commands.first(commands.size() < room ? commands.size() : room);
    const Outcome outcome = submit_part(part, Wait::yes, Chained::yes);
    done += outcome.status ? part.size() : static_cast<std::size_t>(outcome.done);
    if (!outcome.status) {
      return outcome.status;
    }
    commands = commands.subspan(part.size());
  }
  return {};
}

CommandQueue::Outcome CommandQueue::submit_part(std::span<const Command> commands, Wait wait, Chained chained) {
  const std::uint32_t count = static_cast<std::uint32_t>(commands.size()) + (wait == Wait::yes ? 1 : 0);
  if (count == 0) {
    return {};
  }
  const std::uint64_t failures_before = failures_.count();
  const auto slots = reserve(count);
  if (!slots) {
    return {slots.error()};
  }
  write(slots->start, commands, wait);
  if (chained == Chained::yes) {
    mark_chain(*slots);
  }
  const auto published = publish(*slots, wait, chained);
  if (!published || wait == Wait::no) {
    return {published};
  }
  return await_sync(*slots, failures_before);
}

base::Result<CommandQueue::Slots> CommandQueue::reserve(std::uint32_t count) {
  std::uint64_t seen = reserved_.load(Order::relaxed);
  for (;;) {
    if (health_.failed()) {
      return Errc::smmu_failed;
    }
    const std::uint64_t start = seen & ~flag;
    const std::uint64_t end = start + count;
    // `seen` may be older than consumed_; then the exchange fails.
    if (static_cast<std::int64_t>(end - consumed_.load(Order::acquire)) > static_cast<std::int64_t>(size_)) {
      const auto room = await_room(end);
      if (!room) {
        return room.error();
      }
      seen = reserved_.load(Order::relaxed);
      continue;
    }
    if (reserved_.compare_exchange(seen, end | flag, Order::relaxed)) {
      return Slots{start, end, (seen & flag) == 0};
    }
  }
}

void CommandQueue::write(std::uint64_t position, std::span<const Command> commands, Wait wait) {
  const std::uint64_t start = position;
  for (const Command& command : commands) {
    store(position++, command);
  }
  if (wait == Wait::yes) {
    constexpr Command sync = cmd::sync();
    store(position++, sync);
  }
  if (!coherent_) {
    clean(start, position - start);
  }
}

// Before they are published. The mark of the first of them tells the owner that all are written, unless that is us.
void CommandQueue::mark_chain(const Slots& slots) {
  for (std::uint64_t position = slots.start + (slots.owner ? 0 : 1); position != slots.end; ++position) {
    mark(position).store(slots.end | chain, Order::relaxed);
  }
}

Status CommandQueue::publish(const Slots& slots, Wait wait, Chained chained) {
  if (!slots.owner) {
    const std::uint64_t sync_flag = wait == Wait::yes ? flag : 0;
    const std::uint64_t chain_flag = chained == Chained::yes ? chain : 0;
    base::dma_publish();
    mark(slots.start).store(slots.end | sync_flag | chain_flag, Order::release);
    return {};
  }
  const auto handed_over = await_handover(slots.start);
  if (!handed_over) {
    return handed_over;
  }
  const std::uint64_t end = reserved_.fetch_sub(flag, Order::acquire) & ~flag; // nobody else takes it away
  std::uint64_t syncs = wait == Wait::yes ? 1 : 0;
  for (std::uint64_t position = slots.end; position != end;) {
    const auto marked = await_mark(position);
    if (!marked) {
      return marked;
    }
    const std::uint64_t mark_there = mark(position).load(Order::acquire);
    syncs += mark_there >> 63;
    position = mark_there & ~flags;
  }
  base::dma_publish(); // 3.21.2: the commands before PROD
  registers_.write(CMDQ_PROD{}.with(CMDQ_PROD::WR, end & index_mask_));
  syncs_.store(syncs_.load(Order::relaxed) + syncs, Order::relaxed);
  doorbells_.store(doorbells_.load(Order::relaxed) + 1, Order::relaxed);
  published_.store(end, Order::release);
  return {};
}

Status CommandQueue::await_handover(std::uint64_t start) {
  if (published_.load(Order::acquire) == start) [[likely]] {
    return {};
  }
  const bool done = platform::wait_until(platform_.time, timeout_us_,
                                         [&] { return published_.load(Order::acquire) == start || health_.failed(); });
  if (!done) {
    health_.timed_out(Code::handover_timed_out, start);
    health_.fail(Code::handover_timed_out);
    return Errc::timed_out;
  }
  return health_.failed() ? Status{Errc::smmu_failed} : Status{};
}

Status CommandQueue::await_mark(std::uint64_t position) {
  const auto marked = [&] { return (mark(position).load(Order::acquire) & ~flags) > position; };
  if (marked()) {
    return {};
  }
  const bool done = platform::wait_until(platform_.time, timeout_us_, [&] { return marked() || health_.failed(); });
  if (!done) {
    health_.timed_out(Code::handover_timed_out, position);
    health_.fail(Code::handover_timed_out);
    return Errc::timed_out;
  }
  return marked() ? Status{} : Status{Errc::smmu_failed};
}

// Whether the command at `position`, which is ours, has been consumed. Positions are compared with CMDQ_CONS, which
// holds only their low bits, so it matters how far apart they can be. Our reservation proved that CONS was above
// position - size then. And unless consumed_ is above our position now, reserved_ was at most consumed_ + size <=
// position + size, so that CONS, read before, was not above that either. These are 2 * size values: one for each that
// index and wrap bit can have. CONS.ERR is not looked at: it may stay after a recovery. Bit 31 is set only where nobody
// answers reads.
bool CommandQueue::passed(std::uint64_t position) {
  const std::uint32_t cons = registers_.read<CMDQ_CONS>().raw();
  base::dma_observe();
  if (consumed_.load(Order::acquire) > position) {
    return true;
  }
  return ((cons - (position + 1)) & index_mask_) < size_ && (cons >> 31) == 0;
}

// Brings consumed_ up to date; says whether somebody did.
bool CommandQueue::notice_progress() {
  std::uint64_t before = consumed_.load(Order::acquire);
  const auto cons = static_cast<std::uint32_t>(registers_.read<CMDQ_CONS>().get(CMDQ_CONS::RD));
  base::dma_observe();
  if (consumed_.load(Order::acquire) != before) {
    return true;
  }
  // CONS was read while consumed_ was `before`, so it lay at most `size_` above.
  const std::uint64_t now = position_of(cons, before);
  if (now == before || now - before > size_) {
    return false;
  }
  consumed_.compare_exchange(before, now, Order::release);
  return true;
}

CommandQueue::Outcome CommandQueue::await_sync(const Slots& slots, std::uint64_t failures_before) {
  const auto failed = [&](const CommandFailures::Verdict& verdict) -> Outcome {
    return {verdict.error, verdict.error == Errc::illegal_command ? verdict.position - slots.start : 0};
  };
  const std::uint64_t sync = slots.end - 1;
  if (!passed(sync)) {
    unsigned turns = 0;
    const bool done = platform::wait_until(platform_.time, timeout_us_, [&] {
      if (++turns % 8 == 0) { // there may be no interrupt for it
        recover();
      }
      return passed(sync) || health_.failed();
    });
    if (!done) {
      health_.timed_out(Code::sync_timed_out, sync, registers_.read<CMDQ_PROD>().raw(),
                        registers_.read<CMDQ_CONS>().raw());
      health_.fail(Code::sync_timed_out);
    }
    if (!done || !passed(sync)) {
      const auto verdict = failures_.of(slots.start, slots.end, failures_before);
      return verdict.failed ? failed(verdict) : Outcome{done ? Errc::smmu_failed : Errc::timed_out};
    }
  }
  base::dma_observe();
  if (failures_.count() != failures_before) [[unlikely]] {
    const auto verdict = failures_.of(slots.start, slots.end, failures_before);
    if (verdict.failed) {
      return failed(verdict);
    }
  }
  return {};
}

Status CommandQueue::await_room(std::uint64_t end) {
  const auto room = [&] {
    return static_cast<std::int64_t>(end - consumed_.load(Order::acquire)) <= static_cast<std::int64_t>(size_);
  };
  unsigned turns = 0;
  const bool done = platform::wait_until(platform_.time, timeout_us_, [&] {
    if (++turns % 8 == 0) {
      recover();
    }
    return notice_progress() || room() || health_.failed();
  });
  if (!done) {
    health_.timed_out(Code::space_timed_out, end, registers_.read<CMDQ_PROD>().raw(),
                      registers_.read<CMDQ_CONS>().raw());
    health_.fail(Code::space_timed_out);
    return Errc::timed_out;
  }
  return health_.failed() ? Status{Errc::smmu_failed} : Status{};
}

void CommandQueue::clean(std::uint64_t position, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    platform_.memory.clean(entries_ + 2 * ((position + i) & slot_mask_), sizeof(Command));
  }
}

} // namespace sluice::driver
