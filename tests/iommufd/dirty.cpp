#include "fakes.hpp"

#include <gtest/gtest.h>

namespace sluice::iommufd::test {
namespace {

// A table that tracks, with an area of 64 pages.
struct Dirty : ::testing::Test {
  static constexpr std::uint64_t page = 4096;
  static constexpr std::uint64_t start = 0x10'0000;

  Client c;
  std::uint32_t ioas = c.ioas();
  Device* device = *c.context.bind(c.rng, {});
  std::uint32_t hwpt = 0;
  FakeDomain* domain = nullptr;

  void SetUp() override {
    ASSERT_EQ(c.map(ioas, start, 64 * page), 0);
    ASSERT_EQ(c.hwpt(device->id(), ioas, u::hwpt_dirty_tracking), 0);
    hwpt = c.made;
    domain = c.unit.last_paging;
    ASSERT_EQ(track(true), 0);
  }
  void TearDown() override { c.context.unbind(*device); }

  int track(bool on) {
    u::HwptSetDirtyTracking cmd{.flags = on ? std::uint32_t{u::dirty_tracking_enable} : 0, .hwpt_id = hwpt};
    return c.call(cmd);
  }
  u::HwptGetDirtyBitmap request(std::uint64_t iova = start, std::uint64_t length = 64 * page) const {
    return {.hwpt_id = hwpt, .iova = iova, .length = length, .page_size = page, .data = Client::buffer};
  }
  int get(u::HwptGetDirtyBitmap cmd) { return c.call(cmd); }
  std::uint64_t bits(std::uint64_t at = Client::buffer) const {
    std::uint64_t word = 0;
    std::memcpy(&word, &c.caller.bytes[at], sizeof word);
    return word;
  }
  void clear() { std::fill_n(c.caller.bytes.begin() + Client::buffer, 0x4000, std::byte{}); }
};

TEST_F(Dirty, WhatWasWrittenIsToldOnceAndThenClean) {
  domain->written = {start, start + 5 * page, start + 63 * page};
  ASSERT_EQ(get(request()), 0);
  EXPECT_EQ(bits(), 1ULL << 63 | 1U << 5 | 1);
  EXPECT_TRUE(domain->written.empty());
  clear();
  ASSERT_EQ(get(request()), 0);
  EXPECT_EQ(bits(), 0u);
}

TEST_F(Dirty, WithNO_CLEARItStaysDirty) {
  domain->written = {start + page};
  auto cmd = request();
  cmd.flags = u::dirty_bitmap_no_clear;
  ASSERT_EQ(get(cmd), 0);
  EXPECT_EQ(bits(), 2u);
  EXPECT_EQ(domain->written.size(), 1u);
}

TEST_F(Dirty, BitsAreAddedToThoseOfTheCallerAndNoneIsCleared) {
  c.caller.bytes[Client::buffer] = std::byte{0xf0};
  domain->written = {start};
  ASSERT_EQ(get(request()), 0);
  EXPECT_EQ(bits(), 0xf1u);
}

TEST_F(Dirty, ABitStandsForTheCallersPageSizeWhateverTheTablesIs) {
  domain->written = {start + 4 * page};
  auto cmd = request();
  cmd.page_size = 4 * page;
  cmd.flags = u::dirty_bitmap_no_clear;
  ASSERT_EQ(get(cmd), 0);
  EXPECT_EQ(bits(), 2u);
  clear();
  cmd.page_size = 1024;
  ASSERT_EQ(get(cmd), 0);
  EXPECT_EQ(bits(), 0xf'0000u);
}

TEST_F(Dirty, ARangeMayBeginInsideAnAreaAndTheBitmapAtAnyByte) {
  domain->written = {start, start + 10 * page, start + 20 * page};
  auto cmd = request(start + 8 * page, 8 * page);
  cmd.data = Client::buffer + 3;
  ASSERT_EQ(get(cmd), 0);
  EXPECT_EQ(bits(), 0x4'00'0000u);
  EXPECT_EQ(domain->written.size(), 2u) << "outside of the range nothing is cleared";
}

TEST_F(Dirty, ARangeOverSeveralAreasAndAHoleTellsOfAllOfThem) {
  ASSERT_EQ(c.map(ioas, start + 64 * page, 8 * page, 0x40'0000), 0);
  ASSERT_EQ(c.map(ioas, start + 100 * page, 8 * page, 0x50'0000), 0);
  domain->written = {start + 63 * page, start + 64 * page, start + 107 * page};
  ASSERT_EQ(get(request(start, 128 * page)), 0);
  EXPECT_EQ(bits(), 1ULL << 63);
  EXPECT_EQ(bits(Client::buffer + 8), 1ULL << 43 | 1);
}

TEST_F(Dirty, EverythingIsTheRangeFromZeroOfLengthZero) {
  domain->written = {start};
  u::HwptGetDirtyBitmap cmd = request(0, 0);
  ASSERT_EQ(get(cmd), 0);
  EXPECT_EQ(bits(Client::buffer + start / page / 8), 1u);
}

TEST_F(Dirty, ABitmapThatIsNotThereIsEFAULTAndNothingIsCleared) {
  domain->written = {start};
  auto cmd = request();
  for (const std::uint64_t bad : {0ULL, 0xffffULL, ~0ULL}) { // the second ends half-way
    cmd.data = bad;
    EXPECT_EQ(get(cmd), EFAULT) << bad;
  }
  c.caller.read_only_from = Client::buffer;
  EXPECT_EQ(get(request()), EFAULT);
  EXPECT_EQ(domain->written.size(), 1u);
}

TEST_F(Dirty, WhatWasClearedAndCouldNotBeToldIsToldTheNextTime) {
  domain->written = {start + 3 * page};
  domain->on_read = [&] { c.caller.read_only_from = Client::buffer; }; // gone after it was looked at
  ASSERT_EQ(get(request()), EFAULT);
  EXPECT_TRUE(domain->written.empty());
  domain->on_read = nullptr;
  c.caller.read_only_from = 0;
  ASSERT_EQ(get(request()), 0);
  EXPECT_NE(bits() & 8, 0u);
  clear();
  ASSERT_EQ(get(request()), 0);
  EXPECT_EQ(bits(), 0u) << "once";
}

TEST_F(Dirty, TrackingThatIsOffTellsOfNothingAndBeginsClean) {
  domain->written = {start};
  ASSERT_EQ(track(false), 0);
  EXPECT_EQ(get(request()), 0);
  EXPECT_EQ(bits(), 0u);
  domain->written = {start};
  ASSERT_EQ(track(true), 0);
  EXPECT_EQ(get(request()), 0);
  EXPECT_EQ(bits(), 0u);
}

TEST_F(Dirty, OnlyATableThatWasMadeForItTracks) {
  ASSERT_EQ(c.hwpt(device->id(), ioas), 0);
  hwpt = c.made;
  EXPECT_EQ(track(true), EOPNOTSUPP);
  EXPECT_EQ(get(request()), EOPNOTSUPP);
  for (const std::uint32_t other : {99U, ioas, device->id()}) {
    hwpt = other;
    EXPECT_EQ(track(true), ENOENT);
    EXPECT_EQ(get(request()), ENOENT);
  }
}

TEST_F(Dirty, FlagsAndReservedFieldsComeFirstThenTheIdThenTheRange) {
  u::HwptSetDirtyTracking set{.flags = 2, .hwpt_id = 99};
  EXPECT_EQ(c.call(set), EOPNOTSUPP);
  set = {.hwpt_id = 99, .reserved = 1};
  EXPECT_EQ(c.call(set), EOPNOTSUPP);
  u::HwptGetDirtyBitmap cmd{.hwpt_id = 99, .flags = 2};
  EXPECT_EQ(get(cmd), EOPNOTSUPP);
  cmd = {.hwpt_id = 99, .reserved = 1};
  EXPECT_EQ(get(cmd), EOPNOTSUPP);
  cmd = {.hwpt_id = ioas, .iova = ~0ULL, .length = 2};
  EXPECT_EQ(get(cmd), ENOENT);
}

TEST_F(Dirty, ARangeThatWrapsIsEOVERFLOWAndOneThatIsNotOfWholePagesEINVAL) {
  const auto at = [&](std::uint64_t iova, std::uint64_t length, std::uint64_t size) {
    auto cmd = request(iova, length);
    cmd.page_size = size;
    return get(cmd);
  };
  EXPECT_EQ(at(~0ULL, 2, 0), EOVERFLOW);
  EXPECT_EQ(at(page, 0, page), EOVERFLOW);
  EXPECT_EQ(at(1, page, page), EINVAL);
  EXPECT_EQ(at(page, page + 1, page), EINVAL);
  EXPECT_EQ(at(page, page, 0), EINVAL);
  EXPECT_EQ(at(page, 2 * page, 2 * page), EINVAL);
  EXPECT_EQ(at(2 * page, 2 * page, 2 * page), 0);
  EXPECT_EQ(at(0, 1ULL << 63, 1ULL << 63), 0);
}

TEST_F(Dirty, ADeviceWhoseIommuCannotTrackSaysSoAndRefusesTheFlag) {
  u::GetHwInfo info{.dev_id = device->id()};
  ASSERT_EQ(c.call(info), 0);
  EXPECT_NE(info.out_capabilities & u::hw_cap_dirty_tracking, 0u);
  c.unit.dirty = false;
  info = {.dev_id = device->id()};
  ASSERT_EQ(c.call(info), 0);
  EXPECT_EQ(info.out_capabilities & u::hw_cap_dirty_tracking, 0u);
  EXPECT_EQ(c.hwpt(device->id(), ioas, u::hwpt_dirty_tracking), EOPNOTSUPP);
}

TEST_F(Dirty, ANestParentTracksOnlyWhereTheHostGoesBeyondLinux) {
  constexpr std::uint32_t both = u::hwpt_nest_parent | u::hwpt_dirty_tracking;
  EXPECT_EQ(c.hwpt(device->id(), ioas, both), EOPNOTSUPP);
  Context beyond{{.caller = c.caller, .pages = c.pages, .channels = c.channels, .dirty_parents = true}, c.port.sync};
  Device* const other = *beyond.bind(c.second, {});
  const auto call = [&](std::uint32_t nr, auto cmd) {
    cmd.size = sizeof cmd;
    std::memcpy(&c.caller.bytes[Client::at], &cmd, sizeof cmd);
    return beyond.ioctl(u::call(nr), Client::at);
  };
  ASSERT_EQ(call(u::IoasAlloc::nr, u::IoasAlloc{}), 0);
  EXPECT_EQ(call(u::HwptAlloc::nr, u::HwptAlloc{.flags = both, .dev_id = other->id(), .pt_id = 2}), 0);
  EXPECT_TRUE(c.unit.last_paging->options.dirty && c.unit.last_paging->options.nest_parent);
  beyond.unbind(*other);
}

} // namespace
} // namespace sluice::iommufd::test
