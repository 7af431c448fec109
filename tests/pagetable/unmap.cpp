#include "rig.hpp"

// What an unmap leaves to invalidate, and what becomes of tables.
namespace sluice::pagetable::test {
namespace {

TEST(Gather, ARangeOfPagesIsOneRangeOfLevel3) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(0x5000, 0, 3 * 4 * kib, rw).ok());
  Gather gather;
  EXPECT_TRUE(gather.empty());
  ASSERT_TRUE(table->unmap(0x5000, 3 * 4 * kib, gather).ok());
  ASSERT_EQ(gather.ranges().size(), 1U);
  const auto& range = gather.ranges()[0];
  EXPECT_EQ(range.iova, 0x5000U);
  EXPECT_EQ(range.size, 3 * 4 * kib);
  EXPECT_EQ(range.leaf_bits, 12U);
  EXPECT_EQ(range.ttl(), 3U);
  EXPECT_FALSE(range.tables);
  EXPECT_FALSE(gather.has_tables());
  table->release(gather);
  EXPECT_TRUE(gather.empty());
}

TEST(Gather, NeighbouringUnmapsAreOneRange) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(0, 0, 64 * kib, rw).ok());
  Gather gather;
  for (std::uint64_t at = 0; at < 64 * kib; at += 4 * kib) {
    ASSERT_TRUE(table->unmap(at, 4 * kib, gather).ok());
  }
  ASSERT_EQ(gather.ranges().size(), 1U);
  EXPECT_EQ(gather.ranges()[0].size, 64 * kib);
  table->release(gather);
}

TEST(Gather, BlocksAndPagesAreRangesOfTheirOwn) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(2 * mib - 4 * kib, 2 * mib - 4 * kib, 4 * mib + 8 * kib, rw).ok());
  Gather gather;
  ASSERT_TRUE(table->unmap(2 * mib - 4 * kib, 4 * mib + 8 * kib, gather).ok());
  ASSERT_EQ(gather.ranges().size(), 3U);
  EXPECT_EQ(gather.ranges()[0].ttl(), 3U);
  EXPECT_EQ(gather.ranges()[1].ttl(), 2U);
  EXPECT_EQ(gather.ranges()[1].iova, 2 * mib);
  EXPECT_EQ(gather.ranges()[1].size, 4 * mib);
  EXPECT_EQ(gather.ranges()[1].leaf_bits, 21U);
  EXPECT_EQ(gather.ranges()[2].ttl(), 3U);
  EXPECT_EQ(gather.ranges()[2].iova, 6 * mib);
  table->release(gather);
}

TEST(Gather, AWholeTableIsARangeThatIsNotLimitedToLeaves) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(4 * mib, 4 * kib, 2 * mib, rw).ok());
  Gather gather;
  ASSERT_TRUE(table->unmap(4 * mib, 2 * mib, gather).ok());
  ASSERT_EQ(gather.ranges().size(), 1U);
  EXPECT_TRUE(gather.ranges()[0].tables);
  EXPECT_TRUE(gather.has_tables());
  EXPECT_EQ(gather.ranges()[0].ttl(), 0U);
  EXPECT_EQ(gather.ranges()[0].leaf_bits, 12U);
  EXPECT_EQ(gather.ranges()[0].levels, 1U << 3);
  table->release(gather);
}

TEST(Gather, ATreeNamesTheSmallestLeafInIt) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(gib, gib, 2 * mib, rw).ok());
  ASSERT_TRUE(table->map(gib + 2 * mib, 4 * kib, gib - 2 * mib, rw).ok());
  Gather gather;
  ASSERT_TRUE(table->unmap(gib, gib, gather).ok());
  ASSERT_EQ(gather.ranges().size(), 1U);
  EXPECT_EQ(gather.ranges()[0].leaf_bits, 12U);
  EXPECT_EQ(gather.ranges()[0].levels, (1U << 3) | (1U << 2));
  table->release(gather);
}

TEST(Gather, MoreRangesThanItHoldsCoverAllThatWasUnmapped) {
  Rig rig;
  auto table = rig.table({});
  Gather gather;
  std::vector<std::uint64_t> pages;
  for (std::uint64_t i = 0; i < 20; ++i) {
    pages.push_back((i * 7919 % 64) * 64 * kib);
    ASSERT_TRUE(table->map(pages.back(), 0, 4 * kib, rw).ok());
    ASSERT_TRUE(table->unmap(pages.back(), 4 * kib, gather).ok());
  }
  EXPECT_EQ(gather.ranges().size(), Gather::capacity);
  for (const auto page : pages) {
    bool covered = false;
    for (const auto& range : gather.ranges()) {
      covered = covered || (range.iova <= page && page + 4 * kib <= range.end());
    }
    EXPECT_TRUE(covered) << page;
  }
  table->release(gather);
}

TEST(Gather, AnUnmapThatStopsNamesWhatItDid) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(0, 0, 8 * kib, rw).ok());
  Gather gather;
  EXPECT_TRUE(stopped(table->unmap(0, 16 * kib, gather), Errc::not_mapped, 8 * kib));
  ASSERT_EQ(gather.ranges().size(), 1U);
  EXPECT_EQ(gather.ranges()[0].size, 8 * kib);
  table->release(gather);
  EXPECT_TRUE(stopped(table->unmap(0, 4 * kib, gather), Errc::not_mapped));
  EXPECT_TRUE(gather.empty());
}

TEST(Tables, AreFreedAfterReleaseAndNotBefore) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(4 * mib, 4 * kib, 2 * mib, rw).ok());
  const Walker walker{rig.arena, *table};
  const auto with = rig.tables_live();
  Gather gather;
  ASSERT_TRUE(table->unmap(4 * mib, 2 * mib, gather).ok());
  EXPECT_FALSE(walker.walk(4 * mib).has_value());
  rig.sync.reclaim();
  EXPECT_EQ(rig.tables_live(), with) << "hardware may still walk it";
  table->release(gather);
  rig.sync.reclaim();
  EXPECT_EQ(rig.tables_live(), with - 1);
}

TEST(Tables, AreHeldBackByAReadSection) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(4 * mib, 4 * kib, 2 * mib, rw).ok());
  const auto with = rig.tables_live();
  {
    const platform::ReadSection section{rig.sync};
    ASSERT_TRUE(unmap(*table, 4 * mib, 2 * mib).ok());
    EXPECT_EQ(rig.tables_live(), with);
  }
  rig.sync.reclaim();
  EXPECT_EQ(rig.tables_live(), with - 1);
}

TEST(Tables, ATreeIsDetachedAsOne) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(gib, 4 * kib, gib, rw).ok());
  EXPECT_EQ(rig.tables_live(), 3U + 512U);
  Gather gather;
  ASSERT_TRUE(table->unmap(gib, gib, gather).ok());
  EXPECT_EQ(gather.ranges().size(), 1U);
  table->release(gather);
  rig.sync.reclaim();
  EXPECT_EQ(rig.tables_live(), 2U) << "the root and the table that has 512G";
}

TEST(Tables, StayWhenTheyAreEmptiedPieceByPiece) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(0, 0, 2 * mib - 4 * kib, rw).ok());
  const auto with = rig.tables_live();
  ASSERT_TRUE(unmap(*table, 0, 2 * mib - 4 * kib).ok());
  EXPECT_EQ(rig.tables_live(), with);
  rig.memory.fail(1, hosted::Memory::all);
  EXPECT_TRUE(table->map(4 * kib, 0, 4 * kib, rw).ok()) << "without a new table";
  rig.memory.fail(0);
}

TEST(Tables, WithAHoleAreUnmappedUpToTheHole) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(gib, 4 * kib, gib, rw).ok());
  ASSERT_TRUE(unmap(*table, gib + 6 * mib + 8 * kib, 4 * kib).ok());
  EXPECT_TRUE(stopped(unmap(*table, gib, gib), Errc::not_mapped, 6 * mib + 8 * kib));
  EXPECT_FALSE(table->iova_to_phys(gib + 6 * mib + 4 * kib).ok());
  EXPECT_TRUE(table->iova_to_phys(gib + 6 * mib + 12 * kib).ok());
}

TEST(Tables, AreClearedWhereThereIsNoMemoryToDetachThem) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(4 * mib, 4 * kib, 4 * mib, rw).ok());
  const auto with = rig.tables_live();
  rig.memory.fail(1, hosted::Memory::all);
  EXPECT_TRUE(complete(unmap(*table, 4 * mib, 4 * mib), 4 * mib));
  rig.memory.fail(0);
  EXPECT_EQ(rig.tables_live(), with);
  EXPECT_FALSE(Walker(rig.arena, *table).walk(4 * mib).has_value());
}

TEST(Tables, MoreThanAGatherHoldsAreCleared) {
  Rig rig;
  auto table = rig.table({});
  constexpr std::uint64_t size = 400 * mib;
  ASSERT_TRUE(table->map(2 * mib, 4 * kib, size, rw).ok());
  EXPECT_TRUE(complete(unmap(*table, 2 * mib, size), size));
  rig.sync.reclaim();
  EXPECT_LT(rig.tables_live(), 200U);
  EXPECT_TRUE(complete(table->map(2 * mib, 4 * kib, size, rw), size));
  EXPECT_TRUE(complete(unmap(*table, 2 * mib, size), size));
}

TEST(Tables, OfAnUnconfirmedInvalidationLiveAsLongAsThePageTable) {
  Rig rig;
  auto table = rig.table({});
  for (const std::uint64_t iova : {4 * mib, 6 * mib}) {
    ASSERT_TRUE(table->map(iova, 4 * kib, 2 * mib, rw).ok());
    Gather gather;
    ASSERT_TRUE(table->unmap(iova, 2 * mib, gather).ok());
    table->keep(gather);
    EXPECT_TRUE(gather.empty());
  }
  rig.sync.reclaim();
  EXPECT_EQ(rig.tables_live(), 5U);
  table.reset();
  EXPECT_EQ(rig.tables_live(), 0U);
}

TEST(Tables, GoWithThePageTableWhateverIsMapped) {
  Rig rig;
  for (const auto& config : formats()) {
    auto table = rig.table(config);
    const std::uint64_t page = arch::granule_size(config.granule);
    for (unsigned bit = arch::granule_bits(config.granule); bit < config.input_bits; ++bit) {
      ASSERT_TRUE(table->map(1ULL << bit, 1ULL << bit, page, rw).ok());
    }
    table.reset();
    EXPECT_EQ(rig.memory.counts().live(), 0U) << config;
  }
}

} // namespace
} // namespace sluice::pagetable::test
