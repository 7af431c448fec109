#pragma once

#include <sluice/platform/sync.hpp>

#include <cstdint>
#include <map>

namespace sluice::machine {

// Where BARs of devices are in the process's memory: not to be mapped for devices' requests, as a kernel has no pages
// to pin there. Any thread.
class DeviceRanges {
public:
  explicit DeviceRanges(platform::Sync& sync) : sync_{sync} {}

  // None overlaps another; removed as it was added.
  void add(std::uint64_t start, std::uint64_t length) {
    const platform::MutexGuard guard{sync_, mutex_};
    ranges_[start] = length;
  }
  void remove(std::uint64_t start) {
    const platform::MutexGuard guard{sync_, mutex_};
    ranges_.erase(start);
  }
  bool touches(std::uint64_t start, std::uint64_t length) const {
    const platform::MutexGuard guard{sync_, mutex_};
    auto at = ranges_.upper_bound(start);
    if (at != ranges_.begin()) {
      const auto& [before, size] = *std::prev(at);
      if (start - before < size) {
        return true;
      }
    }
    return at != ranges_.end() && at->first - start < length;
  }

private:
  platform::Sync& sync_;
  mutable platform::Mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> ranges_; // start, length
};

} // namespace sluice::machine
