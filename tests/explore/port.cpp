#include <sluice/base/atomic.hpp>
#include <sluice/base/fence.hpp>
#include <sluice/hosted/mmio_order.hpp>
#include <sluice/hosted/port.hpp>

#include <gtest/gtest.h>

namespace sluice::hosted {
namespace {

using base::Order;

// A command in memory and the doorbell for it, on a whole port. Whether the device finds the command.
bool finds_it(std::uint64_t seed, bool publish) {
  Port port{{.arena = {.size = 1 << 20}, .seeded = SeededSchedule::Config{.seed = seed}, .store_buffers = true}};
  const auto block = *port.memory.dma_alloc(4096, 4096);
  bool found = false;
  block.as<base::DmaWord>()->store(7, Order::relaxed);
  if (publish) {
    base::dma_publish();
  }
  mmio_store([&] {
    const auto* seen = static_cast<const base::DmaWord*>(*port.arena.at(block.bus, 8));
    found = seen->load(Order::relaxed) == 7;
  });
  mmio_settle();
  port.memory.dma_free(block);
  return found;
}

TEST(PortExplore, ADoorbellWithoutABarrierIsFoundOutOnAWholePort) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    lost += finds_it(seed, false) ? 0 : 1;
  }
  EXPECT_GT(lost, 10);
}

TEST(PortExplore, ADoorbellWithABarrierIsNot) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    EXPECT_TRUE(finds_it(seed, true)) << seed;
  }
}

// Of a 128-bit store as of any other.
TEST(PortExplore, ADoorbellOvertakesA128BitStore) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Port port{{.arena = {.size = 1 << 20},
               .facts = {.atomic128 = true},
               .seeded = SeededSchedule::Config{.seed = seed},
               .store_buffers = true}};
    const auto block = *port.memory.dma_alloc(64, 64);
    auto* words = block.as<base::DmaWord>();
    port.memory.store128(words, 1, 2);
    mmio_store([&] {
      const bool low = words[0].load(Order::relaxed) == 1;
      const bool high = words[1].load(Order::relaxed) == 2;
      EXPECT_TRUE(high || !low); // it may arrive between the two reads
      lost += high ? 0 : 1;
    });
    mmio_settle();
    port.memory.dma_free(block);
  }
  EXPECT_GT(lost, 10);
}

} // namespace
} // namespace sluice::hosted
