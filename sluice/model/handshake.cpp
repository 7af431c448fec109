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
  any = acknowledge_smmuen() || any;
  any = acknowledge_gbpa() || any;
  return acknowledge_irqs() || any;
}

// 6.3.9 all but SMMUEN
bool Core::acknowledge_queues() {
  const auto cr0 = regs_.get<CR0>();
  const auto ack = regs_.get<CR0ACK>();
  std::uint32_t take = (cr0.raw() ^ ack.raw()) & ~static_cast<std::uint32_t>(CR0::SMMUEN.mask);
  // Disabling the command queue completes when the command in progress has been consumed.
  if (cr0.get(CR0::CMDQEN) == 0 && sync_barrier_.pending) {
    take &= ~static_cast<std::uint32_t>(CR0::CMDQEN.mask);
  }
  if (take == 0) {
    return false;
  }
  // Disabling the event queue completes when committed records are visible: no record is half-way under this lock.
  const platform::SpinGuard guard{sync_, events_lock_};
  regs_.put(CR0ACK::from(ack.raw() ^ take));
  return true;
}

// 6.3.9.6 SMMUEN: every transaction sees the old value or the new one, and none the old one after the acknowledgement.
bool Core::acknowledge_smmuen() {
  const auto cr0 = regs_.get<CR0>();
  auto ack = regs_.get<CR0ACK>();
  const auto wanted = cr0.get(CR0::SMMUEN);
  if (wanted == ack.get(CR0ACK::SMMUEN)) {
    return false;
  }
  const bool begins = !smmuen_barrier_.pending;
  if (begins) {
    live_smmuen_.store(static_cast<std::uint32_t>(wanted), base::Order::release);
    append(InvalidationLog::registers_changed);
    begin(smmuen_barrier_);
  }
  if (!passed(smmuen_barrier_)) {
    return begins;
  }
  end(smmuen_barrier_);
  if (wanted == 0) {
    stalls_.terminate([](std::uint32_t) { return true; }); // 3.12.2
  }
  regs_.put(ack.set(CR0ACK::SMMUEN, wanted));
  return true;
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
  const platform::SpinGuard guard{sync_, events_lock_};
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
  for (const Barrier* b : {&sync_barrier_, &smmuen_barrier_, &gbpa_barrier_}) {
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
