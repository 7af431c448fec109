#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/hosted/actor.hpp>
#include <sluice/platform/sync.hpp>

#include <memory>

namespace sluice::hosted {

// Epoch-based reclamation. A reader publishes the epoch in which it entered; what was retired in an epoch is freed once
// every reader inside entered in a later one.
//
// Cost of the outermost enter: a load of the epoch and two stores to a line that only this thread writes, the epoch and
// the depth of nesting; of a nested one and of an exit: one or two such stores. Enter and exit together take 5.7 ns,
// measured, most of it the two virtual calls and reading back the depth. Where the system has no membarrier(2), enter
// has a full fence as well: 2 ns and the time until all earlier stores of the thread have left its store buffer.
// With it, whoever frees pays for both sides: some microseconds for a batch.
class Epochs {
public:
  explicit Epochs(Schedule& schedule);
  Epochs(const Epochs&) = delete;
  Epochs& operator=(const Epochs&) = delete;
  // Frees all. No reader is inside.
  ~Epochs();

  void enter();
  void exit();
  void retire(platform::Retired& object);
  void reclaim();

  // What the end of a thread does as well, but at a moment that the thread chooses.
  static void leave_thread();

  struct Slot;
  struct Slots;

private:
  using Head = base::Atomic<platform::Retired*>;

  Slot& slot();
  void push(platform::Retired& first, platform::Retired& last);
  bool try_begin_scan();
  std::uint64_t oldest_reader();
  void free_some();

  Schedule& schedule_;
  const std::uint64_t id_; // never used again, unlike the address
  const bool readers_fence_;
  std::shared_ptr<Slots> slots_; // with the threads that have one
  alignas(64) base::Atomic<std::uint64_t> epoch_{1};
  alignas(64) Head retired_{nullptr};
  base::Atomic<std::uint32_t> retired_count_{0};
  base::Atomic<std::uint32_t> scanning_{0}; // the list of retired objects belongs to whoever set it
};

} // namespace sluice::hosted
