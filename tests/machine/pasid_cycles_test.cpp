#include <sluice/machine/machine.hpp>

#include <gtest/gtest.h>

#include <array>

namespace sluice::machine {
namespace {

using iommu::Target;

// 47b2de35cab2: tables neither grow nor outlive their device. On the model, which executes each command.
TEST(Pasids, AThousandAndAMillionCyclesLeaveTheSameBytes) {
  Config config;
  config.smmus.push_back({});
  config.smmus.back().features.substreamid_bits = 16;
  config.smmus.back().driver.stream_bits = 12;
  config.port.arena.size = 32 << 20;
  Machine machine{config};
  driver::Smmu& driver = machine.smmu().driver();
  const std::array<driver::StreamID, 1> streams{0x20};
  auto& device = **driver.add(nullptr, streams, {.pasid_bits = 16});
  auto& rid = **driver.make_paging({.pasid = true});
  auto& domain = **driver.make_paging({.pasid = true});
  ASSERT_TRUE(device.attach(rid));
  constexpr std::uint32_t neighbour = 5000; // keeps its leaf
  ASSERT_TRUE(device.attach(domain, Target::pasid(neighbour)));
  std::uint32_t pasid = 1;
  const auto cycle = [&](std::uint32_t at) {
    return device.attach(domain, Target::pasid(at)) && device.detach(Target::pasid(at));
  };
  // Beside others in leaves that stay, and each 16th anywhere, mostly alone in a leaf that comes and goes with it.
  const auto cycles = [&](unsigned count) {
    bool good = true;
    for (unsigned i = 0; i < count && good; ++i) {
      pasid = pasid * 3 % 65537 % 65535 + 1;
      good = cycle(i % 16 == 0 && pasid != neighbour ? pasid : 1 + pasid % 63);
    }
    machine.port().sync.reclaim();
    return good;
  };
  ASSERT_TRUE(cycles(1'000));
  const auto before = machine.port().memory.counts();
  ASSERT_TRUE(cycles(1'000'000 - 1'000));
  const auto after = machine.port().memory.counts();
  EXPECT_EQ(after.dma_bytes, before.dma_bytes);
  EXPECT_EQ(after.plain_bytes, before.plain_bytes);
  EXPECT_EQ(after.live(), before.live());
  EXPECT_FALSE(driver.failed());
  ASSERT_TRUE(device.detach(Target::pasid(neighbour)));
  ASSERT_TRUE(device.detach());
  ASSERT_TRUE(cycle(1));
  machine.port().sync.reclaim();
  EXPECT_LT(machine.port().memory.counts().dma_bytes, before.dma_bytes) << "with the last user the table goes";
  ASSERT_TRUE(driver.remove(device));
  ASSERT_TRUE(rid.destroy());
  ASSERT_TRUE(domain.destroy());
  EXPECT_TRUE(machine.tear_down().nothing());
}

} // namespace
} // namespace sluice::machine
