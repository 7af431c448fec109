#include "fakes.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <span>

namespace sluice::iommufd::test {
namespace {

constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t page = 4096;
constexpr std::uint32_t anywhere = u::map_readable | u::map_writeable;

struct Settings : ::testing::Test {
  Client c;
  std::uint32_t ioas = c.ioas();

  int allow(const std::vector<u::IovaRange>& ranges) {
    const auto bytes = std::as_bytes(std::span{ranges});
    std::copy(bytes.begin(), bytes.end(), c.caller.bytes.begin() + Client::buffer);
    u::IoasAllowIovas cmd{
        .ioas_id = ioas, .num_iovas = static_cast<std::uint32_t>(ranges.size()), .allowed_iovas = Client::buffer};
    return c.call(cmd);
  }
  int option(std::uint32_t id, std::uint16_t op, std::uint32_t object, std::uint64_t value = 0) {
    u::Option cmd{.option_id = id, .op = op, .object_id = object, .val64 = value};
    const int result = c.call(cmd);
    answer = cmd.val64;
    return result;
  }
  int vfio(std::uint16_t op, std::uint32_t id = 0) {
    u::VfioIoas cmd{.ioas_id = id, .op = op};
    const int result = c.call(cmd);
    answer = cmd.ioas_id;
    return result;
  }
  std::uint64_t answer{};
};

struct AllowedIovas : Settings {};

TEST_F(AllowedIovas, AreWhereMappingsGoThatNameNoIova) {
  ASSERT_EQ(allow({{0x20'0000, 0x20'1fff}, {0x10'0000, 0x10'0fff}}), 0);
  EXPECT_EQ(c.map(ioas, 0, page, 0x7000, anywhere), 0);
  EXPECT_EQ(c.mapped_at, 0x10'0000u);
  EXPECT_EQ(c.map(ioas, 0, 2 * page, 0x8000, anywhere), 0);
  EXPECT_EQ(c.mapped_at, 0x20'0000u);
  EXPECT_EQ(c.map(ioas, 0, page, 0x7000, anywhere), ENOSPC);
}

TEST_F(AllowedIovas, DoNotBindMappingsThatNameOne) {
  ASSERT_EQ(allow({{0x10'0000, 0x10'0fff}}), 0);
  EXPECT_EQ(c.map(ioas, 0x9'0000, page), 0);
}

TEST_F(AllowedIovas, AreReplacedAsAWholeAndClearedByAnEmptyList) {
  ASSERT_EQ(allow({{0x10'0000, 0x10'0fff}}), 0);
  ASSERT_EQ(allow({{0x30'0000, 0x30'0fff}}), 0);
  EXPECT_EQ(c.map(ioas, 0, page, 0x7000, anywhere), 0);
  EXPECT_EQ(c.mapped_at, 0x30'0000u);
  ASSERT_EQ(allow({}), 0);
  EXPECT_EQ(c.map(ioas, 0, page, 0x7000, anywhere), 0);
  EXPECT_EQ(c.mapped_at, page);
}

TEST_F(AllowedIovas, ThatAreEmptyOrBackwardsOrMeetAreEINVALAndTheOldListStays) {
  ASSERT_EQ(allow({{0x10'0000, 0x10'0fff}}), 0);
  EXPECT_EQ(allow({{0x2000, 0x2000}}), EINVAL);
  EXPECT_EQ(allow({{0x2000, 0x1000}}), EINVAL);
  EXPECT_EQ(allow({{0x2000, 0x2fff}, {0x2fff, 0x4000}}), EINVAL);
  EXPECT_EQ(allow({{0x2000, 0x2fff}, {0x1000, 0x4000}}), EINVAL);
  EXPECT_EQ(allow({{0x2000, 0x4fff}, {0x3000, 0x3fff}}), EINVAL);
  EXPECT_EQ(c.map(ioas, 0, page, 0x7000, anywhere), 0);
  EXPECT_EQ(c.mapped_at, 0x10'0000u);
}

TEST_F(AllowedIovas, AreCheckedInOrderReservedFieldThenIdThenPointerThenEachRange) {
  u::IoasAllowIovas cmd{.ioas_id = 99, .num_iovas = 1, .reserved = 1, .allowed_iovas = 0};
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
  cmd.reserved = 0;
  EXPECT_EQ(c.call(cmd), ENOENT);
  cmd.ioas_id = ioas;
  EXPECT_EQ(c.call(cmd), EFAULT);
  const u::IovaRange backwards{2, 1};
  std::memcpy(&c.caller.bytes[0x1'0000 - sizeof backwards], &backwards, sizeof backwards);
  cmd.allowed_iovas = 0x1'0000 - sizeof backwards;
  cmd.num_iovas = 2;
  EXPECT_EQ(c.call(cmd), EINVAL);
}

TEST_F(AllowedIovas, InAReservedRangeAreEADDRINUSEAndTheOldListStays) {
  auto* const device = *c.context.bind(c.rng, {.reserved = {{0x800'0000, 0x80f'ffff}}});
  ASSERT_TRUE(c.context.attach(*device, ioas));
  ASSERT_EQ(allow({{0x10'0000, 0x10'0fff}}), 0);
  EXPECT_EQ(allow({{0x20'0000, 0x20'0fff}, {0x7ff'0000, 0x800'0000}}), EADDRINUSE);
  EXPECT_EQ(allow({{1ULL << 47, 1ULL << 48}}), EADDRINUSE);
  EXPECT_EQ(c.map(ioas, 0, page, 0x7000, anywhere), 0);
  EXPECT_EQ(c.mapped_at, 0x10'0000u);
  c.context.unbind(*device);
}

TEST_F(AllowedIovas, KeepADeviceOutThatReservesThemAndADomainThatCannotReachThem) {
  auto* const device = *c.context.bind(c.rng, {.reserved = {{0x800'0000, 0x80f'ffff}}});
  ASSERT_EQ(allow({{0x80f'ffff, 0x900'0000}}), 0);
  EXPECT_TRUE(c.context.attach(*device, ioas) == base::Errc::reserved_range);
  ASSERT_EQ(allow({{1ULL << 47, 1ULL << 48}}), 0);
  EXPECT_EQ(c.hwpt(device->id(), ioas), EADDRINUSE);
  EXPECT_EQ(c.unit.domains.size(), 0u);
  ASSERT_EQ(allow({}), 0);
  EXPECT_TRUE(c.context.attach(*device, ioas));
  c.context.unbind(*device);
}

struct OptionCall : Settings {};

TEST_F(OptionCall, ChecksItsReservedFieldThenWhichOptionThenTheObject) {
  u::Option cmd{.option_id = 99, .reserved = 1, .object_id = 99};
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
  EXPECT_EQ(option(2, u::option_get, ioas), EOPNOTSUPP);
  EXPECT_EQ(option(u::option_huge_pages, 7, 99), ENOENT);
  EXPECT_EQ(option(u::option_huge_pages, 2, ioas), EOPNOTSUPP);
  EXPECT_EQ(option(u::option_rlimit_mode, u::option_get, ioas), EOPNOTSUPP);
  EXPECT_EQ(option(u::option_rlimit_mode, 2, 0), EOPNOTSUPP);
}

TEST_F(OptionCall, TheRlimitModeIsSetWhileThereIsNoObject) {
  EXPECT_EQ(option(u::option_rlimit_mode, u::option_set, 0, 2), EBUSY);
  EXPECT_EQ(option(u::option_rlimit_mode, u::option_get, 0), 0);
  EXPECT_EQ(answer, 0u);
  ASSERT_EQ(c.destroy(ioas), 0);
  EXPECT_EQ(option(u::option_rlimit_mode, u::option_set, 0, 2), EINVAL);
  EXPECT_EQ(option(u::option_rlimit_mode, u::option_set, 0, 1), 0);
  EXPECT_EQ(option(u::option_rlimit_mode, u::option_get, 0), 0);
  EXPECT_EQ(answer, 1u);
}

TEST_F(OptionCall, TheRlimitModeIsNotForAProcessWithoutTheCapabilityWhateverElseIsWrong) {
  Context plain{{.caller = c.caller, .pages = c.pages, .channels = c.channels, .without_sys_resource = true},
                c.port.sync};
  u::Option cmd{.size = sizeof cmd, .option_id = u::option_rlimit_mode, .op = u::option_set, .val64 = 2};
  std::memcpy(&c.caller.bytes[Client::at], &cmd, sizeof cmd);
  EXPECT_EQ(plain.ioctl(u::call(u::Option::nr), Client::at), -EPERM);
}

TEST_F(OptionCall, WithoutHugePagesEveryIovaIsThatOfAPage) {
  EXPECT_EQ(option(u::option_huge_pages, u::option_get, ioas), 0);
  EXPECT_EQ(answer, 1u);
  ASSERT_EQ(option(u::option_huge_pages, u::option_set, ioas, 0), 0);
  EXPECT_EQ(option(u::option_huge_pages, u::option_get, ioas), 0);
  EXPECT_EQ(answer, 0u);
  EXPECT_EQ(c.map(ioas, 0x1'0001, 7, 0x10'0001), EINVAL);
  ASSERT_EQ(option(u::option_huge_pages, u::option_set, ioas, 1), 0);
  EXPECT_EQ(c.map(ioas, 0x1'0001, 7, 0x10'0001), 0);
  EXPECT_EQ(option(u::option_huge_pages, u::option_set, ioas, 2), EINVAL);
}

TEST_F(OptionCall, HugePagesCannotGoWhileHardwareHasAreasOrAnAreaIsNotOfWholePages) {
  ASSERT_EQ(c.map(ioas, 0x1'0001, 7, 0x10'0001), 0);
  EXPECT_EQ(option(u::option_huge_pages, u::option_set, ioas, 0), EADDRINUSE);
  ASSERT_EQ(c.unmap(ioas, 0, top), 0);
  auto* const device = *c.context.bind(c.rng, {});
  ASSERT_TRUE(c.context.attach(*device, ioas));
  ASSERT_EQ(c.map(ioas, 0x1'0000, page), 0);
  EXPECT_EQ(option(u::option_huge_pages, u::option_set, ioas, 0), EINVAL);
  ASSERT_EQ(c.unmap(ioas, 0, top), 0);
  EXPECT_EQ(option(u::option_huge_pages, u::option_set, ioas, 0), 0);
  c.context.unbind(*device);
}

TEST_F(OptionCall, WithoutHugePagesTheDomainIsGivenOnePageAtATimeWhereALargerOneWouldFit) {
  auto* const device = *c.context.bind(c.rng, {});
  ASSERT_TRUE(c.context.attach(*device, ioas));
  FakeDomain& domain = *c.unit.last_paging;
  ASSERT_EQ(c.map(ioas, 0x30'0000, 8 * page), 0);
  EXPECT_EQ(domain.largest_map, 8 * page);
  ASSERT_EQ(c.unmap(ioas, 0, top), 0);
  domain.largest_map = 0;
  ASSERT_EQ(option(u::option_huge_pages, u::option_set, ioas, 0), 0);
  ASSERT_EQ(c.map(ioas, 0x30'0000, 8 * page), 0);
  EXPECT_EQ(domain.largest_map, page);
  EXPECT_EQ(domain.pages.size(), 8u);
  EXPECT_EQ(domain.pages[0x30'7000].pa, FakePages::above + 0x10'7000);
  domain.fail_map_after = 3;
  EXPECT_EQ(c.map(ioas, 0x50'0000, 8 * page), ENOMEM);
  EXPECT_EQ(domain.pages.size(), 8u);
  c.context.unbind(*device);
}

TEST_F(OptionCall, WithoutHugePagesAWindowIsWantedWhereNoneFitsAndIsMappedInOneCall) {
  auto* const device = *c.context.bind(c.rng, {});
  ASSERT_TRUE(c.context.attach(*device, ioas));
  FakeDomain& domain = *c.unit.last_paging;
  ASSERT_EQ(option(u::option_huge_pages, u::option_set, ioas, 0), 0);
  ASSERT_EQ(c.map(ioas, 0x20'0000, 8 * page, 0x1000'1000), 0);
  EXPECT_EQ(c.pages.wanted, 0x20'1000u);
  EXPECT_EQ(domain.largest_map, 8 * page);
  EXPECT_EQ(domain.pages[0x20'7000].pa, FakePages::above + 0x1000'8000);
  c.context.unbind(*device);
}

TEST_F(OptionCall, OnlyTheValueIsWrittenBack) {
  c.caller.read_only_from = Client::at + sizeof(u::Option) - 8;
  EXPECT_EQ(option(u::option_huge_pages, u::option_get, ioas), EFAULT);
  c.caller.read_only_from = 0;
  FakeCaller::Writes writes;
  c.caller.writes = &writes;
  EXPECT_EQ(option(u::option_huge_pages, u::option_get, ioas), 0);
  EXPECT_EQ(writes, (FakeCaller::Writes{{Client::at + 16, 8}}));
}

struct VfioIoas : Settings {};

TEST_F(VfioIoas, IsTheOneThatWasSetUntilItIsClearedOrDestroyed) {
  EXPECT_EQ(vfio(u::vfio_ioas_get), ENODEV);
  EXPECT_EQ(vfio(u::vfio_ioas_set, ioas), 0);
  EXPECT_EQ(vfio(u::vfio_ioas_get), 0);
  EXPECT_EQ(answer, ioas);
  EXPECT_EQ(vfio(u::vfio_ioas_clear), 0);
  EXPECT_EQ(vfio(u::vfio_ioas_get), ENODEV);
  ASSERT_EQ(vfio(u::vfio_ioas_set, ioas), 0);
  ASSERT_EQ(c.destroy(ioas), 0);
  EXPECT_EQ(vfio(u::vfio_ioas_get), ENODEV);
  EXPECT_EQ(c.ioas(), ioas);
  EXPECT_EQ(vfio(u::vfio_ioas_get), ENODEV);
}

TEST_F(VfioIoas, SurvivesADestroyThatIsRefused) {
  auto* const device = *c.context.bind(c.rng, {});
  ASSERT_EQ(c.hwpt(device->id(), ioas), 0);
  ASSERT_EQ(vfio(u::vfio_ioas_set, ioas), 0);
  EXPECT_EQ(c.destroy(ioas), EBUSY);
  EXPECT_EQ(vfio(u::vfio_ioas_get), 0);
  c.context.unbind(*device);
}

TEST_F(VfioIoas, SetToWhatIsNoIoasIsENOENTAndAnUnknownOperationEOPNOTSUPP) {
  ASSERT_EQ(vfio(u::vfio_ioas_set, ioas), 0);
  EXPECT_EQ(vfio(u::vfio_ioas_set, 99), ENOENT);
  EXPECT_EQ(vfio(3, 99), EOPNOTSUPP);
  u::VfioIoas cmd{.ioas_id = 99, .op = u::vfio_ioas_set, .reserved = 1};
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
  EXPECT_EQ(vfio(u::vfio_ioas_get), 0);
  EXPECT_EQ(answer, ioas);
}

struct ChangeProcess : Settings {
  int change(std::uint32_t reserved = 0) {
    u::IoasChangeProcess cmd{.reserved = reserved};
    return c.call(cmd);
  }
};

TEST_F(ChangeProcess, TakesFilesAlongButNoMemoryOfTheProcess) {
  EXPECT_EQ(change(), 0);
  u::IoasMapFile file{.flags = 7, .ioas_id = ioas, .fd = 5, .length = page, .iova = 0x1'0000};
  ASSERT_EQ(c.call(file), 0);
  EXPECT_EQ(change(), 0);
  const std::uint32_t other = c.ioas();
  ASSERT_EQ(c.map(other, 0x1'0000, page), 0);
  EXPECT_EQ(change(), EINVAL);
  EXPECT_EQ(change(1), EOPNOTSUPP);
  ASSERT_EQ(c.unmap(other, 0, top), 0);
  EXPECT_EQ(change(), 0);
}

struct AbsentCalls : Settings {};

TEST_F(AbsentCalls, AHardwareQueueIsEOPNOTSUPPOnceItsArgumentsAreRight) {
  u::HwQueueAlloc cmd{.flags = 1, .viommu_id = 99, .type = 1, .nesting_parent_iova = top, .length = 0};
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
  cmd.flags = 0;
  cmd.type = 0;
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
  cmd.type = 1;
  EXPECT_EQ(c.call(cmd), EINVAL);
  cmd.length = 2;
  EXPECT_EQ(c.call(cmd), EOVERFLOW);
  cmd.length = 1;
  EXPECT_EQ(c.call(cmd), ENOENT);
  auto* const device = *c.context.bind(c.rng, {});
  ASSERT_EQ(c.hwpt(device->id(), ioas, u::hwpt_nest_parent), 0);
  ASSERT_EQ(c.viommu(device->id(), c.made), 0);
  cmd.viommu_id = c.made;
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
  c.context.unbind(*device);
}

TEST_F(AbsentCalls, NoDeviceIsWithoutAnIommu) {
  u::IoasNoiommuGetPa cmd{.ioas_id = ioas, .iova = 0x1000, .length = page};
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
}

} // namespace
} // namespace sluice::iommufd::test
