#include "attach.hpp"

namespace sluice::test {
namespace {

using arch::SteConfig;
using iommu::Stage;

TEST_F(Attach, AllStreamIdsOfADeviceMoveTogether) {
  auto& device = m.add({0x210, 0x10, 0x11, 0x10});
  EXPECT_EQ(device.sids().size(), 3U) << "the same one twice is one";
  ASSERT_TRUE(device.attach(m.paging()).ok());
  const auto change = device.replace(m.paging(Stage::second), {}, {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->stores, 2U) << "one L1STD for each of two leaves";
  for (const StreamID sid : {0x10U, 0x11U, 0x210U}) {
    EXPECT_EQ(config(sid), SteConfig::stage2);
  }
}

TEST_F(Attach, AStreamIdOfAnotherDeviceIsRefusedWithNothingChanged) {
  m.add({5});
  const auto live = m.port.memory.counts().live();
  m.fake.forget();
  const StreamID sids[] = {0x300, 5};
  EXPECT_EQ(m.smmu->add(nullptr, sids), Errc::shares_stream);
  EXPECT_EQ(m.port.memory.counts().live(), live);
  EXPECT_TRUE(m.fake.seen().empty());
  EXPECT_FALSE(m.ste(0x300));
}

TEST_F(Attach, AStreamIdBeyondTheTableIsTooLarge) {
  const StreamID sids[] = {0x10000};
  EXPECT_EQ(m.smmu->add(nullptr, sids), Errc::too_large);
  m.add({0xffff});
}

TEST_F(Attach, AStreamIdAtTheTopOf32BitsIsTooLargeToo) {
  Machine wide;
  wide.fake.id(wide.fake.get<arch::IDR1>().with(arch::IDR1::SIDSIZE, 32));
  ASSERT_TRUE(wide.start());
  const StreamID sids[] = {0xffffffff};
  EXPECT_EQ(wide.smmu->add(nullptr, sids), Errc::too_large) << "Config::stream_bits is 25";
}

TEST_F(Attach, ADeviceNeedsAStreamId) { EXPECT_EQ(m.smmu->add(nullptr, {}), Errc::invalid_argument); }

TEST_F(Attach, ARemovedDevicesStreamIdsAreFree) {
  auto& device = m.add({5});
  ASSERT_TRUE(device.attach(m.paging()).ok());
  ASSERT_TRUE(m.remove(device));
  EXPECT_EQ(config(5), SteConfig::abort);
  m.add({5});
}

TEST_F(Attach, AnotherSmmusDomainIsRefused) {
  Machine other;
  ASSERT_TRUE(other.start());
  auto& device = m.add({5});
  EXPECT_EQ(device.attach(other.paging()), Errc::other_smmu);
  EXPECT_EQ(device.attach(other.smmu->identity()), Errc::other_smmu);
}

TEST_F(Attach, OfADeviceWithoutSubstreamsAPasidIsUnsupported) {
  auto& device = m.add({5});
  EXPECT_EQ(device.attach(m.paging(), iommu::Target::pasid(1)), Errc::unsupported);
}

} // namespace
} // namespace sluice::test
