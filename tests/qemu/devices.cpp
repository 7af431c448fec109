#include <ports/qemu/edu.hpp>
#include <ports/qemu/machine.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace sluice::ports::qemu {
namespace {

constexpr std::uint16_t edu_rid = 5 << 3;

struct Devices : ::testing::Test {
  void TearDown() override { EXPECT_EQ(machine.virt.failure(), ""); }
  PciFunction& edu_function() {
    return *std::find_if(functions.begin(), functions.end(), [](auto& f) { return f.rid() == edu_rid; });
  }
  platform::DmaBlock page() { return *machine.memory.dma_alloc(4096, 4096); }

  Machine machine;
  Qtest& bus{machine.virt.bus()};
  std::vector<PciFunction>& functions{machine.functions};
};

TEST_F(Devices, TheHostBridgeAndEduAreFoundOnBus0) {
  ASSERT_EQ(functions.size(), 2U);
  EXPECT_EQ(functions[0].rid(), 0U);
  EXPECT_EQ(functions[1].rid(), edu_rid);
  EXPECT_EQ(functions[1].id(), Edu::id);
}

TEST_F(Devices, ABarIsPlacedAtAMultipleOfItsSize) {
  const auto bar = edu_function().bar(0);
  EXPECT_GE(bar, map::pci_window);
  EXPECT_EQ(bar % 0x100000, 0U);
  EXPECT_EQ(edu_function().config_read(0x10, 4), bar);
  EXPECT_EQ(edu_function().bar(1), 0U);
}

TEST_F(Devices, ConfigurationSpaceIsReadInEachWidth) {
  auto& edu = edu_function();
  EXPECT_EQ(edu.config_read(0, 2), 0x1234U);
  EXPECT_EQ(edu.config_read(2, 2), 0x11e8U);
  EXPECT_EQ(edu.config_read(1, 1), 0x12U);
  EXPECT_EQ(PciFunction(bus, 6 << 3).config_read(0, 4), 0xffffffffU);
}

TEST_F(Devices, EduMovesBytesBothWaysPastADisabledSmmu) {
  Edu edu{bus, edu_function(), machine.time};
  ASSERT_TRUE(edu.alive());
  const auto source = page();
  const auto target = page();
  auto* const first = source.as<unsigned char>();
  std::iota(first, first + Edu::room, static_cast<unsigned char>(1));
  ASSERT_TRUE(edu.fetch(source.bus, 0, Edu::room));
  ASSERT_TRUE(edu.deliver(0, target.bus + 8, Edu::room));
  EXPECT_EQ(std::memcmp(source.cpu, target.as<unsigned char>() + 8, Edu::room), 0);
  EXPECT_EQ(target.as<unsigned char>()[7], 0);
}

TEST_F(Devices, EduRefusesWhatQemuWouldEndAt) {
  Edu edu{bus, edu_function(), machine.time};
  EXPECT_EQ(edu.fetch(map::ram, 0, Edu::room + 1), base::Errc::too_large);
  EXPECT_EQ(edu.deliver(Edu::room, map::ram, 1), base::Errc::too_large);
}

struct Counter : platform::IrqHandler {
  void on_irq() override { ++calls; }
  unsigned calls{0};
};

TEST_F(Devices, APendingLineCallsItsHandlerOnce) {
  Gic& gic = machine.irq;
  Counter counter;
  ASSERT_TRUE(gic.connect(map::event_queue, counter));
  EXPECT_EQ(gic.deliver(), 0U);
  bus.write32(map::gicd + 0x200 + 12, 1U << 10); // SPI 74 is interrupt 106
  EXPECT_TRUE(gic.pending(map::event_queue));
  EXPECT_EQ(gic.deliver(), 1U);
  EXPECT_EQ(gic.deliver(), 0U);
  EXPECT_EQ(counter.calls, 1U);
}

TEST_F(Devices, ALineHasOneHandlerUntilItIsDisconnected) {
  Gic& gic = machine.irq;
  Counter counter;
  ASSERT_TRUE(gic.connect(map::global_error, counter));
  EXPECT_EQ(gic.connect(map::global_error, counter), base::Errc::already_exists);
  EXPECT_EQ(gic.connect(100'000, counter), base::Errc::not_found);
  gic.disconnect(map::global_error);
  EXPECT_TRUE(gic.connect(map::global_error, counter));
}

} // namespace
} // namespace sluice::ports::qemu
