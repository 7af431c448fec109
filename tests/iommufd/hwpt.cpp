#include "fakes.hpp"

#include <gtest/gtest.h>

namespace sluice::iommufd::test {
namespace {

struct Bound : ::testing::Test {
  Client c;
  std::uint32_t ioas = c.ioas();
  Device* device = *c.context.bind(c.rng, {.reserved = {{0x800'0000, 0x80f'ffff}}, .max_pasid_log2 = 4});

  void TearDown() override {
    if (device != nullptr) {
      c.context.unbind(*device);
    }
  }
  std::uint32_t parent() {
    EXPECT_EQ(c.hwpt(device->id(), ioas, u::hwpt_nest_parent), 0);
    return c.made;
  }
  std::uint32_t viommu() {
    const std::uint32_t hwpt = parent();
    EXPECT_EQ(c.viommu(device->id(), hwpt), 0);
    return c.made;
  }
};

TEST_F(Bound, HwInfoTellsItsTypeItsLengthAndZeroesTheRest) {
  std::memset(&c.caller.bytes[Client::buffer], 0xff, 64);
  u::GetHwInfo cmd{.dev_id = device->id(), .data_len = 64, .data_uptr = Client::buffer};
  ASSERT_EQ(c.call(cmd), 0);
  EXPECT_EQ(cmd.data_type, 2u);
  EXPECT_EQ(cmd.data_len, 40u);
  EXPECT_EQ(cmd.out_max_pasid_log2, 4);
  EXPECT_EQ(c.caller.bytes[Client::buffer + 39], std::byte{0x5a});
  EXPECT_EQ(c.caller.bytes[Client::buffer + 40], std::byte{0});
  EXPECT_EQ(c.caller.bytes[Client::buffer + 63], std::byte{0});
}

TEST_F(Bound, HwInfoOfATypeThatIsNotThereIsEOPNOTSUPP) {
  u::GetHwInfo cmd{.flags = u::hw_info_input_type, .dev_id = device->id(), .data_type = 3};
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
  cmd = {.flags = 2, .dev_id = device->id()};
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
  cmd = {.dev_id = 99};
  EXPECT_EQ(c.call(cmd), ENOENT);
}

TEST_F(Bound, AMissingTableIsEINVALAndAMissingDeviceENOENTFirst) {
  EXPECT_EQ(c.hwpt(99, 98), ENOENT);
  EXPECT_EQ(c.hwpt(device->id(), 98), EINVAL);
  EXPECT_EQ(c.hwpt(device->id(), device->id()), EINVAL);
}

TEST_F(Bound, AFlagThatIsUnknownIsEOPNOTSUPP) {
  EXPECT_EQ(c.hwpt(device->id(), ioas, 1U << 4), EOPNOTSUPP);
  const std::uint32_t hwpt = parent();
  EXPECT_NE(hwpt, 0u);
  EXPECT_TRUE(c.unit.last_paging->options.nest_parent);
}

TEST_F(Bound, AttachingAnIoasMakesAnHwptThatVanishesWithTheDevice) {
  const auto id = c.context.attach(*device, ioas);
  ASSERT_TRUE(id);
  EXPECT_NE(*id, ioas);
  EXPECT_EQ(c.unit.domains.size(), 1u);
  const auto again = c.context.attach(*device, ioas);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, *id);
  c.context.detach(*device);
  EXPECT_EQ(c.unit.domains.size(), 0u);
  EXPECT_EQ(c.destroy(*id), ENOENT);
}

TEST_F(Bound, ASecondDeviceSharesTheHwptOfAnIoas) {
  auto* const other = *c.context.bind(c.second, {});
  const auto first = c.context.attach(*device, ioas);
  const auto second = c.context.attach(*other, ioas);
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(*first, *second);
  c.context.detach(*device);
  EXPECT_EQ(c.unit.domains.size(), 1u);
  c.context.unbind(*other);
  EXPECT_EQ(c.unit.domains.size(), 0u);
}

TEST_F(Bound, ADeviceOfAnotherIommuGetsAnHwptOfItsOwn) {
  auto* const other = *c.context.bind(c.elsewhere, {});
  const auto first = c.context.attach(*device, ioas);
  const auto second = c.context.attach(*other, ioas);
  ASSERT_TRUE(second);
  EXPECT_NE(*first, *second);
  EXPECT_EQ(c.other_unit.domains.size(), 1u);
  EXPECT_TRUE(c.context.attach(*other, *first) == base::Errc::invalid_argument);
  c.context.unbind(*other);
}

TEST_F(Bound, TheSameHwptAgainChangesNothing) {
  ASSERT_EQ(c.hwpt(device->id(), ioas), 0);
  ASSERT_TRUE(c.context.attach(*device, c.made));
  ASSERT_TRUE(c.context.attach(*device, c.made));
  EXPECT_EQ(c.rng.seen.size(), 1u);
}

TEST_F(Bound, ARefusedReplaceLeavesTheOldOne) {
  ASSERT_EQ(c.hwpt(device->id(), ioas), 0);
  const std::uint32_t first = c.made;
  ASSERT_EQ(c.hwpt(device->id(), ioas), 0);
  ASSERT_TRUE(c.context.attach(*device, first));
  c.rng.refuses = true;
  c.rng.refuse = base::Errc::no_memory;
  EXPECT_TRUE(c.context.attach(*device, c.made) == base::Errc::no_memory);
  EXPECT_EQ(c.destroy(first), EBUSY);
  EXPECT_EQ(c.destroy(c.made), 0);
}

TEST_F(Bound, AnAreaInADevicesReservedRangeRefusesTheAttach) {
  ASSERT_EQ(c.map(ioas, 0x800'0000, 4096), 0);
  ASSERT_EQ(c.hwpt(device->id(), ioas), 0);
  EXPECT_TRUE(c.context.attach(*device, c.made) == base::Errc::reserved_range);
  EXPECT_TRUE(c.rng.seen.empty());
}

TEST_F(Bound, AViommuNeedsANestParentOfItsOwnIommu) {
  ASSERT_EQ(c.hwpt(device->id(), ioas), 0);
  EXPECT_EQ(c.viommu(device->id(), c.made), EINVAL);
  EXPECT_EQ(c.viommu(device->id(), ioas), ENOENT);
  const std::uint32_t hwpt = parent();
  EXPECT_EQ(c.viommu(device->id(), hwpt, 0), EOPNOTSUPP);
  EXPECT_EQ(c.viommu(device->id(), hwpt, 9), EOPNOTSUPP);
  EXPECT_EQ(c.viommu(99, hwpt), ENOENT);
  auto* const other = *c.context.bind(c.elsewhere, {});
  EXPECT_EQ(c.viommu(other->id(), hwpt), EINVAL);
  c.context.unbind(*other);
  EXPECT_EQ(c.viommu(device->id(), hwpt), 0);
}

TEST_F(Bound, ANestedHwptStandsOnItsViommu) {
  const std::uint32_t v = viommu();
  ASSERT_EQ(c.nested(device->id(), v), 0);
  const std::uint32_t hwpt = c.made;
  ASSERT_TRUE(c.context.attach(*device, hwpt));
  EXPECT_EQ(c.destroy(v), EBUSY);
  EXPECT_EQ(c.destroy(hwpt), EBUSY);
  c.context.detach(*device);
  EXPECT_EQ(c.destroy(hwpt), 0);
  EXPECT_EQ(c.destroy(v), 0);
  EXPECT_EQ(c.unit.live_viommus, 0);
}

TEST_F(Bound, DataForANestedHwptIsCheckedBeforeItIsMade) {
  const std::uint32_t v = viommu();
  EXPECT_EQ(c.nested(device->id(), v, 8), EINVAL);
  u::HwptAlloc cmd{.dev_id = device->id(), .pt_id = v, .data_type = 2, .data_len = 0};
  EXPECT_EQ(c.call(cmd), EINVAL);
  cmd = {.dev_id = device->id(), .pt_id = v};
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
  cmd = {.dev_id = device->id(), .pt_id = v, .data_type = 2, .data_len = 16, .data_uptr = 0};
  EXPECT_EQ(c.call(cmd), EFAULT);
}

TEST_F(Bound, AVdeviceNameIsTakenOnceAndSoIsTheDevice) {
  auto* const other = *c.context.bind(c.second, {});
  const std::uint32_t v = viommu();
  ASSERT_EQ(c.vdevice(v, device->id(), 0x900), 0);
  const std::uint32_t made = c.made;
  EXPECT_EQ(c.vdevice(v, device->id(), 0x901), EEXIST);
  EXPECT_EQ(c.vdevice(v, other->id(), 0x900), EEXIST);
  EXPECT_EQ(c.vdevice(99, other->id(), 0x900), ENOENT);
  EXPECT_EQ(c.destroy(v), EBUSY);
  EXPECT_EQ(c.destroy(made), 0);
  EXPECT_EQ(c.vdevice(v, other->id(), 0x900), 0);
  c.context.unbind(*other);
}

TEST_F(Bound, TheIdOfAVdeviceThatEndedWithItsDeviceIsNotUsedAgain) {
  const std::uint32_t v = viommu();
  ASSERT_EQ(c.vdevice(v, device->id(), 0x900), 0);
  const std::uint32_t gone = c.made;
  c.context.unbind(*device);
  device = nullptr;
  EXPECT_EQ(c.destroy(gone), ENOENT);
  for (int i = 0; i < 8; ++i) {
    EXPECT_NE(c.ioas(), gone);
  }
}

TEST_F(Bound, InvalidationWithoutTheDriversOperationIsEOPNOTSUPPWithNothingDone) {
  const std::uint32_t v = viommu();
  c.unit.last_viommu->can_invalidate = false;
  EXPECT_EQ(c.invalidate(v, 1), EOPNOTSUPP);
  EXPECT_EQ(c.done, 0u);
}

TEST_F(Bound, InvalidationOfANestedHwptIdIsEOPNOTSUPPWithNothingDone) {
  const std::uint32_t v = viommu();
  ASSERT_EQ(c.nested(device->id(), v), 0);
  EXPECT_EQ(c.invalidate(c.made, 1), EOPNOTSUPP);
  EXPECT_EQ(c.done, 0u);
}

TEST_F(Bound, InvalidationReportsTheEntriesThatWereExecuted) {
  const std::uint32_t v = viommu();
  EXPECT_EQ(c.invalidate(v, 5), 0);
  EXPECT_EQ(c.done, 5u);
  c.unit.last_viommu->good = 3;
  EXPECT_EQ(c.invalidate(v, 5), EIO);
  EXPECT_EQ(c.done, 3u);
  EXPECT_EQ(c.unit.last_viommu->executed, 8u);
}

TEST_F(Bound, InvalidationArgumentsAreCheckedAndNothingIsDone) {
  const std::uint32_t v = viommu();
  EXPECT_EQ(c.invalidate(99, 1), ENOENT);
  EXPECT_EQ(c.invalidate(ioas, 1), EINVAL);
  EXPECT_EQ(c.invalidate(v, 1, 0), EINVAL);
  EXPECT_EQ(c.invalidate(v, 1, 4097), EINVAL);
  EXPECT_EQ(c.invalidate(v, (1U << 19) + 1), EINVAL);
  EXPECT_EQ(c.invalidate(v, 1U << 16), EFAULT);
  EXPECT_EQ(c.done, 0u);
}

} // namespace
} // namespace sluice::iommufd::test
