#include "fakes.hpp"

#include <sluice/iommu/group.hpp>

#include <gtest/gtest.h>

// What may be attached to PASIDs and beside them, and devices that can only move together.
namespace sluice::iommufd::test {
namespace {

using base::Errc;

struct Pasids : ::testing::Test {
  Client c;
  std::uint32_t ioas = c.ioas();
  Device* device = nullptr;

  void SetUp() override {
    c.rng.pasids = 16;
    device = *c.context.bind(c.rng, {.reserved = {{0x800'0000, 0x80f'ffff}}});
  }
  void TearDown() override {
    if (device != nullptr) {
      c.context.unbind(*device);
    }
  }
  std::uint32_t table(std::uint32_t flags = u::hwpt_pasid) {
    EXPECT_EQ(c.hwpt(device->id(), ioas, flags), 0);
    return c.made;
  }
  std::uint32_t nested() {
    const std::uint32_t parent = table(u::hwpt_nest_parent);
    EXPECT_EQ(c.viommu(device->id(), parent), 0);
    EXPECT_EQ(c.nested(device->id(), c.made), 0);
    return c.made;
  }
  auto attach(std::uint32_t id, std::uint32_t pasid) { return c.context.attach(*device, id, pasid); }
  iommu::Domain* at(std::uint32_t pasid) { return c.rng.attached(iommu::Target::pasid(pasid)); }
};

TEST_F(Pasids, ATableIsAttachedToOneReplacedAndDetached) {
  const std::uint32_t one = table();
  FakeDomain* const first = c.unit.last_paging;
  const std::uint32_t two = table();
  ASSERT_TRUE(attach(one, 3));
  EXPECT_EQ(at(3), first);
  EXPECT_EQ(c.rng.attached(), nullptr) << "the RID is not touched";
  ASSERT_TRUE(attach(two, 3));
  EXPECT_EQ(at(3), c.unit.last_paging);
  EXPECT_EQ(c.rng.seen, (std::vector<iommu::Domain*>{first, c.unit.last_paging})) << "no detach between";
  EXPECT_EQ(c.destroy(two), EBUSY);
  EXPECT_EQ(c.destroy(one), 0);
  c.context.detach(*device, 3);
  EXPECT_EQ(at(3), nullptr);
  EXPECT_EQ(c.destroy(two), 0);
}

TEST_F(Pasids, TheSameTableAgainDoesNothing) {
  const std::uint32_t id = table();
  ASSERT_TRUE(attach(id, 3));
  ASSERT_TRUE(attach(id, 3));
  EXPECT_EQ(c.rng.seen.size(), 1u);
}

TEST_F(Pasids, RidAndSeveralPasidsMayShareATable) {
  const std::uint32_t id = table();
  ASSERT_TRUE(attach(id, no_pasid));
  ASSERT_TRUE(attach(id, 3));
  ASSERT_TRUE(attach(id, 4));
  c.context.detach(*device);
  EXPECT_EQ(c.destroy(id), EBUSY);
  c.context.detach(*device, 3);
  EXPECT_EQ(c.destroy(id), EBUSY);
  c.context.detach(*device, 4);
  EXPECT_EQ(c.destroy(id), 0);
}

TEST_F(Pasids, ATableThatWasNotMadeForThemIsEINVAL) {
  EXPECT_EQ(attach(table(0), 3).error(), Errc::invalid_argument);
  EXPECT_EQ(attach(nested(), 3).error(), Errc::invalid_argument);
  EXPECT_TRUE(c.rng.seen.empty());
}

TEST_F(Pasids, AnIoasIsEINVALAndLeavesNoTable) {
  EXPECT_EQ(attach(ioas, 3).error(), Errc::invalid_argument);
  EXPECT_TRUE(c.unit.domains.empty());
}

TEST_F(Pasids, BesideATableOfTheRidThatWasNotMadeForThemIsEINVAL) {
  const std::uint32_t good = table();
  for (const std::uint32_t rid : {table(0), nested()}) {
    ASSERT_TRUE(attach(rid, no_pasid));
    EXPECT_EQ(attach(good, 3).error(), Errc::invalid_argument);
    c.context.detach(*device);
  }
  EXPECT_TRUE(attach(good, 3));
}

TEST_F(Pasids, TheRidMovesOnlyToATableForThemWhileOneIsAttached) {
  const std::uint32_t one = table();
  const std::uint32_t two = table();
  const std::uint32_t plain = table(0);
  ASSERT_TRUE(attach(one, 3));
  EXPECT_EQ(attach(plain, no_pasid).error(), Errc::invalid_argument);
  EXPECT_EQ(attach(nested(), no_pasid).error(), Errc::invalid_argument);
  EXPECT_EQ(attach(ioas, no_pasid).error(), Errc::invalid_argument);
  ASSERT_TRUE(attach(one, no_pasid));
  EXPECT_EQ(attach(plain, no_pasid).error(), Errc::invalid_argument) << "a replace";
  ASSERT_TRUE(attach(two, no_pasid));
  c.context.detach(*device, 3);
  EXPECT_TRUE(attach(plain, no_pasid));
}

TEST_F(Pasids, OnesThatTheDeviceHasNotAreEINVAL) {
  const std::uint32_t id = table();
  EXPECT_EQ(attach(id, 16).error(), Errc::invalid_argument);
  EXPECT_EQ(attach(id, ~0U).error(), Errc::invalid_argument);
  EXPECT_TRUE(attach(id, 15));
  Device* const other = *c.context.bind(c.second, {});
  EXPECT_EQ(c.context.attach(*other, id, 1).error(), Errc::invalid_argument) << "it has none at all";
  c.context.unbind(*other);
}

TEST_F(Pasids, ARefusedReplaceLeavesTheOldTable) {
  const std::uint32_t one = table();
  const std::uint32_t two = table();
  ASSERT_TRUE(attach(one, 3));
  c.rng.refuses = true;
  c.rng.refuse = Errc::no_memory;
  EXPECT_EQ(attach(two, 3).error(), Errc::no_memory);
  EXPECT_EQ(c.destroy(one), EBUSY);
  EXPECT_EQ(c.destroy(two), 0);
}

TEST_F(Pasids, NothingIsReservedForThem) {
  const std::uint32_t id = table();
  ASSERT_EQ(c.map(ioas, 0x800'0000, 4096), 0);
  EXPECT_TRUE(attach(id, 3));
  EXPECT_EQ(attach(id, no_pasid).error(), Errc::reserved_range);
}

TEST_F(Pasids, DetachOfWhatIsNotAttachedDoesNothing) {
  c.context.detach(*device, 3);
  EXPECT_TRUE(c.rng.seen.empty());
}

TEST_F(Pasids, EndWithTheDevice) {
  const std::uint32_t id = table();
  ASSERT_TRUE(attach(id, no_pasid));
  ASSERT_TRUE(attach(id, 3));
  ASSERT_TRUE(attach(id, 9));
  c.context.unbind(*std::exchange(device, nullptr));
  EXPECT_EQ(c.rng.attached(), nullptr);
  EXPECT_TRUE(c.rng.at_pasids.empty());
  EXPECT_EQ(c.destroy(id), 0);
}

// Two devices that cannot be kept apart.
struct Together : Pasids {
  iommu::Group group{c.unit};
  Device* other = nullptr;

  void SetUp() override {
    ASSERT_TRUE(group.add(c.rng));
    ASSERT_TRUE(group.add(c.second));
    c.second.pasids = 16;
    Pasids::SetUp();
    other = *c.context.bind(c.second, {.reserved = {{0x900'0000, 0x90f'ffff}}});
  }
  void TearDown() override {
    Pasids::TearDown();
    c.context.unbind(*other);
    EXPECT_TRUE(group.remove(c.rng));
    EXPECT_TRUE(group.remove(c.second));
  }
  auto join(std::uint32_t id, std::uint32_t pasid = no_pasid) { return c.context.attach(*other, id, pasid); }
};

TEST_F(Together, TheFirstMovesBothAndTheSecondOnlyJoins) {
  const std::uint32_t id = table();
  ASSERT_TRUE(attach(id, no_pasid));
  EXPECT_EQ(c.second.attached(), c.unit.last_paging);
  ASSERT_TRUE(join(id));
  EXPECT_EQ(c.second.seen.size(), 1u);
  c.context.detach(*device);
  EXPECT_EQ(c.rng.attached(), c.unit.last_paging) << "the other one needs it";
  EXPECT_EQ(c.destroy(id), EBUSY);
  c.context.detach(*other);
  EXPECT_EQ(c.rng.attached(), nullptr);
  EXPECT_EQ(c.destroy(id), 0);
}

TEST_F(Together, TheSecondCannotJoinAnotherTable) {
  ASSERT_TRUE(attach(table(), no_pasid));
  EXPECT_EQ(join(table()).error(), Errc::invalid_argument);
  ASSERT_TRUE(attach(table(), 3));
  EXPECT_EQ(join(table(), 3).error(), Errc::invalid_argument);
  EXPECT_TRUE(join(table(), 4)) << "where nothing is attached yet";
}

TEST_F(Together, WhatTheSecondReservesIsLookedAtWhenItJoins) {
  const std::uint32_t id = table();
  ASSERT_TRUE(attach(id, no_pasid));
  ASSERT_EQ(c.map(ioas, 0x900'0000, 4096), 0);
  EXPECT_EQ(join(id).error(), Errc::reserved_range);
  ASSERT_EQ(c.unmap(ioas, 0x900'0000, 4096), 0);
  ASSERT_TRUE(join(id));
  EXPECT_EQ(c.map(ioas, 0x900'0000, 4096), EINVAL);
}

TEST_F(Together, AReplaceMovesAllThatHaveJoinedWithTheirReservations) {
  const std::uint32_t one = table();
  ASSERT_TRUE(attach(one, no_pasid));
  ASSERT_TRUE(join(one));
  const std::uint32_t before = std::exchange(ioas, c.ioas());
  const std::uint32_t two = table();
  ASSERT_EQ(c.map(ioas, 0x900'0000, 4096), 0);
  EXPECT_EQ(attach(two, no_pasid).error(), Errc::reserved_range) << "by the one that has joined";
  EXPECT_EQ(c.map(ioas, 0x800'0000, 4096), 0) << "and nothing is left of the first";
  ASSERT_EQ(c.unmap(ioas, 0, ~0ULL), 0);
  ASSERT_TRUE(attach(two, no_pasid));
  EXPECT_EQ(c.second.attached(), c.unit.last_paging);
  EXPECT_EQ(c.destroy(one), 0);
  EXPECT_EQ(c.destroy(two), EBUSY);
  EXPECT_EQ(c.map(ioas, 0x900'0000, 4096), EINVAL);
  EXPECT_EQ(c.map(before, 0x900'0000, 4096), 0);
}

TEST_F(Together, ANewTableForTheSecondOfTwoThatHaveJoinedMovesTheFirst) {
  const std::uint32_t one = table();
  ASSERT_TRUE(attach(one, 3));
  ASSERT_TRUE(join(one, 3));
  const std::uint32_t two = table();
  ASSERT_TRUE(join(two, 3));
  EXPECT_EQ(at(3), c.unit.last_paging);
  EXPECT_EQ(device->hwpt(3)->id(), two);
}

TEST_F(Together, AnAutomaticTableVanishesWithTheLastOfThem) {
  const auto id = attach(ioas, no_pasid);
  ASSERT_TRUE(id);
  EXPECT_EQ(*join(ioas), *id);
  c.context.detach(*device);
  EXPECT_EQ(c.destroy(*id), EBUSY);
  c.context.detach(*other);
  EXPECT_EQ(c.destroy(*id), ENOENT);
}

} // namespace
} // namespace sluice::iommufd::test
