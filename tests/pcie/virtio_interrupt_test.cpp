#include "virtio_guest.hpp"

#include <gtest/gtest.h>

namespace sluice::pcie {
namespace {

using MsixCapability = VirtioRngConfig::MsixCapability;

TEST(VirtioRngIntx, AUsedBufferRaisesTheLine) {
  Guest g;
  g.start();
  g.offer();
  g.run();
  EXPECT_TRUE(g.wire.level);
  EXPECT_NE(g.rng.config_read(config::status, 2) & config::status_interrupt, 0u);
}

TEST(VirtioRngIntx, ReadingTheIsrLowersTheLine) {
  Guest g;
  g.start();
  g.offer();
  g.run();
  EXPECT_EQ(g.isr(), virtio::isr_queue);
  EXPECT_FALSE(g.wire.level);
  EXPECT_EQ(g.rng.config_read(config::status, 2) & config::status_interrupt, 0u);
  EXPECT_EQ(g.isr(), 0);
}

TEST(VirtioRngIntx, IsALevel) {
  Guest g;
  g.start();
  for (int i = 0; i < 3; ++i) {
    g.offer();
    g.run();
  }
  EXPECT_EQ(g.wire.edges, 1u);
  EXPECT_EQ(g.rng.interrupts(), 1u);
}

TEST(VirtioRngIntx, InterruptDisableKeepsTheLineDownAndTheStatusUp) {
  Guest g;
  g.start();
  g.rng.config_write(config::command, 2, config::command_bus_master | config::command_interrupt_disable);
  g.offer();
  g.run();
  EXPECT_FALSE(g.wire.level);
  EXPECT_NE(g.rng.config_read(config::status, 2) & config::status_interrupt, 0u);
  g.rng.config_write(config::command, 2, config::command_bus_master);
  EXPECT_TRUE(g.wire.level) << "it was pending";
  g.rng.config_write(config::command, 2, config::command_bus_master | config::command_interrupt_disable);
  EXPECT_FALSE(g.wire.level);
}

TEST(VirtioRngIntx, ADriverThatPollsIsNotInterrupted) {
  Guest g;
  g.start();
  g.memory.put<std::uint16_t>(Guest::driver, virtio::available_no_interrupt);
  g.offer();
  g.run();
  EXPECT_EQ(g.used(), 1u);
  EXPECT_FALSE(g.wire.level);
  EXPECT_EQ(g.isr(), 0);
}

TEST(VirtioRngIntx, AResetLowersTheLine) {
  Guest g;
  g.start();
  g.offer();
  g.run();
  g.rng.reset();
  EXPECT_FALSE(g.wire.level);
}

// A guest that has set up the table itself.
class VirtioRngMsix : public testing::Test {
protected:
  VirtioRngMsix() {
    g.rng.reset();
    set_vector(0, 0x20000, 0x11);
    set_vector(1, 0x20040, 0x22);
    g.rng.config_write(VirtioRng::msix_at + 2, 2, Msix::enable_bit);
    g.start();
  }
  void set_vector(std::uint64_t v, std::uint32_t address, std::uint32_t data, std::uint32_t control = 0) {
    const std::uint32_t words[] = {address, 0, data, control};
    for (unsigned i = 0; i < 4; ++i) {
      g.rng.region_write(VirtioRng::msix_bar, 16 * v + 4 * i, 4, words[i]);
    }
  }
  void use_vectors() {
    g.set_common(virtio::common::queue_msix_vector, 2, 1);
    g.set_common(virtio::common::config_msix_vector, 2, 0);
  }

  Guest g{MsixCapability::disguised};
};

TEST_F(VirtioRngMsix, AMessageIsAWriteOfTheDevice) {
  use_vectors();
  g.offer();
  g.run();
  EXPECT_EQ(g.memory.get<std::uint32_t>(0x20040), 0x22u);
  EXPECT_EQ(g.rng.messages(), 1u);
  EXPECT_FALSE(g.wire.level);
  EXPECT_EQ(g.isr(), 0);
}

TEST_F(VirtioRngMsix, AMessageToWhereNothingIsMappedIsAFault) {
  use_vectors();
  g.memory.unmap(0x20000);
  g.offer();
  g.run();
  EXPECT_EQ(g.rng.dma_counters().faulted, 1u);
  EXPECT_EQ(g.status() & virtio::needs_reset, 0) << "nobody answers a posted write";
}

TEST_F(VirtioRngMsix, AMaskedVectorWaits) {
  use_vectors();
  set_vector(1, 0x20040, 0x22, 1);
  g.offer();
  g.run();
  EXPECT_EQ(g.rng.messages(), 0u);
  EXPECT_EQ(g.rng.region_read(VirtioRng::msix_bar, Msix::pending_offset, 4), 2u);
  set_vector(1, 0x20040, 0x22);
  EXPECT_TRUE(g.rng.pending());
  g.run();
  EXPECT_EQ(g.memory.get<std::uint32_t>(0x20040), 0x22u);
  EXPECT_EQ(g.rng.region_read(VirtioRng::msix_bar, Msix::pending_offset, 4), 0u);
}

TEST_F(VirtioRngMsix, AMaskedFunctionWaits) {
  use_vectors();
  g.rng.config_write(VirtioRng::msix_at + 2, 2, Msix::enable_bit | Msix::function_mask_bit);
  g.offer();
  g.run();
  EXPECT_EQ(g.rng.messages(), 0u);
  g.rng.config_write(VirtioRng::msix_at + 2, 2, Msix::enable_bit);
  g.run();
  EXPECT_EQ(g.rng.messages(), 1u);
}

TEST_F(VirtioRngMsix, NoVectorIsNoMessage) {
  g.offer();
  g.run();
  EXPECT_EQ(g.used(), 1u);
  EXPECT_EQ(g.rng.messages(), 0u);
}

TEST_F(VirtioRngMsix, AVectorThatIsNotThereIsReadBackAsNone) {
  g.set_common(virtio::common::queue_msix_vector, 2, VirtioRng::vectors);
  EXPECT_EQ(g.common(virtio::common::queue_msix_vector, 2), virtio::no_vector);
}

TEST_F(VirtioRngMsix, ABrokenRingIsToldByTheConfigurationVector) {
  use_vectors();
  g.make_available(Guest::size);
  g.notify();
  g.run();
  EXPECT_EQ(g.memory.get<std::uint32_t>(0x20000), 0x11u);
}

TEST_F(VirtioRngMsix, AResetForgetsTheTable) {
  g.rng.reset();
  EXPECT_EQ(g.rng.region_read(VirtioRng::msix_bar, 0, 4), 0u);
  EXPECT_EQ(g.rng.region_read(VirtioRng::msix_bar, 12, 4), 1u) << "masked";
}

TEST(VirtioRngMsixDisguised, HasNoTableBeforeTheReset) {
  Guest g{MsixCapability::disguised};
  g.rng.region_write(VirtioRng::msix_bar, 0, 4, 0x1000);
  EXPECT_EQ(g.rng.region_read(VirtioRng::msix_bar, 0, 4), 0u);
}

} // namespace
} // namespace sluice::pcie
