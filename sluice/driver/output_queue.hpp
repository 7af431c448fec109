#pragma once

#include <sluice/arch/event.hpp>
#include <sluice/arch/pri.hpp>
#include <sluice/arch/queues.hpp>
#include <sluice/driver/code.hpp>
#include <sluice/driver/dma.hpp>
#include <sluice/driver/health.hpp>
#include <sluice/driver/registers.hpp>

namespace sluice::driver {

template <class Record>
class RecordReader {
public:
  // False: not now, but when a reader that may wait comes by.
  virtual bool on_record(const Record& record, bool may_wait) = 0;
  // Whether somebody waits for an answer: such a record is never passed over.
  virtual bool wants_answer(const Record& record) const = 0;
  // The hardware has lost records since the last call, and those from before have been read.
  virtual void on_lost() {}

protected:
  ~RecordReader() = default;
};

// 7.4 The event queue.
struct EventRecords {
  using Record = arch::Event;
  using Base = arch::EVENTQ_BASE;
  using Prod = arch::EVENTQ_PROD;
  using Cons = arch::EVENTQ_CONS;
  static constexpr std::size_t size = arch::event_size;
  static constexpr Code overflow = Code::event_overflow;
  static constexpr Code dropped = Code::events_dropped;
  static constexpr bool makes_room_first(const Record&) { return false; }
};

// 8 The PRI queue.
struct PageRequestRecords {
  using Record = arch::PriRecord;
  using Base = arch::PRIQ_BASE;
  using Prod = arch::PRIQ_PROD;
  using Cons = arch::PRIQ_CONS;
  static constexpr std::size_t size = arch::pri_record_size;
  static constexpr Code overflow = Code::page_requests_overflow;
  static constexpr Code dropped = Code::none; // each wants an answer
  // An answer lets the function ask again, and then there has to be room.
  static constexpr bool makes_room_first(const Record& r) { return r.get(Record::Last) == 1; }
};

// 3.5.2 A queue that the SMMU writes. One thread reads at a time; others leave it to that one.
template <class Kind>
class OutputQueue {
public:
  using Record = typename Kind::Record;

  OutputQueue(platform::Memory& memory, Registers& registers, Health& health)
      : memory_{memory}, registers_{registers}, health_{health} {}

  // Errors: no_memory.
  base::Status make(unsigned log2);
  // Writes BASE, PROD and CONS; the queue is disabled then.
  void program();
  unsigned log2() const { return log2_; }

  // Hands over what is there, and what arrives meanwhile, until the queue is empty: only then does the next record make
  // an interrupt (3.18.2). Of a device that writes faster than it is read, records that nobody waits for are dropped
  // after `rounds` queues' worth. `may_wait` is handed on.
  void drain(RecordReader<Record>& reader, bool may_wait);
  // All that was there has been handed over.
  bool idle() { return reading_.load() == 0 && empty(); }

  // The SMMU may go on writing to it.
  void forget() { static_cast<void>(queue_.release()); }

  std::uint64_t records() const { return records_.load(base::Order::relaxed); }
  std::uint64_t overflows() const { return overflows_.load(base::Order::relaxed); }

private:
  using Prod = typename Kind::Prod;
  using Cons = typename Kind::Cons;
  static constexpr unsigned rounds = 16;

  bool drain_alone(RecordReader<Record>& reader, bool may_wait);
  bool hand_over(RecordReader<Record>& reader, bool may_wait, bool dropping, std::uint32_t end);
  Record read(std::uint32_t pointer) const;
  void release(std::uint32_t pointer);
  void acknowledge(Prod prod);
  bool empty();

  platform::Memory& memory_;
  Registers& registers_;
  Health& health_;
  Dma queue_;
  unsigned log2_{};
  std::uint32_t cons_{};     // by who reads
  std::uint64_t overflow_{}; // OVACKFLG
  base::Atomic<std::uint32_t> reading_{0};
  base::Atomic<std::uint64_t> records_{0};
  base::Atomic<std::uint64_t> overflows_{0};
};

extern template class OutputQueue<EventRecords>;
extern template class OutputQueue<PageRequestRecords>;
using EventQueue = OutputQueue<EventRecords>;

} // namespace sluice::driver
