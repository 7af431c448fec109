#pragma once

#include <sluice/hosted/buddy.hpp>
#include <sluice/hosted/mapping.hpp>
#include <sluice/platform/memory.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>

namespace sluice::hosted {

struct ArenaConfig {
  std::size_t size{64 << 20};         // a multiple of 4096
  std::uint64_t bus_base{1ULL << 30}; // where the machine's RAM begins; a multiple of the largest block to come
  std::size_t reserved{0};            // bytes at the start that are never handed out
  std::filesystem::path path{};       // of a new file that another process maps as well; empty: anonymous memory
  bool poison{true};                  // freed blocks are overwritten, so that who still walks them meets nonsense
};

// The RAM of a machine: bus addresses bus_base to bus_base + size - 1, of which alloc() hands out blocks for DMA.
class Arena {
public:
  static constexpr std::uint8_t poison_byte = 0xfd;

  // Throws SetupError.
  explicit Arena(const ArenaConfig& config = {});

  // Zeroed and naturally aligned: to the next power of two of the larger of both. Errors: no_memory.
  base::Result<platform::DmaBlock> alloc(std::size_t size, std::size_t align);
  // Ends the process when no such block is in use.
  void free(const platform::DmaBlock& block);

  // What hardware finds there: nothing unless all of [bus, bus + size) is RAM.
  std::optional<void*> at(std::uint64_t bus, std::size_t size) const {
    const std::uint64_t offset = bus - config_.bus_base;
    if (offset > config_.size || size > config_.size - offset) {
      return std::nullopt;
    }
    return cpu_ + offset;
  }

  std::uint64_t bus_base() const { return config_.bus_base; }
  std::size_t size() const { return config_.size; }
  // bus - cpu, for all of it.
  std::uint64_t offset() const { return config_.bus_base - reinterpret_cast<std::uintptr_t>(cpu_); }
  // For another process to map.
  int fd() const { return mapping_.fd(); }

  // Of blocks in use. Bytes count whole blocks, as they were rounded up.
  std::uint64_t live_bytes() const;
  std::uint64_t live_blocks() const;
  std::uint64_t total_allocs() const;

private:
  const ArenaConfig config_;
  Mapping mapping_;
  std::byte* const cpu_;
  mutable std::mutex mutex_; // of what follows; never held while something else is waited for
  Buddy buddy_;
  std::uint64_t live_blocks_{0};
  std::uint64_t total_allocs_{0};
};

} // namespace sluice::hosted
