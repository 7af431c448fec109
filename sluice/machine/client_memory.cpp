#include <sluice/machine/client_memory.hpp>

namespace sluice::machine {

using base::Order;

base::Result<platform::DmaBlock> ClientMemory::alloc(std::uint64_t size) {
  const std::uint64_t whole = (size + page - 1) / page * page;
  auto block = arena_.alloc(whole, page);
  if (block) {
    mark(*block, 1);
    live_.fetch_add(whole, Order::relaxed);
  }
  return block;
}

void ClientMemory::free(const platform::DmaBlock& block) {
  mark(block, 0);
  live_.fetch_sub(block.size, Order::relaxed);
  arena_.free(block);
}

void ClientMemory::mark(const platform::DmaBlock& block, std::uint8_t value) {
  const std::uint64_t first = (block.bus - arena_.bus_base()) / page;
  for (std::uint64_t i = 0; i < block.size / page; ++i) {
    allowed_[first + i].store(value, Order::relaxed);
  }
}

} // namespace sluice::machine
