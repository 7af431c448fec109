#include "virtio_guest.hpp"

#include <gtest/gtest.h>

namespace sluice::pcie {
namespace {

using MsixCapability = VirtioRngConfig::MsixCapability;

std::vector<std::uint16_t> capabilities(const Function& f) {
  std::vector<std::uint16_t> at;
  for (auto next = f.config_read(config::capabilities_pointer, 1); next != 0 && at.size() < 64;
       next = f.config_read(static_cast<std::uint16_t>(next + 1), 1)) {
    at.push_back(static_cast<std::uint16_t>(next));
  }
  return at;
}

TEST(VirtioRngConfigSpace, TheFunctionIsAModernEntropySource) {
  Guest g;
  EXPECT_EQ(g.rng.config_read(config::vendor_id, 4), 0x10441af4u);
  EXPECT_EQ(g.rng.config_read(config::revision_id, 4), 0xff000001u);
  EXPECT_EQ(g.rng.config_read(config::interrupt_pin, 1), 1u);
}

TEST(VirtioRngConfigSpace, Bar0Is16KilobytesWith32Bits) {
  Guest g;
  g.rng.config_write(config::bar0, 4, ~0u);
  EXPECT_EQ(g.rng.config_read(config::bar0, 4), 0xffffc000u);
  g.rng.config_write(config::bar0 + 4, 4, ~0u);
  EXPECT_EQ(g.rng.config_read(config::bar0 + 4, 4), 0u) << "no upper half";
}

TEST(VirtioRngConfigSpace, AnAccessToTheBarsAddressReachesTheDevice) {
  Guest g;
  g.rng.config_write(config::bar0, 4, 0x10000000);
  g.rng.config_write(config::bar0 + 4, 4, ~0u);
  g.rng.config_write(config::command, 2, config::command_memory_space);
  EXPECT_EQ(g.rng.memory_read(0x10000000 + virtio::common::num_queues, 2), 1u);
}

TEST(VirtioRngConfigSpace, CapabilitiesAreWhereTheyAreExpected) {
  EXPECT_EQ(capabilities(Guest{}.rng), (std::vector<std::uint16_t>{0x40, 0x80, 0x90, 0xa4, 0xb4}));
}

TEST(VirtioRngConfigSpace, EachStructureSaysWhereItIs) {
  Guest g;
  struct Expected {
    std::uint16_t at;
    std::uint32_t head, offset;
  };
  for (const auto& [at, head, offset] : {Expected{0x80, 0x01109009, 0x0}, Expected{0x90, 0x0214a409, 0x3000},
                                         Expected{0xa4, 0x0310b409, 0x1000}, Expected{0xb4, 0x04100009, 0x2000}}) {
    EXPECT_EQ(g.rng.config_read(at, 4), head);
    EXPECT_EQ(g.rng.config_read(static_cast<std::uint16_t>(at + 4), 4), 0u) << "BAR 0";
    EXPECT_EQ(g.rng.config_read(static_cast<std::uint16_t>(at + 8), 4), offset);
  }
  EXPECT_EQ(g.rng.config_read(0xa0, 4), 4u) << "notify_off_multiplier";
}

TEST(VirtioRngConfigSpace, MsixIsDisguisedUntilTheFirstReset) {
  Guest g{MsixCapability::disguised};
  EXPECT_EQ(g.rng.config_read(VirtioRng::msix_at, 1), config::id_vendor_specific);
  EXPECT_EQ(g.rng.config_read(VirtioRng::msix_at + 2, 1), 12u) << "a vendor's capability has its length there";
  g.rng.reset();
  EXPECT_EQ(g.rng.config_read(VirtioRng::msix_at, 1), config::id_msix);
  EXPECT_EQ(g.rng.config_read(VirtioRng::msix_at + 2, 2), VirtioRng::vectors - 1u);
  EXPECT_EQ(g.rng.config_read(VirtioRng::msix_at + 4, 4), VirtioRng::msix_bar);
  g.rng.power_cycle();
  EXPECT_EQ(g.rng.config_read(VirtioRng::msix_at, 1), config::id_vendor_specific) << "for the next user";
}

TEST(VirtioRngConfigSpace, PlainMsixIsThereFromTheBeginning) {
  EXPECT_EQ(Guest{MsixCapability::plain}.rng.config_read(VirtioRng::msix_at, 1), config::id_msix);
}

TEST(VirtioRngConfigSpace, AResetKeepsTheScratchRegister) {
  Guest g;
  g.rng.config_write(hook::scratch, 4, 7);
  g.rng.reset();
  EXPECT_EQ(g.rng.config_read(hook::scratch, 4), 7u);
  g.rng.power_cycle();
  EXPECT_EQ(g.rng.config_read(hook::scratch, 4), 0u);
}

TEST(VirtioRegisters, OffersVersion1AccessPlatformIndirectTablesAndTheEventIndex) {
  Guest g;
  EXPECT_EQ(g.common(virtio::common::device_feature, 4), 0x30000000u);
  g.set_common(virtio::common::device_feature_select, 4, 1);
  EXPECT_EQ(g.common(virtio::common::device_feature, 4), 3u);
  g.set_common(virtio::common::device_feature_select, 4, 2);
  EXPECT_EQ(g.common(virtio::common::device_feature, 4), 0u);
}

TEST(VirtioRegisters, FeaturesOkNeedsBothFeatures) {
  Guest g;
  g.set_common(virtio::common::driver_feature_select, 4, 1);
  g.set_common(virtio::common::driver_feature, 4, 1);
  g.set_status(0xb);
  EXPECT_EQ(g.status(), 0x3);
  g.set_common(virtio::common::driver_feature, 4, 3);
  g.set_status(0xb);
  EXPECT_EQ(g.status(), 0xb);
}

TEST(VirtioRegisters, FeaturesOkRefusesWhatIsNotOffered) {
  Guest g;
  g.accept_features(1u << 27);
  EXPECT_EQ(g.status(), 0x3);
}

TEST(VirtioRegisters, FeaturesAreFixedOnceAccepted) {
  Guest g;
  g.accept_features();
  g.set_common(virtio::common::driver_feature, 4, 0);
  EXPECT_EQ(g.common(virtio::common::driver_feature, 4), 3u);
}

TEST(VirtioRegisters, DriverOkNeedsFeaturesOk) {
  Guest g;
  g.set_status(7);
  EXPECT_EQ(g.status(), 3);
}

TEST(VirtioRegisters, AQueueHas64EntriesOrAnyLowerPowerOfTwo) {
  Guest g;
  EXPECT_EQ(g.common(virtio::common::queue_size, 2), 64u);
  g.set_common(virtio::common::queue_size, 2, 16);
  EXPECT_EQ(g.common(virtio::common::queue_size, 2), 16u);
  for (const unsigned bad : {0u, 3u, 128u}) {
    g.set_common(virtio::common::queue_size, 2, bad);
    EXPECT_EQ(g.common(virtio::common::queue_size, 2), 16u);
  }
}

TEST(VirtioRegisters, AQueueThatIsNotThereHasNoSize) {
  Guest g;
  g.set_common(virtio::common::queue_select, 2, 1);
  EXPECT_EQ(g.common(virtio::common::queue_size, 2), 0u);
  g.set_common(virtio::common::queue_enable, 2, 1);
  g.set_common(virtio::common::queue_select, 2, 0);
  EXPECT_EQ(g.common(virtio::common::queue_enable, 2), 0u);
}

TEST(VirtioRegisters, AddressesAreWrittenWholeOrByHalves) {
  Guest g;
  g.set_common(virtio::common::queue_desc, 4, 0x89abcde0);
  g.set_common(virtio::common::queue_desc + 4, 4, 0x1234567);
  EXPECT_EQ(g.common(virtio::common::queue_desc, 8), 0x123456789abcde0u);
  g.set_common(virtio::common::queue_device, 8, 0xfedc'ba98'7654'3210);
  EXPECT_EQ(g.common(virtio::common::queue_device + 4, 4), 0xfedcba98u);
}

TEST(VirtioRegisters, AnEnabledQueueIsNotMoved) {
  Guest g;
  g.accept_features();
  g.set_queue();
  g.set_common(virtio::common::queue_desc, 4, 0);
  EXPECT_EQ(g.common(virtio::common::queue_desc, 4), Guest::descriptors);
}

TEST(VirtioRegisters, AMisalignedQueueNeedsAReset) {
  Guest g;
  g.accept_features();
  g.set_common(virtio::common::queue_desc, 4, Guest::descriptors + 8);
  g.set_common(virtio::common::queue_enable, 2, 1);
  EXPECT_EQ(g.common(virtio::common::queue_enable, 2), 0u);
  EXPECT_NE(g.status() & virtio::needs_reset, 0);
}

TEST(VirtioRegisters, AQueueAtTheEndOfTheAddressSpaceNeedsAReset) {
  Guest g;
  g.accept_features();
  g.set_common(virtio::common::queue_device, 8, ~0xfULL);
  g.set_common(virtio::common::queue_enable, 2, 1);
  EXPECT_NE(g.status() & virtio::needs_reset, 0);
}

TEST(VirtioRegisters, StatusZeroResetsEverything) {
  Guest g;
  g.start();
  g.set_status(0);
  EXPECT_EQ(g.status(), 0);
  EXPECT_EQ(g.common(virtio::common::queue_enable, 2), 0u);
  EXPECT_EQ(g.common(virtio::common::queue_desc, 8), 0u);
  EXPECT_EQ(g.common(virtio::common::driver_feature, 4), 0u);
}

TEST(VirtioRegisters, AccessesThatTheDeviceDoesNotKnowDoNothing) {
  Guest g;
  for (std::uint64_t offset = 0; offset < VirtioRng::bar_bytes; offset += 0x7f) {
    for (const unsigned size : {1u, 2u, 4u, 8u}) {
      g.rng.region_read(0, offset, size);
      if (offset != virtio::common::device_status) {
        g.rng.region_write(0, offset, size, ~0ULL);
      }
    }
  }
  EXPECT_EQ(g.rng.region_read(0, VirtioRng::bar_bytes - 2, 4), ~0ULL) << "across the end";
  EXPECT_FALSE(g.rng.pending());
}

} // namespace
} // namespace sluice::pcie
