#include <sluice/driver/output_queue.hpp>

#include <sluice/base/fence.hpp>

namespace sluice::driver {

using base::Order;
using namespace arch;

template <class Kind>
base::Status OutputQueue<Kind>::make(unsigned log2) {
  auto queue = QueueMemory::make(memory_, log2, Kind::size);
  if (!queue) {
    return queue.error();
  }
  queue_ = std::move(queue->memory);
  log2_ = queue->log2;
  return {};
}

template <class Kind>
void OutputQueue<Kind>::program() {
  using Base = typename Kind::Base;
  registers_.write(Base{}.with(Base::ADDR, queue_.bus()).with(Base::LOG2SIZE, log2_).with(Base::WA, 1));
  registers_.write(Prod{});
  registers_.write(Cons{});
  cons_ = 0;
  overflow_ = 0;
}

template <class Kind>
bool OutputQueue<Kind>::empty() {
  return queue_empty(registers_.read<Prod>().raw(), registers_.read<Cons>().raw(), log2_);
}

template <class Kind>
void OutputQueue<Kind>::drain(RecordReader<Record>& reader, bool may_wait) {
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
template <class Kind>
bool OutputQueue<Kind>::drain_alone(RecordReader<Record>& reader, bool may_wait) {
  const std::uint64_t limit = records() + (std::uint64_t{rounds} << log2_);
  for (;;) {
    const auto prod = registers_.read<Prod>();
    const std::uint32_t end = queue_pointer(prod.raw(), log2_);
    base::dma_observe(); // PROD before the records
    const bool lost = prod.get(Prod::OVFLG) != overflow_;
    if (cons_ == end && !lost) {
      return true;
    }
    const bool dropping = records() >= limit;
    if (!hand_over(reader, may_wait, dropping, end)) {
      release(cons_);
      return false;
    }
    if (lost) {
      reader.on_lost();
    }
    acknowledge(prod);
    if (dropping) {
      return true;
    }
  }
}

// False: a record was left.
template <class Kind>
bool OutputQueue<Kind>::hand_over(RecordReader<Record>& reader, bool may_wait, bool dropping, std::uint32_t end) {
  std::uint64_t dropped = 0;
  while (cons_ != end) {
    const Record record = read(cons_);
    const std::uint32_t next = queue_advance(cons_, log2_);
    if (dropping && !reader.wants_answer(record)) {
      ++dropped;
    } else {
      if (Kind::makes_room_first(record)) {
        release(next);
      }
      if (!reader.on_record(record, may_wait)) {
        return false;
      }
      records_.store(records_.load(Order::relaxed) + 1, Order::relaxed);
    }
    cons_ = next;
  }
  if (dropped != 0) {
    health_.error(Kind::dropped, dropped);
  }
  return true;
}

template <class Kind>
auto OutputQueue<Kind>::read(std::uint32_t pointer) const -> Record {
  const base::DmaWord* words = queue_.words() + queue_index(pointer, log2_) * Record::word_count;
  Record record;
  for (std::size_t i = 0; i < Record::word_count; ++i) {
    record.w[i] = words[i].load(Order::relaxed);
  }
  return record;
}

template <class Kind>
void OutputQueue<Kind>::release(std::uint32_t pointer) {
  base::full_fence(); // the records have been read before their room is given back
  registers_.write(Cons{}.with(Cons::RD, pointer).with(Cons::OVACKFLG, overflow_));
}

// 7.4, 8.2: OVACKFLG follows OVFLG once it is known that records were lost.
template <class Kind>
void OutputQueue<Kind>::acknowledge(Prod prod) {
  if (prod.get(Prod::OVFLG) != overflow_) {
    overflow_ = prod.get(Prod::OVFLG);
    overflows_.store(overflows_.load(Order::relaxed) + 1, Order::relaxed);
    health_.warn(Kind::overflow, prod.raw());
  }
  release(cons_);
}

template class OutputQueue<EventRecords>;
template class OutputQueue<PageRequestRecords>;

} // namespace sluice::driver
