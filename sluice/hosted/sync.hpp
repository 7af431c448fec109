#pragma once

#include <sluice/hosted/epochs.hpp>
#include <sluice/platform/sync.hpp>

namespace sluice::hosted {

// Locks hold the number of the thread that has them, so that unlocking another's and locking one's own again end the
// process. Waiting is left to the schedule, which bounds it. No interrupts are switched off: handlers are threads.
//
// Software and the hardware that runs in the same thread (a register write) each have a Sync of their own.
class Sync final : public platform::Sync {
public:
  explicit Sync(Schedule& schedule) : schedule_{schedule}, epochs_{schedule} {}

  void lock(platform::Mutex& mutex) override { acquire(mutex.state, "mutex"); }
  void unlock(platform::Mutex& mutex) override { release(mutex.state); }
  platform::IrqState lock(platform::SpinLock& lock) override {
    acquire(lock.state, "spin lock");
    return 0;
  }
  void unlock(platform::SpinLock& lock, platform::IrqState) override { release(lock.state); }

  void read_enter() override { epochs_.enter(); }
  void read_exit() override { epochs_.exit(); }
  void retire(platform::Retired& object) override { epochs_.retire(object); }
  void reclaim() override { epochs_.reclaim(); }

private:
  using State = base::Atomic<std::uint32_t>;

  void acquire(State& state, const char* what);
  static void release(State& state);

  Schedule& schedule_;
  Epochs epochs_;
};

} // namespace sluice::hosted
