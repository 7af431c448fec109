#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/platform/memory.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>

namespace sluice::hosted {

// The platform's memory over an arena, with allocations that fail when asked to.
class Memory final : public platform::Memory {
public:
  explicit Memory(Arena& arena, platform::MemoryFacts facts = {}) : arena_{arena}, facts_{facts} {}

  platform::MemoryFacts facts() const override { return facts_; }
  base::Result<platform::DmaBlock> dma_alloc(std::size_t size, std::size_t align) override;
  void dma_free(platform::DmaBlock block) override;
  std::uint64_t dma_offset() const override { return arena_.offset(); }
  void clean(const void* at, std::size_t size) override;
  void store128(void* at, std::uint64_t low, std::uint64_t high) override;
  base::Result<void*> alloc(std::size_t size) override;
  void free(void* at, std::size_t size) override;

  // Before the driver is given it.
  void set_facts(platform::MemoryFacts facts) { facts_ = facts; }
  // Called at each clean(), by whichever thread.
  void on_clean(std::function<void(const void*, std::size_t)> observer) { on_clean_ = std::move(observer); }

  // The n-th allocation from now fails, DMA and plain counted together from 1, and `more` after it. 0: none.
  void fail(std::uint64_t nth, std::uint64_t more = 0);
  static constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max();

  struct Counts {
    std::uint64_t calls{};       // dma_alloc and alloc, failed ones too
    std::uint64_t failed{};      // because fail() said so, or for lack of room
    std::uint64_t plain_bytes{}; // in use
    std::uint64_t plain_blocks{};
    std::uint64_t dma_bytes{}; // in use, as they were asked for
    std::uint64_t dma_blocks{};
    std::uint64_t cleans{};
    std::uint64_t cleaned_bytes{};

    // What a leak check compares.
    std::uint64_t live() const { return plain_blocks + dma_blocks; }
  };
  Counts counts() const;

private:
  bool refuses();

  Arena& arena_;
  platform::MemoryFacts facts_;
  std::function<void(const void*, std::size_t)> on_clean_;
  mutable std::mutex mutex_; // of what follows; never held while something else is waited for
  Counts counts_{};
  std::uint64_t next_{0};
  std::uint64_t fail_from_{0};
  std::uint64_t fail_to_{0};
};

} // namespace sluice::hosted
