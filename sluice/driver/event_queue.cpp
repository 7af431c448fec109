#include <sluice/driver/event_queue.hpp>

#include <sluice/arch/queues.hpp>
#include <sluice/base/fence.hpp>

namespace sluice::driver {

using base::Order;
using namespace arch;

base::Status EventQueue::make(unsigned log2) {
  auto queue = QueueMemory::make(memory_, log2, event_size);
  if (!queue) {
    return queue.error();
  }
  queue_ = std::move(queue->memory);
  log2_ = queue->log2;
  return {};
}

void EventQueue::program() {
  registers_.write(
      EVENTQ_BASE{}.with(EVENTQ_BASE::ADDR, queue_.bus()).with(EVENTQ_BASE::LOG2SIZE, log2_).with(EVENTQ_BASE::WA, 1));
  registers_.write(EVENTQ_PROD{});
  registers_.write(EVENTQ_CONS{});
  cons_ = 0;
  overflow_ = 0;
}

bool EventQueue::empty() {
  return queue_empty(registers_.read<EVENTQ_PROD>().raw(), registers_.read<EVENTQ_CONS>().raw(), log2_);
}

void EventQueue::drain(EventReader& reader, bool may_wait) {
  // Whoever is reading now looks again after he has stopped being the one.
  for (unsigned round = 0; round < rounds; ++round) {
    std::uint32_t nobody = 0;
    if (!reading_.compare_exchange(nobody, 1)) {
      return;
    }
    const bool all = drain_alone(reader, may_wait);
    reading_.store(0);
    if (!all || empty()) {
      return;
    }
  }
}

// False: a record was left.
bool EventQueue::drain_alone(EventReader& reader, bool may_wait) {
  const std::uint32_t limit = rounds << log2_;
  for (std::uint32_t done = 0;;) {
    const auto prod = registers_.read<EVENTQ_PROD>();
    const std::uint32_t end = queue_pointer(prod.raw(), log2_);
    base::dma_observe(); // PROD before the records
    if (cons_ == end && prod.get(EVENTQ_PROD::OVFLG) == overflow_) {
      return true;
    }
    if (done >= limit) {
      health_.error(Code::events_dropped, queue_used(end, cons_, log2_));
      acknowledge(prod, end);
      return true;
    }
    for (; cons_ != end; ++done) {
      if (!reader.on_event(read(cons_), may_wait)) {
        acknowledge(prod, cons_);
        return false;
      }
      events_.store(events_.load(Order::relaxed) + 1, Order::relaxed);
      cons_ = queue_advance(cons_, log2_);
    }
    acknowledge(prod, end);
  }
}

Event EventQueue::read(std::uint32_t pointer) const {
  const base::DmaWord* words = queue_.words() + queue_index(pointer, log2_) * Event::word_count;
  Event event;
  for (std::size_t i = 0; i < Event::word_count; ++i) {
    event.w[i] = words[i].load(Order::relaxed);
  }
  return event;
}

// 7.4: OVACKFLG follows OVFLG once it is known that records were lost.
void EventQueue::acknowledge(EVENTQ_PROD prod, std::uint32_t pointer) {
  if (prod.get(EVENTQ_PROD::OVFLG) != overflow_) {
    overflow_ = prod.get(EVENTQ_PROD::OVFLG);
    overflows_.store(overflows_.load(Order::relaxed) + 1, Order::relaxed);
    health_.warn(Code::event_overflow, prod.raw());
  }
  cons_ = pointer;
  base::full_fence(); // the records have been read before their room is given back
  registers_.write(EVENTQ_CONS{}.with(EVENTQ_CONS::RD, pointer).with(EVENTQ_CONS::OVACKFLG, overflow_));
}

} // namespace sluice::driver
