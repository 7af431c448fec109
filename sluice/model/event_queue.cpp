#include <sluice/arch/queues.hpp>
#include <sluice/base/fence.hpp>
#include <sluice/model/core.hpp>
#include <sluice/model/memory_types.hpp>

namespace sluice::model {

using arch::EVENTQ_BASE;
using arch::EVENTQ_CONS;
using arch::EVENTQ_PROD;

namespace {

// 7.3.1: the same but for the offset in the page, where there is an address.
bool same_event(arch::Event a, arch::Event b) {
  const auto type = a.get(arch::Event::Type);
  if (type == arch::EventType::F_WALK_EABT ||
      (type >= arch::EventType::F_TRANSLATION && type <= arch::EventType::F_PERMISSION)) {
    a.w[2] &= ~0xfffULL;
    b.w[2] &= ~0xfffULL;
  }
  return a == b;
}

} // namespace

Core::Recorded Core::record(const arch::Event& event, bool may_merge) {
  const platform::SpinGuard guard{sync_, events_lock_};
  const auto base = regs_.get<EVENTQ_BASE>();
  const unsigned log2 = arch::effective_log2(base.get(EVENTQ_BASE::LOG2SIZE), facts_.features.eventq_log2);
  const auto wr = static_cast<std::uint32_t>(regs_.get<EVENTQ_PROD>().get(EVENTQ_PROD::WR));
  const auto rd = static_cast<std::uint32_t>(regs_.get<EVENTQ_CONS>().get(EVENTQ_CONS::RD));
  if (may_merge && facts_.knobs.merge_events && latest_event_ && !arch::queue_empty(wr, rd, log2) &&
      same_event(*latest_event_, event)) {
    count_.events_merged.fetch_add(1, base::Order::relaxed);
    return {};
  }
  const Recorded result = write_event(event);
  if (!result.written) {
    count_.events_discarded.fetch_add(1, base::Order::relaxed);
    // 7.4: the flag toggles once, and again only after software has acknowledged it.
    if (result.full) {
      regs_.put(
          regs_.get<EVENTQ_PROD>().set(EVENTQ_PROD::OVFLG, 1 - regs_.get<EVENTQ_CONS>().get(EVENTQ_CONS::OVACKFLG)));
    }
  }
  return result;
}

// 3.5.4: what cannot be written now is neither discarded nor an overflow.
Core::Recorded Core::stall(Stalled& transaction, arch::Event event) {
  Recorded result;
  stalls_.add(transaction, [&](std::uint16_t stag) {
    const platform::SpinGuard guard{sync_, events_lock_};
    result = write_event(event.set(arch::Event::Stall, 1).set(arch::Event::STAG, stag));
    return result.written;
  });
  return result;
}

// 7.2.1 recording conditions, under events_lock_
Core::Recorded Core::write_event(const arch::Event& event) {
  Recorded result;
  const auto active = regs_.get<arch::GERROR>().raw() ^ regs_.get<arch::GERRORN>().raw();
  const auto irqs = regs_.get<arch::IRQ_CTRLACK>();
  const bool enabled = regs_.get<arch::CR0ACK>().get(arch::CR0ACK::EVENTQEN) != 0;
  if (!enabled || (active & arch::GERROR::EVENTQ_ABT_ERR.mask) != 0) {
    return result;
  }

  const auto base = regs_.get<EVENTQ_BASE>();
  const unsigned log2 = arch::effective_log2(base.get(EVENTQ_BASE::LOG2SIZE), facts_.features.eventq_log2);
  auto prod = regs_.get<EVENTQ_PROD>();
  const auto cons = regs_.get<EVENTQ_CONS>();
  const auto wr = static_cast<std::uint32_t>(prod.get(EVENTQ_PROD::WR));
  const auto rd = static_cast<std::uint32_t>(cons.get(EVENTQ_CONS::RD));
  // 3.5.1: an inconsistent CONS counts as full.
  if (arch::queue_used(wr, rd, log2) >= std::uint32_t{1} << log2) {
    result.full = true;
    return result;
  }

  const std::uint64_t queue =
      base.get(EVENTQ_BASE::ADDR) & facts_.oas_mask() & ~(arch::queue_align(log2, arch::event_size) - 1);
  const BusAccess access{queue + std::uint64_t{arch::queue_index(wr, log2)} * arch::event_size,
                         arch::event_size,
                         queue_attributes(regs_.get<arch::CR1>()),
                         {}};
  if (!bus_.write(access, event.w.data())) {
    // 7.2.2: a synchronous abort; PROD stays, and nothing more is written until software acknowledges.
    result.gerror_edge = raise(arch::GERROR::EVENTQ_ABT_ERR.mask) && irqs.get(arch::IRQ_CTRLACK::GERROR_IRQEN) != 0;
  } else {
    result.written = true;
    latest_event_ = event;
    prod.set(EVENTQ_PROD::WR, arch::queue_advance(wr, log2));
    regs_.put(prod); // release: the record is visible before PROD
    // 3.18.2: an edge if the queue was empty. Software that has emptied it meanwhile looks at PROD after it has written
    // CONS: either it sees this record, or its CONS is seen here.
    base::full_fence();
    const auto now = static_cast<std::uint32_t>(regs_.get<EVENTQ_CONS>().get(EVENTQ_CONS::RD));
    result.event_edge = arch::queue_empty(wr, now, log2) && irqs.get(arch::IRQ_CTRLACK::EVENTQ_IRQEN) != 0;
    count_.events_recorded.fetch_add(1, base::Order::relaxed);
  }
  if (result.event_edge || result.gerror_edge) {
    edges_on_way_.fetch_add(1);
  }
  return result;
}

void Core::deliver(const Recorded& recorded) {
  if (!recorded.event_edge && !recorded.gerror_edge) {
    return;
  }
  if (recorded.event_edge) {
    signal_event_queue();
  }
  if (recorded.gerror_edge) {
    signal_gerror();
  }
  edges_on_way_.fetch_sub(1);
  if (regs_.get<arch::IRQ_CTRL>().raw() != regs_.get<arch::IRQ_CTRLACK>().raw()) {
    kick();
  }
}

} // namespace sluice::model
