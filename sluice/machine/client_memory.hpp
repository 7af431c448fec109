#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/hosted/arena.hpp>
#include <sluice/platform/memory.hpp>

#include <cstdint>
#include <vector>

namespace sluice::machine {

// Which pages of RAM endpoints may reach: those that were handed out for their data. A translation that leads to the
// driver's tables and queues, or to memory that was given back, is a bug whatever it reads there.
class ClientMemory {
public:
  static constexpr std::uint64_t page = 4096;

  explicit ClientMemory(hosted::Arena& arena) : arena_{arena}, allowed_(arena.size() / page) {}

  // Zeroed whole pages of RAM. Errors: no_memory.
  base::Result<platform::DmaBlock> alloc(std::uint64_t size);
  void free(const platform::DmaBlock& block);

  // An access that stays in one page.
  bool allows(std::uint64_t bus) const {
    const std::uint64_t index = (bus - arena_.bus_base()) / page;
    return index < allowed_.size() && allowed_[index].load(base::Order::relaxed) != 0;
  }
  std::uint64_t live_bytes() const { return live_.load(base::Order::relaxed); }

private:
  void mark(const platform::DmaBlock& block, std::uint8_t value);

  hosted::Arena& arena_;
  std::vector<base::Atomic<std::uint8_t>> allowed_;
  base::Atomic<std::uint64_t> live_{0};
};

} // namespace sluice::machine
