#pragma once

#include "descriptors.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include <sys/syscall.h>
#include <unistd.h>

namespace sluice::preload {

// Straight to the kernel, whose answers these are: errno is the program's.
template <class... Arguments>
std::intptr_t kernel(long number, Arguments... arguments) {
  const int before = errno;
  const long result = syscall(number, arguments...);
  const int error = errno;
  errno = before;
  return result == -1 ? -error : result;
}

// What of our devices' memory the program has in its own, and where. As a mapping of the kernel's does, each keeps what
// it shows open until it is unmapped.
class Mappings {
public:
  // One load as long as there has been none.
  static bool any() { return there_has_been_one.load(std::memory_order_relaxed); }

  // Shows `memory` as mmap() would show a file, at an address that it chooses: -errno, or the address.
  std::intptr_t map(const MapRequest& request, void* at, int flags, const Shown& shown);
  // A call of the kernel's after which nothing of that range is ours any more, unless it fails.
  template <class Call>
  std::intptr_t over(std::uint64_t start, std::uint64_t length, Call call) {
    if (!in_owner()) {
      return call();
    }
    std::map<std::uint64_t, Range> gone; // ends after the lock
    const std::lock_guard guard{mutex_};
    const std::intptr_t result = call();
    if (result >= 0 || result < -4095) {
      take_out(start, length, gone);
    }
    return result;
  }
  // mremap(); of what is ours, nothing can grow.
  std::intptr_t remap(std::uint64_t start, std::uint64_t length, std::uint64_t next_length, int flags, void* next);
  // The process ends, and no device is needed for what it still has.
  void forget_all();

private:
  struct Range {
    std::uint64_t end{};
    std::shared_ptr<void> keep;
  };

  bool in_owner() const;
  // With mutex_ held.
  bool touches(std::uint64_t start, std::uint64_t length) const;
  void put_in(std::uint64_t start, std::uint64_t end, std::shared_ptr<void> keep);
  void take_out(std::uint64_t start, std::uint64_t length, std::map<std::uint64_t, Range>& gone);

  inline static constinit std::atomic<bool> there_has_been_one{false};

  std::mutex mutex_;
  std::map<std::uint64_t, Range> ranges_; // by start
  std::atomic<pid_t> owner_{};
};

Mappings& mappings();

} // namespace sluice::preload
