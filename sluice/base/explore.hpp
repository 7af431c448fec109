#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::base::explore {

// What the explore build puts between the program and its memory. One thread runs at a time; the scheduler chooses
// which at each call, keeps a store buffer for each thread and drains it in any order that fences and releases allow.
class Scheduler {
public:
  virtual std::uint64_t load(const void* at, unsigned size, std::memory_order order) = 0;
  virtual void store(void* at, unsigned size, std::uint64_t value, std::memory_order order) = 0;
  // Before a read-modify-write, which then happens on memory itself without another yield.
  virtual void before_update(void* at, unsigned size, std::memory_order order) = 0;
  virtual void fence(std::memory_order order) = 0;
  // The object's life ends: a store to it that is still in a buffer must not reach what comes to lie there.
  virtual void forget(const void* at, std::size_t size) = 0;

protected:
  ~Scheduler() = default;
};

#if defined(SLUICE_EXPLORE)
inline thread_local Scheduler* current = nullptr;
inline Scheduler* scheduler() { return current; }
#else
constexpr Scheduler* scheduler() { return nullptr; }
#endif

} // namespace sluice::base::explore
