#pragma once

#include <sluice/arch/event.hpp>
#include <sluice/driver/dma.hpp>
#include <sluice/driver/health.hpp>
#include <sluice/driver/registers.hpp>

namespace sluice::driver {

class EventReader {
public:
  // False: not now, but when a reader that may wait comes by.
  virtual bool on_event(const arch::Event& event, bool may_wait) = 0;

protected:
  ~EventReader() = default;
};

// 3.5.2, 7.4 The event queue. One thread reads at a time; others leave it to that one.
class EventQueue {
public:
  EventQueue(platform::Memory& memory, Registers& registers, Health& health)
      : memory_{memory}, registers_{registers}, health_{health} {}

  // Errors: no_memory.
  base::Status make(unsigned log2);
  // Writes EVENTQ_BASE, EVENTQ_PROD and EVENTQ_CONS; the queue is disabled then.
  void program();
  unsigned log2() const { return log2_; }

  // Hands over what is there, and what arrives meanwhile, until the queue is empty: only then does the next record make
  // an interrupt (3.18.2). A device that faults faster than it is read loses records after `rounds` queues' worth.
  // `may_wait` is handed on.
  void drain(EventReader& reader, bool may_wait);

  // The SMMU may go on writing to it.
  void forget() { static_cast<void>(queue_.release()); }

  std::uint64_t events() const { return events_.load(base::Order::relaxed); }
  std::uint64_t overflows() const { return overflows_.load(base::Order::relaxed); }

private:
  static constexpr unsigned rounds = 16;

  bool drain_alone(EventReader& reader, bool may_wait);
  arch::Event read(std::uint32_t pointer) const;
  void acknowledge(arch::EVENTQ_PROD prod, std::uint32_t pointer);
  bool empty();

  platform::Memory& memory_;
  Registers& registers_;
  Health& health_;
  Dma queue_;
  unsigned log2_{};
  std::uint32_t cons_{};     // by who reads
  std::uint64_t overflow_{}; // OVACKFLG
  base::Atomic<std::uint32_t> reading_{0};
  base::Atomic<std::uint64_t> events_{0};
  base::Atomic<std::uint64_t> overflows_{0};
};

} // namespace sluice::driver
