#pragma once

#include <sluice/pagetable/page_table.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>

namespace sluice::driver {

// Unmaps of one page table that the SMMU has not been told of. Each has a mark, counted from 1; marks up to flushed()
// are done with.
class DeferredUnmaps {
public:
  explicit DeferredUnmaps(platform::Sync& sync) : sync_{sync} {}
  DeferredUnmaps(const DeferredUnmaps&) = delete;
  DeferredUnmaps& operator=(const DeferredUnmaps&) = delete;

  struct Added {
    std::uint64_t mark{};
    std::uint64_t waiting{}; // unmaps since the last flush began
  };
  Added add(pagetable::Gather& gather);

  // Everything up to `mark`. If `alone` is false some of it is in the hands of another thread, so that `gather` does
  // not name all.
  struct Taken {
    std::uint64_t mark{};
    bool nothing{};
    bool alone{};
  };
  Taken take(pagetable::Gather& gather);
  // The SMMU has confirmed that nothing up to `mark` is left in its TLBs.
  void confirm(std::uint64_t mark);
  std::uint64_t flushed() const { return flushed_.load(base::Order::acquire); }

private:
  platform::Sync& sync_;
  platform::SpinLock lock_;
  pagetable::Gather pending_;
  std::uint64_t marks_{};
  std::uint64_t taken_{};
  base::Atomic<std::uint64_t> flushed_{0};
};

} // namespace sluice::driver
