#include "rig.hpp"

#include <utility>

// Blocks become tables and tables blocks, in use. 3.21.1.3
namespace sluice::pagetable::test {
namespace {

struct Shape {
  Config config;
  std::uint64_t page{arch::granule_size(config.granule)};
  std::uint64_t block{page * arch::table_entries(config.granule)};
};

template <class Body>
void for_each_kind(Body body) {
  for (auto config : formats()) {
    if (config.input_bits < 42) {
      continue;
    }
    for (const bool dirty : {false, true}) {
      config.dirty = dirty;
      config.resizes = true;
      SCOPED_TRACE(testing::Message() << config);
      Rig rig;
      const auto table = rig.table(config);
      body(rig, *table, Shape{config});
    }
  }
}

struct Sink final : DirtySink {
  void dirty(std::uint64_t iova, std::uint64_t size) override { runs.emplace_back(iova, size); }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;
};
Sink dirty(PageTable& table, std::uint64_t iova, std::uint64_t size, Clear clear = Clear::no) {
  Sink sink;
  Gather gather;
  EXPECT_TRUE(complete(table.read_dirty(iova, size, clear, sink, gather), size));
  table.release(gather);
  return sink;
}

base::Progress split(PageTable& table, std::uint64_t iova, std::uint64_t size) {
  Gather gather;
  const auto progress = table.split(iova, size, gather);
  table.release(gather);
  return progress;
}
base::Progress merge(PageTable& table, std::uint64_t iova, std::uint64_t size, int level = 2) {
  Gather gather;
  const auto progress = table.merge(iova, size, level, gather);
  table.release(gather);
  return progress;
}

TEST(Split, APartOfABlockIsUnmappedAndTheRestStaysAsItWas) {
  for_each_kind([](Rig& rig, PageTable& table, const Shape& n) {
    const Walker walker{rig.arena, table};
    for (const Prot prot : {rw, Prot::read, rw | Prot::execute, rw | Prot::mmio}) {
      ASSERT_TRUE(table.map(n.block, 2 * n.block, n.block, prot).ok());
      const auto before = walker.walk(n.block).value().descriptor;
      ASSERT_TRUE(complete(unmap(table, n.block + 3 * n.page, 2 * n.page), 2 * n.page));
      for (std::uint64_t i = 0; i < n.block; i += n.page) {
        const auto leaf = walker.walk(n.block + i);
        ASSERT_EQ(leaf.has_value(), i < 3 * n.page || i >= 5 * n.page);
        if (leaf) {
          ASSERT_EQ(leaf->pa, 2 * n.block + i);
          ASSERT_EQ(leaf->leaf_size, n.page);
          ASSERT_EQ((leaf->descriptor ^ before) & ~(n.block - 1) & 0xfff0'0000'0000'0000, 0U) << "attributes";
          ASSERT_EQ((leaf->descriptor ^ before) & 0xffd & (n.page - 1), 0U) << "attributes";
        }
      }
      ASSERT_TRUE(complete(unmap(table, n.block, 3 * n.page), 3 * n.page));
      ASSERT_TRUE(complete(unmap(table, n.block + 5 * n.page, n.block - 5 * n.page), n.block - 5 * n.page));
    }
  });
}

TEST(Split, IsRefusedWhereSizesMayNotChangeInUse) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(0, 0, 2 * mib, rw).ok());
  EXPECT_TRUE(stopped(unmap(*table, 0, 4 * kib), Errc::would_split));
  EXPECT_TRUE(stopped(split(*table, 0, 4 * kib), Errc::unsupported));
  EXPECT_TRUE(stopped(merge(*table, 0, 2 * mib), Errc::unsupported));
  EXPECT_EQ(rig.tables_live(), 3U);
}

TEST(Split, ABlockOf1GBecomesPagesOnlyWhereItIsCut) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  ASSERT_TRUE(table->map(gib, gib, gib, rw).ok());
  ASSERT_TRUE(complete(unmap(*table, gib + 6 * mib + 4 * kib, 4 * kib), 4 * kib));
  EXPECT_EQ(table->walk(gib)->leaf_size, 2 * mib);
  EXPECT_EQ(table->walk(gib + 6 * mib)->leaf_size, 4 * kib);
  EXPECT_EQ(rig.tables_live(), 4U);
}

TEST(Split, AnUnmapAcrossBlocksCutsTheTwoAtItsEnds) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  ASSERT_TRUE(table->map(gib, gib, 8 * mib, rw).ok());
  ASSERT_TRUE(complete(unmap(*table, gib + mib, 6 * mib), 6 * mib));
  rig.sync.reclaim();
  EXPECT_EQ(rig.tables_live(), 5U);
  EXPECT_TRUE(table->iova_to_phys(gib + mib - 1).ok());
  EXPECT_FALSE(table->iova_to_phys(gib + mib).ok());
  EXPECT_FALSE(table->iova_to_phys(gib + 7 * mib - 1).ok());
  EXPECT_TRUE(table->iova_to_phys(gib + 7 * mib).ok());
}

TEST(Split, WithoutMemoryChangesNothingAndSaysSo) {
  for (std::uint64_t nth = 1;; ++nth) {
    Rig rig;
    auto table = rig.table({.resizes = true});
    ASSERT_TRUE(table->map(gib, gib, gib, rw).ok());
    rig.memory.fail(nth);
    const auto progress = unmap(*table, gib + 4 * kib, 4 * kib);
    rig.memory.fail(0);
    if (progress.ok()) {
      EXPECT_EQ(nth, 3U) << "two tables";
      break;
    }
    EXPECT_TRUE(stopped(progress, Errc::no_memory));
    for (const std::uint64_t at : {gib, gib + 4 * kib, 2 * gib - 4 * kib}) {
      EXPECT_EQ(table->iova_to_phys(at).value_or(0), at);
    }
    EXPECT_TRUE(complete(unmap(*table, gib, gib), gib));
  }
}

TEST(Split, OfADirtyBlockIsDirtyPageByPageAndOfACleanOneClean) {
  for (const Stage stage : {Stage::one, Stage::two}) {
    Rig rig;
    auto table = rig.table({.stage = stage, .input_bits = 39, .dirty = true, .resizes = true});
    ASSERT_TRUE(table->map(0, 0, 4 * mib, rw).ok());
    ASSERT_TRUE(write_through(rig.arena, *table, mib));
    ASSERT_TRUE(complete(split(*table, 0, 4 * mib), 4 * mib));
    EXPECT_EQ(dirty(*table, 0, 4 * mib, Clear::yes).runs, (decltype(Sink::runs){{0, 2 * mib}}));
    ASSERT_TRUE(write_through(rig.arena, *table, 3 * mib));
    ASSERT_TRUE(write_through(rig.arena, *table, 4 * kib));
    EXPECT_EQ(dirty(*table, 0, 4 * mib).runs, (decltype(Sink::runs){{4 * kib, 4 * kib}, {3 * mib, 4 * kib}}));
  }
}

TEST(Split, OfARangeCutsWhatIsOnlyInPartInItAndPassesOverHoles) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  ASSERT_TRUE(table->map(2 * mib, 2 * mib, 2 * mib, rw).ok());
  ASSERT_TRUE(table->map(gib, gib, gib, rw).ok());
  ASSERT_TRUE(complete(split(*table, 3 * mib, gib), gib));
  EXPECT_EQ(table->walk(2 * mib)->leaf_size, 4 * kib);
  EXPECT_EQ(table->walk(gib + 2 * mib)->leaf_size, 4 * kib);
  EXPECT_EQ(table->walk(gib + 4 * mib)->leaf_size, 2 * mib);
  EXPECT_TRUE(stopped(split(*table, 0, 0), Errc::invalid_argument));
  EXPECT_TRUE(stopped(split(*table, 1, 4 * kib), Errc::unaligned));
}

TEST(Split, BlocksAreNotUsedWhereTheyAreSwitchedOff) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  table->use_blocks(false);
  ASSERT_TRUE(table->map(2 * mib, 2 * mib, 2 * mib, rw).ok());
  EXPECT_EQ(table->walk(2 * mib)->leaf_size, 4 * kib);
  table->use_blocks(true);
  ASSERT_TRUE(table->map(4 * mib, 4 * mib, 2 * mib, rw).ok());
  EXPECT_EQ(table->walk(4 * mib)->leaf_size, 2 * mib);
}

// What is to be invalidated.

TEST(ResizedGather, NamesThePagesAndNoLevel) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  ASSERT_TRUE(table->map(2 * mib, 2 * mib, 2 * mib, rw).ok());
  Gather gather;
  ASSERT_TRUE(table->unmap(3 * mib, 8 * kib, gather).ok());
  ASSERT_EQ(gather.ranges().size(), 1U);
  EXPECT_EQ(gather.ranges()[0].iova, 3 * mib);
  EXPECT_EQ(gather.ranges()[0].size, 8 * kib);
  EXPECT_EQ(gather.ranges()[0].leaf_bits, 12U);
  EXPECT_EQ(gather.ranges()[0].ttl(), 0U) << "the block is cached";
  EXPECT_FALSE(gather.ranges()[0].tables) << "there was no table";
  table->release(gather);
}

TEST(ResizedGather, OfANeighbourNamesNoLevelUntilTheSplitIsConfirmed) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  ASSERT_TRUE(table->map(2 * mib, 2 * mib, 4 * mib, rw).ok());
  Gather first;
  ASSERT_TRUE(table->unmap(2 * mib, 4 * kib, first).ok());
  Gather second;
  ASSERT_TRUE(table->unmap(2 * mib + 64 * kib, 4 * kib, second).ok());
  EXPECT_EQ(second.ranges()[0].ttl(), 0U) << "the block is cached for this page, too";
  table->release(second);
  table->release(first);
  Gather third;
  ASSERT_TRUE(table->unmap(2 * mib + 128 * kib, 4 * kib, third).ok());
  EXPECT_EQ(third.ranges()[0].ttl(), 3U);
  table->release(third);
  Gather unconfirmed;
  ASSERT_TRUE(table->unmap(4 * mib, 4 * kib, unconfirmed).ok());
  table->keep(unconfirmed);
  Gather last;
  ASSERT_TRUE(table->unmap(4 * mib + 64 * kib, 4 * kib, last).ok());
  EXPECT_EQ(last.ranges()[0].ttl(), 0U);
  table->release(last);
}

TEST(ResizedGather, OfAClearedDirtyMarkNamesNoLevelEither) {
  Rig rig;
  auto table = rig.table({.dirty = true, .resizes = true});
  ASSERT_TRUE(table->map(2 * mib, 2 * mib, 2 * mib, rw).ok());
  ASSERT_TRUE(write_through(rig.arena, *table, 2 * mib));
  Gather gather, marks;
  ASSERT_TRUE(table->unmap(2 * mib, 4 * kib, gather).ok());
  Sink sink;
  ASSERT_TRUE(table->read_dirty(3 * mib, 4 * kib, Clear::yes, sink, marks).ok());
  ASSERT_EQ(marks.ranges().size(), 1U);
  EXPECT_EQ(marks.ranges()[0].ttl(), 0U) << "writes would go by the block, which is cached as dirty";
  table->release(marks);
  table->release(gather);
}

TEST(ResizedGather, OfWhatWasMergedNamesPagesAndTables) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  table->use_blocks(false);
  ASSERT_TRUE(table->map(2 * mib, 2 * mib, 2 * mib, rw).ok());
  Gather merged;
  ASSERT_TRUE(complete(table->merge(0, 8 * mib, 2, merged), 8 * mib));
  ASSERT_EQ(merged.ranges().size(), 1U);
  EXPECT_EQ(merged.ranges()[0].iova, 2 * mib);
  EXPECT_EQ(merged.ranges()[0].size, 2 * mib);
  EXPECT_EQ(merged.ranges()[0].leaf_bits, 12U);
  EXPECT_TRUE(merged.ranges()[0].tables);
  Gather gather;
  ASSERT_TRUE(table->unmap(2 * mib, 2 * mib, gather).ok());
  EXPECT_EQ(gather.ranges()[0].leaf_bits, 12U) << "pages of it are cached";
  EXPECT_TRUE(gather.ranges()[0].tables);
  table->release(gather);
  table->release(merged);
}

TEST(Merge, MakesABlockOfATableWithoutHolesAndFreesIt) {
  for_each_kind([](Rig& rig, PageTable& table, const Shape& n) {
    ASSERT_TRUE(table.map(n.block, 2 * n.block, n.block, rw).ok());
    const auto before = Walker(rig.arena, table).walk(n.block).value().descriptor;
    const auto live = rig.tables_live();
    ASSERT_TRUE(complete(split(table, n.block, n.block), n.block));
    ASSERT_EQ(rig.tables_live(), live + 1);
    Gather gather;
    ASSERT_TRUE(complete(table.merge(0, 4 * n.block, 2, gather), 4 * n.block));
    rig.sync.reclaim();
    EXPECT_EQ(rig.tables_live(), live + 1) << "hardware may still walk it";
    table.release(gather);
    rig.sync.reclaim();
    EXPECT_EQ(rig.tables_live(), live);
    EXPECT_EQ(table.walk(n.block)->leaf_size, n.block);
    const auto after = Walker(rig.arena, table).walk(n.block).value().descriptor;
    EXPECT_EQ(after ^ before, n.config.dirty ? 1U << 7 : 0U) << "a block that may be written counts as dirty";
  });
}

TEST(Merge, LeavesTablesAloneThatAreNotLikeABlock) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  table->use_blocks(false);
  ASSERT_TRUE(table->map(0, 0, 2 * mib, rw).ok());
  ASSERT_TRUE(unmap(*table, 4 * kib, 4 * kib).ok());           // a hole
  ASSERT_TRUE(table->map(2 * mib, 4 * kib, 2 * mib, rw).ok()); // not aligned
  ASSERT_TRUE(table->map(4 * mib, 4 * mib, 2 * mib - 4 * kib, rw).ok());
  ASSERT_TRUE(table->map(6 * mib - 4 * kib, 6 * mib - 4 * kib, 4 * kib, Prot::read).ok()); // other rights
  ASSERT_TRUE(table->map(6 * mib, 6 * mib, 2 * mib - 4 * kib, rw).ok());
  ASSERT_TRUE(table->map(8 * mib - 4 * kib, 4 * kib, 4 * kib, rw).ok()); // another address
  const auto live = rig.tables_live();
  ASSERT_TRUE(complete(merge(*table, 0, gib), gib));
  rig.sync.reclaim();
  EXPECT_EQ(rig.tables_live(), live);
  ASSERT_TRUE(table->map(4 * kib, 4 * kib, 4 * kib, rw).ok()) << "no mark is left in the way";
  ASSERT_TRUE(complete(merge(*table, 0, gib), gib));
  EXPECT_EQ(table->walk(0)->leaf_size, 2 * mib);
}

TEST(Merge, OfPagesAndThenOfBlocksMakes1G) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  table->use_blocks(false);
  ASSERT_TRUE(table->map(gib, gib, gib, rw).ok());
  for (std::uint64_t done = 0; done < 2 * gib;) {
    const auto progress = merge(*table, done, 2 * gib - done);
    ASSERT_TRUE(progress.ok() && progress.done != 0);
    done += progress.done;
  }
  EXPECT_EQ(table->walk(gib)->leaf_size, 2 * mib);
  ASSERT_TRUE(complete(merge(*table, 0, 2 * gib, 1), 2 * gib));
  EXPECT_EQ(table->walk(gib)->leaf_size, gib);
  rig.sync.reclaim();
  EXPECT_EQ(rig.tables_live(), 2U);
}

TEST(Merge, RefusesLevelsWithoutBlocksAndBadRanges) {
  Rig rig;
  auto table = rig.table({.granule = Granule::k16, .resizes = true});
  EXPECT_TRUE(stopped(merge(*table, 0, gib, 3), Errc::invalid_argument));
  EXPECT_TRUE(stopped(merge(*table, 0, gib, 1), Errc::invalid_argument)) << "of 16K there are none";
  EXPECT_TRUE(stopped(merge(*table, 0, gib, -1), Errc::invalid_argument));
  EXPECT_TRUE(stopped(merge(*table, 0, 0), Errc::invalid_argument));
  EXPECT_TRUE(stopped(merge(*table, 1ULL << 48, gib), Errc::input_range));
}

TEST(Merge, WithoutMemoryLeavesAllAsItIs) {
  Rig rig;
  auto table = rig.table({.resizes = true});
  table->use_blocks(false);
  ASSERT_TRUE(table->map(0, 0, 2 * mib, rw).ok());
  rig.memory.fail(1, hosted::Memory::all);
  EXPECT_TRUE(stopped(merge(*table, 0, 2 * mib), Errc::no_memory));
  rig.memory.fail(0);
  EXPECT_EQ(table->walk(0)->leaf_size, 4 * kib);
  EXPECT_TRUE(complete(merge(*table, 0, 2 * mib), 2 * mib));
}

} // namespace
} // namespace sluice::pagetable::test
