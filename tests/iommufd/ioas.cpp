#include "fakes.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace sluice::iommufd::test {
namespace {

constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t page = 4096;

// An IOAS with a domain on it.
struct Attached : ::testing::Test {
  Client c;
  std::uint32_t ioas = c.ioas();
  Device* device = *c.context.bind(c.rng, {.reserved = {{0x800'0000, 0x80f'ffff}}});
  FakeDomain* domain = nullptr;

  void SetUp() override {
    ASSERT_EQ(c.hwpt(device->id(), ioas), 0);
    domain = c.unit.last_paging;
    ASSERT_TRUE(c.context.attach(*device, c.made));
  }
  void TearDown() override { c.context.unbind(*device); }
};

TEST_F(Attached, AMappingIsInTheDomainWithItsPermissions) {
  ASSERT_EQ(c.map(ioas, 0x1'0000, 3 * page, 0x20'0000, u::map_fixed_iova | u::map_readable), 0);
  ASSERT_EQ(domain->pages.size(), 3u);
  EXPECT_EQ(domain->pages[0x1'1000].pa, FakePages::above + 0x20'1000);
  EXPECT_TRUE(domain->pages[0x1'1000].prot.read);
  EXPECT_FALSE(domain->pages[0x1'1000].prot.write);
}

TEST_F(Attached, UnmapAnswersWhatItRemovedAndGivesTheMemoryBack) {
  ASSERT_EQ(c.map(ioas, 0x1'0000, 3 * page), 0);
  ASSERT_EQ(c.map(ioas, 0x1'8000, page), 0);
  EXPECT_EQ(c.unmap(ioas, 0x1'0000, 0x1'0000), 0);
  EXPECT_EQ(c.unmapped, 4 * page);
  EXPECT_TRUE(domain->pages.empty());
  EXPECT_EQ(c.pages.live, 0);
}

TEST_F(Attached, UnmapOfAPartOfAnAreaIsENOENTAndLeavesIt) {
  ASSERT_EQ(c.map(ioas, 0x1'0000, 3 * page), 0);
  EXPECT_EQ(c.unmap(ioas, 0x1'0000, page), ENOENT);
  EXPECT_EQ(c.unmap(ioas, 0x1'1000, 8 * page), ENOENT);
  EXPECT_EQ(domain->pages.size(), 3u);
}

TEST_F(Attached, UnmapOfEverythingSucceedsEvenWhenThereIsNothing) {
  EXPECT_EQ(c.unmap(ioas, 0, top), 0);
  EXPECT_EQ(c.unmapped, 0u);
  ASSERT_EQ(c.map(ioas, 0x1'0000, 3 * page), 0);
  EXPECT_EQ(c.unmap(ioas, 0, top), 0);
  EXPECT_EQ(c.unmapped, 3 * page);
}

TEST_F(Attached, UnmapOfNothingIsENOENTOfLengthZeroEINVALAndOfTheTopEOVERFLOW) {
  EXPECT_EQ(c.unmap(ioas, 0x1000, page), ENOENT);
  EXPECT_EQ(c.unmap(ioas, 0x1000, 0), EINVAL);
  EXPECT_EQ(c.unmap(ioas, top, 1), EOVERFLOW);
  EXPECT_EQ(c.unmap(99, 0x1000, page), ENOENT);
}

TEST_F(Attached, MappingOverAnAreaIsEEXISTAndOverAReservedRangeEINVAL) {
  ASSERT_EQ(c.map(ioas, 0x1'0000, page), 0);
  EXPECT_EQ(c.map(ioas, 0x1'0000, page), EEXIST);
  EXPECT_EQ(c.map(ioas, 0xf000, 2 * page), EEXIST);
  EXPECT_EQ(c.map(ioas, 0x7ff'f000, 2 * page), EINVAL);
  EXPECT_EQ(c.map(ioas, 1ULL << 48, page), EINVAL);
}

TEST_F(Attached, WhatTheDomainCannotAlignIsEINVAL) {
  EXPECT_EQ(c.map(ioas, 0x1'0800, page), EINVAL);
  EXPECT_EQ(c.map(ioas, 0x1'0000, page + 1), EINVAL);
  EXPECT_EQ(c.map(ioas, 0x1'0000, page, 0x10'0001), EINVAL);
  EXPECT_EQ(c.map(ioas, 0x1'0000, 0), EINVAL);
}

TEST_F(Attached, MemoryThatIsNotThereIsEFAULTAndNothingIsMapped) {
  c.pages.bad_va = 0x66'0000;
  EXPECT_EQ(c.map(ioas, 0x1'0000, page, 0x66'0000), EFAULT);
  EXPECT_EQ(c.map(ioas, 0x1'0000, page), 0);
}

TEST_F(Attached, ADomainThatRunsOutOfMemoryHalfWayKeepsNothing) {
  domain->fail_map_after = 0;
  EXPECT_EQ(c.map(ioas, 0x1'0000, 8 * page), ENOMEM);
  EXPECT_TRUE(domain->pages.empty());
  EXPECT_EQ(c.pages.live, 0);
  domain->fail_map_after = -1;
  EXPECT_EQ(c.map(ioas, 0x1'0000, 8 * page), 0);
}

TEST_F(Attached, MemoryThatHardwareMayStillReachIsNotGivenBack) {
  ASSERT_EQ(c.map(ioas, 0x1'0000, page), 0);
  domain->unmap_times_out = true;
  EXPECT_EQ(c.unmap(ioas, 0x1'0000, page), 0);
  EXPECT_EQ(c.unmapped, page);
  EXPECT_EQ(c.pages.live, 1);
  domain->unmap_times_out = false;
  EXPECT_EQ(c.map(ioas, 0x1'0000, page), 0) << "its IOVA is free";
  EXPECT_EQ(c.pages.live, 2);
  ASSERT_EQ(c.unmap(ioas, 0x1'0000, page), 0);
  EXPECT_EQ(c.pages.live, 1);
  EXPECT_EQ(c.pages.abandoned.size(), 1u);
}

TEST_F(Attached, MemoryThatIsOnlyYetToBeReclaimedIsNotMissed) {
  struct Tables : platform::Retired {
    FakeDomain* of;
  } given_up{
      {.next = nullptr, .free = [](platform::Retired& self) { static_cast<Tables&>(self).of->fail_map_after = -1; }},
      domain};
  domain->fail_map_after = 0;
  c.port.sync.retire(given_up);
  EXPECT_EQ(c.map(ioas, 0x1'0000, 8 * page), 0);
  EXPECT_EQ(domain->pages.size(), 8u);
}

TEST_F(Attached, RangesAreWhatIsNotReserved) {
  u::IoasIovaRanges cmd{.ioas_id = ioas, .num_iovas = 0, .allowed_iovas = Client::buffer};
  EXPECT_EQ(c.call(cmd), EMSGSIZE);
  EXPECT_EQ(cmd.num_iovas, 2u);
  EXPECT_EQ(cmd.out_iova_alignment, page);
  EXPECT_EQ(c.call(cmd), 0);
  u::IovaRange ranges[2];
  std::memcpy(ranges, &c.caller.bytes[Client::buffer], sizeof ranges);
  EXPECT_EQ(ranges[0].start, 0u);
  EXPECT_EQ(ranges[0].last, 0x7ff'ffffu);
  EXPECT_EQ(ranges[1].start, 0x810'0000u);
  EXPECT_EQ(ranges[1].last, (1ULL << 48) - 1);
}

TEST_F(Attached, WithoutFIXEDTheLowestFreeIovaIsChosenWithTheMemorysAlignment) {
  constexpr std::uint32_t anywhere = u::map_readable | u::map_writeable;
  EXPECT_EQ(c.map(ioas, 0, page, 0x7000, anywhere), 0);
  EXPECT_EQ(c.mapped_at, page);
  EXPECT_EQ(c.map(ioas, 0, page, 0x9000, anywhere), 0);
  EXPECT_EQ(c.mapped_at, 2 * page);
  EXPECT_EQ(c.map(ioas, 0, 4ULL << 20, 0x4000'0000, anywhere), 0);
  EXPECT_EQ(c.mapped_at, 2ULL << 20);
  EXPECT_EQ(c.map(ioas, 0, 0x100'0000'0000'0000, 0x4000'0000, anywhere), ENOSPC);
}

TEST_F(Attached, ACopySharesThePagesAndOutlivesItsSource) {
  const std::uint32_t other = c.ioas();
  ASSERT_EQ(c.map(ioas, 0x1'0000, 4 * page), 0);
  u::IoasCopy cmd{.flags = 7,
                  .dst_ioas_id = other,
                  .src_ioas_id = ioas,
                  .length = 2 * page,
                  .dst_iova = 0x9'0000,
                  .src_iova = 0x1'1000};
  ASSERT_EQ(c.hwpt(device->id(), other), 0);
  ASSERT_EQ(c.call(cmd), 0);
  EXPECT_EQ(c.pages.live, 1);
  ASSERT_EQ(c.unmap(ioas, 0, top), 0);
  EXPECT_EQ(c.pages.live, 1);
  ASSERT_EQ(c.unmap(other, 0x9'0000, 2 * page), 0);
  EXPECT_EQ(c.pages.live, 0);
}

TEST_F(Attached, ACopyMayCrossAreasThatMeetButNotAGap) {
  ASSERT_EQ(c.map(ioas, 0x1'0000, page), 0);
  ASSERT_EQ(c.map(ioas, 0x1'1000, page, 0x30'0000), 0);
  u::IoasCopy cmd{.flags = 7,
                  .dst_ioas_id = ioas,
                  .src_ioas_id = ioas,
                  .length = 2 * page,
                  .dst_iova = 0x9'0000,
                  .src_iova = 0x1'0000};
  EXPECT_EQ(c.call(cmd), 0);
  EXPECT_EQ(domain->pages[0x9'1000].pa, FakePages::above + 0x30'0000);
  cmd.length = 3 * page;
  cmd.dst_iova = 0xa'0000;
  EXPECT_EQ(c.call(cmd), ENOENT);
  EXPECT_FALSE(domain->pages.contains(0xa'0000));
}

TEST_F(Attached, PagesThatWereMappedForReadingAreNotCopiedForWriting) {
  ASSERT_EQ(c.map(ioas, 0x1'0000, page, 0x10'0000, u::map_fixed_iova | u::map_readable), 0);
  u::IoasCopy cmd{
      .flags = 7, .dst_ioas_id = ioas, .src_ioas_id = ioas, .length = page, .dst_iova = 0x9'0000, .src_iova = 0x1'0000};
  EXPECT_EQ(c.call(cmd), EPERM);
}

TEST_F(Attached, TheSourceOfACopyIsLookedAtBeforeItsTarget) {
  u::IoasCopy cmd{.flags = 7, .dst_ioas_id = 99, .src_ioas_id = ioas, .length = 0, .src_iova = 0x1'0000};
  EXPECT_EQ(c.call(cmd), EINVAL);
  cmd.length = 2 * page;
  cmd.src_iova = top - page;
  EXPECT_EQ(c.call(cmd), EOVERFLOW);
  cmd.src_iova = 0x1'0000;
  EXPECT_EQ(c.call(cmd), ENOENT);
  cmd.length = top;
  cmd.src_ioas_id = 98;
  EXPECT_EQ(c.call(cmd), EOVERFLOW);
}

TEST_F(Attached, AFileIsMappedFromItsOffset) {
  u::IoasMapFile cmd{.flags = 7, .ioas_id = ioas, .fd = 5, .start = 0x3000, .length = page, .iova = 0x1'0000};
  ASSERT_EQ(c.call(cmd), 0);
  EXPECT_EQ(domain->pages[0x1'0000].pa, 2 * FakePages::above + 0x3000);
  cmd.fd = -1;
  cmd.iova = 0x9'0000;
  EXPECT_EQ(c.call(cmd), EBADF);
  ASSERT_EQ(c.unmap(ioas, 0, top), 0);
  EXPECT_EQ(c.pages.files, 0);
}

TEST(Ioas, WithoutADomainAnyPointerIsTakenAndShowsWhenADomainComes) {
  Client c;
  const std::uint32_t ioas = c.ioas();
  c.pages.bad_va = 0x66'0000;
  ASSERT_EQ(c.map(ioas, 0x1'0000, page, 0x10'0000), 0);
  ASSERT_EQ(c.map(ioas, 0x2'0000, page, 0x66'0000), 0);
  EXPECT_EQ(c.pages.live, 0);
  auto* const device = *c.context.bind(c.rng, {});
  EXPECT_EQ(c.hwpt(device->id(), ioas), EFAULT);
  EXPECT_EQ(c.unit.domains.size(), 0u);
  c.context.unbind(*device);
}

TEST(Ioas, AnAreaThatTheDomainCannotTakeIsEADDRINUSE) {
  Client c;
  const std::uint32_t ioas = c.ioas();
  ASSERT_EQ(c.map(ioas, 0x1'0001, 7), 0);
  auto* const device = *c.context.bind(c.rng, {});
  EXPECT_EQ(c.hwpt(device->id(), ioas), EADDRINUSE);
  ASSERT_EQ(c.unmap(ioas, 0, top), 0);
  ASSERT_EQ(c.map(ioas, 1ULL << 50, page), 0);
  EXPECT_EQ(c.hwpt(device->id(), ioas), EADDRINUSE);
  c.context.unbind(*device);
}

} // namespace
} // namespace sluice::iommufd::test
