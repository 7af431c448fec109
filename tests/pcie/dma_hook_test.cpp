#include "virtio_guest.hpp"

#include <gtest/gtest.h>

namespace sluice::pcie {
namespace {

class DmaHooks : public testing::Test {
protected:
  hook::Result issue(hook::Command command, std::uint64_t iova, std::uint8_t size = 4) {
    g.rng.config_write(hook::address, 4, static_cast<std::uint32_t>(iova));
    g.rng.config_write(hook::address + 4, 4, static_cast<std::uint32_t>(iova >> 32));
    g.rng.config_write(hook::size, 1, size);
    g.rng.config_write(hook::command, 1, static_cast<std::uint32_t>(command));
    g.run();
    return result();
  }
  hook::Result result() { return static_cast<hook::Result>(g.rng.config_read(hook::result, 1)); }

  Guest g;
};

TEST_F(DmaHooks, AReadIsMadeAtTheAddressGiven) {
  g.enable_bus_master();
  g.memory.put<std::uint32_t>(0x5000, 0xcafe);
  EXPECT_EQ(issue(hook::Command::read, 0x5000), hook::Result::served);
  EXPECT_EQ(g.rng.config_read(hook::data, 4), 0xcafeu);
  EXPECT_EQ(g.rng.config_read(hook::count, 1), 1u);
}

TEST_F(DmaHooks, AWriteRepeatsTheDataRegister) {
  g.enable_bus_master();
  g.rng.config_write(hook::data, 4, 0x12345678);
  EXPECT_EQ(issue(hook::Command::write, 0x5000, 6), hook::Result::served);
  EXPECT_EQ(g.memory.get<std::uint64_t>(0x5000), 0x567812345678u);
}

TEST_F(DmaHooks, SizeZeroIs256Bytes) {
  g.enable_bus_master();
  g.rng.config_write(hook::data, 4, ~0u);
  issue(hook::Command::write, 0x5000, 0);
  EXPECT_EQ(g.memory.get<std::uint8_t>(0x50ff), 0xffu);
  EXPECT_EQ(g.memory.get<std::uint8_t>(0x5100), 0u);
}

TEST_F(DmaHooks, AnUnmappedAddressIsReported) {
  g.enable_bus_master();
  EXPECT_EQ(issue(hook::Command::read, 0xad0000beef), hook::Result::aborted);
  EXPECT_EQ(g.rng.dma_counters().faulted, 1u);
}

TEST_F(DmaHooks, WithoutBusMasterEnableNothingIsIssued) {
  EXPECT_EQ(issue(hook::Command::read, 0x5000), hook::Result::no_master);
  EXPECT_EQ(g.memory.requests, 0u);
}

TEST_F(DmaHooks, AnUnknownCommandIsRefused) {
  g.enable_bus_master();
  EXPECT_EQ(issue(static_cast<hook::Command>(9), 0x5000), hook::Result::bad_command);
}

TEST_F(DmaHooks, ArePendingUntilTheyRun) {
  g.enable_bus_master();
  g.rng.config_write(hook::command, 1, 1);
  EXPECT_EQ(result(), hook::Result::pending);
  EXPECT_TRUE(g.rng.pending());
  g.rng.config_write(hook::command, 1, 2);
  g.run();
  EXPECT_EQ(g.rng.config_read(hook::count, 1), 1u) << "one at a time";
}

TEST_F(DmaHooks, ARepeatReadsWhereTheLatestDeliveryWent) {
  g.start();
  EXPECT_EQ(issue(hook::Command::repeat, 0), hook::Result::bad_command) << "there was none";
  g.offer();
  g.run();
  EXPECT_EQ(issue(hook::Command::repeat, 0), hook::Result::served);
  EXPECT_EQ(g.rng.config_read(hook::data, 4), 0x49554c53u) << "SLUI";
  g.memory.unmap(Guest::buffers);
  EXPECT_EQ(issue(hook::Command::repeat, 0), hook::Result::aborted) << "it is gone";
}

TEST_F(DmaHooks, ResultAndCountAreReadOnly) {
  g.rng.config_write(hook::result, 2, 0xffff);
  EXPECT_EQ(g.rng.config_read(hook::result, 2), 0u);
}

} // namespace
} // namespace sluice::pcie
