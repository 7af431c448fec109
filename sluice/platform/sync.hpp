#pragma once

#include <sluice/base/atomic.hpp>

#include <cstdint>

namespace sluice::platform {

// Held across waits for hardware: attach, probe, removal. Never taken with interrupts off or in a ReadSection.
struct Mutex {
  base::Atomic<std::uint32_t> state{0};
};

// Held for a bounded number of steps, with interrupts off on this processor.
struct SpinLock {
  base::Atomic<std::uint32_t> state{0};
};

// Whatever a port must remember to switch interrupts back on.
using IrqState = std::uint64_t;

// The start of an object that is freed once no reader can hold it. Embedded, because detach may not allocate.
struct Retired {
  Retired* next{};
  void (*free)(Retired& self){};
  std::uint64_t epoch{};
};

class Sync {
public:
  virtual void lock(Mutex& mutex) = 0;
  virtual void unlock(Mutex& mutex) = 0;
  virtual IrqState lock(SpinLock& lock) = 0;
  virtual void unlock(SpinLock& lock, IrqState before) = 0;

  // Readers never wait and may nest; at most one thread-local store each.
  virtual void read_enter() = 0;
  virtual void read_exit() = 0;
  // Frees the object some time after every read section that began before has ended. Never waits.
  virtual void retire(Retired& object) = 0;
  // Waits for those read sections and frees all that is retired. Not in a read section.
  virtual void reclaim() = 0;

protected:
  ~Sync() = default;
};

class [[nodiscard]] MutexGuard {
public:
  MutexGuard(Sync& sync, Mutex& mutex) : sync_{sync}, mutex_{mutex} { sync_.lock(mutex_); }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;
  ~MutexGuard() { sync_.unlock(mutex_); }

private:
  Sync& sync_;
  Mutex& mutex_;
};

class [[nodiscard]] SpinGuard {
public:
  SpinGuard(Sync& sync, SpinLock& lock) : sync_{sync}, lock_{lock}, before_{sync.lock(lock)} {}
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;
  ~SpinGuard() { sync_.unlock(lock_, before_); }

private:
  Sync& sync_;
  SpinLock& lock_;
  IrqState before_;
};

class [[nodiscard]] ReadSection {
public:
  explicit ReadSection(Sync& sync) : sync_{sync} { sync_.read_enter(); }
  ReadSection(const ReadSection&) = delete;
  ReadSection& operator=(const ReadSection&) = delete;
  ~ReadSection() { sync_.read_exit(); }

private:
  Sync& sync_;
};

} // namespace sluice::platform
