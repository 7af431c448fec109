#include <sluice/model/core.hpp>

#include <algorithm>

namespace sluice::model {

using arch::CR0;
using arch::CR0ACK;
using arch::GBPA;
using arch::IRQ_CTRL;
using arch::IRQ_CTRLACK;

bool Core::acknowledge() {
  bool any = acknowledge_queues();
  any = acknowledge_streams() || any;
  any = acknowledge_gbpa() || any;
  return acknowledge_irqs() || any;
}

namespace {
// Those of CR0 that decide what becomes of a transaction.
constexpr auto stream_bits = static_cast<std::uint32_t>(CR0::SMMUEN.mask | CR0::ATSCHK.mask);
} // namespace

// 6.3.9: the others
bool Core::acknowledge_queues() {
  const auto cr0 = regs_.get<CR0>();
  const auto ack = regs_.get<CR0ACK>();
  std::uint32_t take = (cr0.raw() ^ ack.raw()) & ~stream_bits;
  // Disabling the command queue completes when the command in progress has been consumed.
  if (cr0.get(CR0::CMDQEN) == 0 && sync_barrier_.pending) {
    take &= ~static_cast<std::uint32_t>(CR0::CMDQEN.mask);
  }
  if (take == 0) {
    return false;
  }
  // Disabling an output queue completes when committed records are visible: none is half-way under its lock.
  const platform::SpinGuard events{sync_, events_lock_};
  const platform::SpinGuard requests{sync_, pri_lock_};
  regs_.put(CR0ACK::from(ack.raw() ^ take));
  return true;
}

// 6.3.9.6 SMMUEN, 6.3.9.2 ATSCHK: every transaction sees the old value or the new one, and none the old one after the
// acknowledgement.
bool Core::acknowledge_streams() {
  bool any = false;
  for (;;) {
    const std::uint32_t ack = regs_.get<CR0ACK>().raw();
    if (!streams_barrier_.pending) {
      const std::uint32_t wanted = regs_.get<CR0>().raw() & stream_bits;
      if (wanted == (ack & stream_bits)) {
        return any;
      }
      any = true;
      live_cr0_.store(wanted, base::Order::release);
      append(InvalidationLog::registers_changed);
      begin(streams_barrier_);
    }
    if (!passed(streams_barrier_)) {
      return any;
    }
    end(streams_barrier_);
    any = true;
    if (!smmuen() && (ack & CR0::SMMUEN.mask) != 0) {
      stalls_.terminate([](std::uint32_t) { return true; }); // 3.12.2
    }
    // 6.3.9.3: PRIQEN counts with SMMUEN only.
    const platform::SpinGuard requests{sync_, pri_lock_};
    regs_.put(CR0ACK::from((ack & ~stream_bits) | live_cr0_.load(base::Order::relaxed)));
  }
}

// 6.3.14
bool Core::acknowledge_gbpa() {
  auto gbpa = regs_.get<GBPA>();
  if (gbpa.get(GBPA::Update) == 0) {
    return false;
  }
  gbpa.set(GBPA::Update, 0);
  const bool begins = !gbpa_barrier_.pending;
  if (begins) {
    live_gbpa_.store(gbpa.raw(), base::Order::release);
    append(InvalidationLog::registers_changed);
    begin(gbpa_barrier_);
  }
  if (!passed(gbpa_barrier_)) {
    return begins;
  }
  end(gbpa_barrier_);
  regs_.put(gbpa);
  return true;
}

// 6.3.16: an interrupt switched off has no edge on its way.
bool Core::acknowledge_irqs() {
  const auto wanted = regs_.get<IRQ_CTRL>();
  const auto ack = regs_.get<IRQ_CTRLACK>();
  if (wanted.raw() == ack.raw()) {
    return false;
  }
  const platform::SpinGuard events{sync_, events_lock_};
  const platform::SpinGuard requests{sync_, pri_lock_};
  if ((ack.raw() & ~wanted.raw()) != 0 && edges_on_way_.load() != 0) {
    return false;
  }
  regs_.put(IRQ_CTRLACK::from(wanted.raw()));
  return true;
}

void Core::begin(Barrier& barrier) {
  barrier = {true, require_log()};
  publish_waiting();
}

void Core::end(Barrier& barrier) {
  barrier.pending = false;
  publish_waiting();
}

// The furthest position: a port that is behind any of the others is behind this one.
void Core::publish_waiting() {
  std::uint64_t furthest = 0;
  for (const Barrier* b : {&sync_barrier_, &streams_barrier_, &gbpa_barrier_}) {
    furthest = b->pending ? std::max(furthest, b->position) : furthest;
  }
  waiting_.store(furthest, base::Order::relaxed);
}

// See PortLink for why the fence.
bool Core::passed(const Barrier& barrier) {
  base::full_fence();
  const platform::SpinGuard guard{sync_, ports_lock_};
  for (const PortLink* p = ports_; p != nullptr; p = p->next) {
    if (PortLink::holds_up(p->state.load(base::Order::acquire), barrier.position)) {
      held_by_.store(p->id, base::Order::relaxed);
      return false;
    }
  }
  return true;
}

} // namespace sluice::model
