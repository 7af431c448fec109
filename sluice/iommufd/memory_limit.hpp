#pragma once

#include <sluice/base/atomic.hpp>

#include <cstdint>

namespace sluice::iommufd {

// RLIMIT_MEMLOCK: how many pages a user may have pinned, and a process. Shared by all contexts that are to be counted
// together; without one nothing is counted, as for a process with CAP_IPC_LOCK. Any thread.
class MemoryLimit {
public:
  explicit MemoryLimit(std::uint64_t pages) : most_{pages} {}

  // False: that would be too many, and none is counted.
  bool charge(std::uint64_t pages, bool by_process) {
    base::Atomic<std::uint64_t>& count = of(by_process);
    std::uint64_t now = count.load(base::Order::relaxed);
    do {
      if (now > most_ || pages > most_ - now) {
        return false;
      }
    } while (!count.compare_exchange(now, now + pages, base::Order::relaxed));
    return true;
  }
  void release(std::uint64_t pages, bool by_process) { of(by_process).fetch_sub(pages, base::Order::relaxed); }
  std::uint64_t charged(bool by_process) { return of(by_process).load(base::Order::relaxed); }

private:
  base::Atomic<std::uint64_t>& of(bool by_process) { return by_process ? process_ : user_; }

  const std::uint64_t most_;
  base::Atomic<std::uint64_t> user_{0};
  base::Atomic<std::uint64_t> process_{0};
};

} // namespace sluice::iommufd
