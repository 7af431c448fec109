#pragma once

#include "../finding.hpp"
#include "../input.hpp"
#include "image.hpp"
#include "memory.hpp"

#include <sluice/arch/command.hpp>
#include <sluice/model/port.hpp>
#include <sluice/model/smmu.hpp>

#include <initializer_list>
#include <memory>
#include <vector>

namespace sluice::fuzz {

// One thread: a lock that is taken twice is a deadlock.
class Sync final : public platform::Sync {
public:
  void lock(platform::Mutex& m) override { take(m.state); }
  void unlock(platform::Mutex& m) override { m.state.store(0); }
  platform::IrqState lock(platform::SpinLock& l) override {
    take(l.state);
    return 0;
  }
  void unlock(platform::SpinLock& l, platform::IrqState) override { l.state.store(0); }
  void read_enter() override {}
  void read_exit() override {}
  void retire(platform::Retired& object) override { object.free(object); }
  void reclaim() override {}

private:
  static void take(base::Atomic<std::uint32_t>& state) {
    if (state.exchange(1) != 0) {
      finding("a lock is taken twice");
    }
  }
};

class Time final : public platform::Time {
public:
  std::uint64_t now_ns() override { return now_ += 1'000'000; }
  void relax() override { now_ += 1'000'000; }

private:
  std::uint64_t now_{};
};

// An SMMU in memory, and what software does with its queues.
class Machine {
public:
  static constexpr unsigned queue_log2 = 6;

  explicit Machine(Input& input);
  ~Machine();

  Memory memory;
  std::unique_ptr<Image> image;
  std::unique_ptr<model::Smmu> smmu;
  std::unique_ptr<model::Port> port, other;

  // By Knobs::adversary it reads whatever is reachable, whenever it likes, or in an order in which it meets aborts; by
  // Knobs::watch_stale what led to an entry that it has.
  bool reads_at_will() const { return reads_at_will_; }
  bool prefetches() const { return prefetches_; }

  // What registers say now, for the reference and for the guard.
  reference::Registers registers();
  std::uint32_t read(std::uint32_t offset) { return static_cast<std::uint32_t>(smmu->read(offset, 4)); }
  void write(std::uint32_t offset, unsigned size, std::uint64_t value);

  // Queues and stream table as they were at first, SMMUEN as it is.
  void restore();
  // Puts a command behind PROD, whatever the queue's state.
  void submit(const arch::Command& command);
  // The commands and a CMD_SYNC, on a command queue that works.
  void run(std::initializer_list<arch::Command> commands);
  // 3.11: forgets all that is cached.
  void invalidate_everything();

  // Takes what is in the event queue. Whether one more event would be written.
  std::vector<arch::Event> take_events();
  bool events_writable();

private:
  model::Features choose_features(Input& input);
  void watch_registers();
  void await_command_queue_off();
  bool commands_work();

  Sync sync_;
  Time time_;
  bool reserved_bits_illegal_{}, reads_at_will_{}, prefetches_{};
};

} // namespace sluice::fuzz
