#pragma once

#include <sluice/machine/client_memory.hpp>
#include <sluice/platform/memory.hpp>

#include <cstdint>
#include <mutex>
#include <vector>

namespace sluice::scenario {

// What a guest of a long run has for its tables: pages, whose bus addresses are IPAs.
class GuestPages final : public platform::Memory {
public:
  static constexpr std::uint64_t ipa = 1ULL << 42;
  static constexpr std::uint64_t page = 4096;
  static constexpr std::uint64_t pages = 96;

  // The guest's objects are in `objects`. Throws hosted::SetupError.
  GuestPages(machine::ClientMemory& clients, platform::Memory& objects);
  GuestPages(const GuestPages&) = delete;
  GuestPages& operator=(const GuestPages&) = delete;
  ~GuestPages() { clients_.free(block_); }

  // All of it, as its host knows it.
  const platform::DmaBlock& block() const { return block_; }

  platform::MemoryFacts facts() const override { return objects_.facts(); }
  base::Result<platform::DmaBlock> dma_alloc(std::size_t size, std::size_t align) override;
  void dma_free(platform::DmaBlock block) override;
  std::uint64_t dma_offset() const override { return ipa - reinterpret_cast<std::uintptr_t>(block_.cpu); }
  void clean(const void*, std::size_t) override {}
  void store128(void* at, std::uint64_t low, std::uint64_t high) override { objects_.store128(at, low, high); }
  base::Result<void*> alloc(std::size_t size) override { return objects_.alloc(size); }
  void free(void* at, std::size_t size) override { objects_.free(at, size); }

private:
  machine::ClientMemory& clients_;
  platform::Memory& objects_;
  platform::DmaBlock block_;
  std::mutex mutex_; // of free_; nothing is waited for while it is held
  std::vector<std::uint64_t> free_;
};

} // namespace sluice::scenario
