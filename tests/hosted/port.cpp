#include <sluice/hosted/port.hpp>
#include <sluice/hosted/scratch.hpp>

#include <gtest/gtest.h>

namespace sluice::hosted {
namespace {

struct Counter : platform::IrqHandler {
  void on_irq() override { count.fetch_add(1); }
  base::Atomic<std::uint32_t> count{0};
};

// What a driver does with a platform, in little.
void use(Port& port) {
  const auto platform = port.platform();
  const auto block = *platform.memory.dma_alloc(4096, 4096);
  EXPECT_EQ(*port.arena.at(block.bus, 8), block.cpu);
  platform::Mutex mutex;
  {
    const platform::MutexGuard guard{platform.sync, mutex};
    const platform::ReadSection section{platform.sync};
  }
  Counter counter;
  ASSERT_TRUE(platform.irq.connect(1, counter).ok());
  port.irq.raise(1);
  EXPECT_TRUE(platform::wait_until(platform.time, 10'000'000, [&] { return counter.count.load() == 1; }));
  platform.irq.disconnect(1);
  platform.log.write({});
  EXPECT_EQ(port.log.notes().size(), 1U);
  platform.memory.dma_free(block);
  EXPECT_EQ(port.memory.counts().live(), 0U);
}

TEST(PortThreads, IsAWholePlatformWithFreeThreads) {
  Port port{{.arena = {.size = 1 << 20}}};
  EXPECT_EQ(port.seeded(), nullptr);
  use(port);
}

TEST(PortThreads, IsAWholePlatformThatRepeats) {
  const auto run = [](std::uint64_t seed) {
    Port port{{.arena = {.size = 1 << 20}, .seeded = SeededSchedule::Config{.seed = seed}}};
    use(port);
    return port.seeded()->fingerprint();
  };
  EXPECT_EQ(run(3), run(3));
}

TEST(Port, StoreBuffersNeedASeedAndTheExploreBuild) {
  EXPECT_THROW((Port{{.arena = {.size = 1 << 20}, .store_buffers = true}}), SetupError);
#if !defined(SLUICE_EXPLORE)
  EXPECT_THROW((Port{{.arena = {.size = 1 << 20}, .seeded = SeededSchedule::Config{}, .store_buffers = true}}),
               SetupError);
#endif
}

TEST(Port, AnArenaThatCannotBeIsAnError) {
  EXPECT_THROW((Port{{.arena = {.size = 1000}}}), SetupError);
  EXPECT_THROW((Port{{.arena = {.size = 8192, .bus_base = ~0ULL - 4095}}}), SetupError);
}

} // namespace
} // namespace sluice::hosted
