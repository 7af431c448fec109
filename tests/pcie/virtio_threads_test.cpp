#include "virtio_guest.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sluice::pcie {
namespace {

// Requests of a device that has been reset are over when the reset returns.
TEST(VirtioRngThreads, NoRequestIsUnderWayWhenAResetReturns) {
  struct Gate final : DmaWatch {
    void on_dma(const DmaRecord&) override {
      if (closed.load()) {
        late.store(true);
      }
    }
    std::atomic<bool> closed{};
    std::atomic<bool> late{};
  } gate;
  Guest g;
  g.rng.watch(&gate);
  std::atomic<bool> stop{};
  std::thread dma{[&] {
    while (!stop.load()) {
      g.rng.run(g.memory);
    }
  }};
  for (int i = 0; i < 200; ++i) {
    g.start();
    // The ring is all zeros but for one buffer: memory is the DMA thread's while the device is live.
    g.notify();
    g.set_status(0);
    gate.closed.store(true);
    std::this_thread::yield();
    gate.closed.store(false);
  }
  stop.store(true);
  dma.join();
  EXPECT_FALSE(gate.late.load());
}

TEST(VirtioRngThreads, RegistersAreUsedBesideRequests) {
  Guest g;
  g.start();
  for (std::uint16_t i = 0; i < Guest::size; ++i) {
    g.describe(i, Guest::buffers + 64u * i, 64, virtio::descriptor_write);
    g.make_available(i);
  }
  std::atomic<bool> stop{};
  std::thread dma{[&] {
    while (!stop.load()) {
      g.rng.run(g.memory);
    }
  }};
  std::thread other{[&] {
    for (int i = 0; i < 500; ++i) {
      g.rng.config_write(hook::scratch, 4, static_cast<std::uint32_t>(i));
      g.rng.config_write(config::command, 2,
                         config::command_bus_master | (i % 2 != 0 ? 1U : 0U) * config::command_interrupt_disable);
    }
    g.enable_bus_master();
  }};
  for (int i = 0; i < 500; ++i) {
    g.notify();
    g.isr();
    g.status();
    g.rng.delivered();
  }
  other.join();
  while (g.rng.delivered().buffers < Guest::size && (g.status() & virtio::needs_reset) == 0) {
    g.notify();
    std::this_thread::yield();
  }
  stop.store(true);
  dma.join();
  g.run();
  EXPECT_EQ(g.used(), Guest::size);
  EXPECT_EQ(g.rng.config_read(hook::scratch, 4), 499u);
}

} // namespace
} // namespace sluice::pcie
