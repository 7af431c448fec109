#include "rig.hpp"

#include <sluice/arch/stage2_geometry.hpp>

// The shape of tables: start levels, concatenation, alignment, block sizes.
namespace sluice::pagetable::test {
namespace {

std::vector<Config> every_size() {
  std::vector<Config> all;
  for (const auto stage : {Stage::one, Stage::two}) {
    for (const auto granule : {Granule::k4, Granule::k16, Granule::k64}) {
      for (unsigned bits = 25; bits <= (granule == Granule::k64 ? 52U : 48U); ++bits) {
        all.push_back({.stage = stage, .granule = granule, .input_bits = bits, .output_bits = bits > 48 ? 52U : 48U});
      }
    }
  }
  return all;
}

template <class Body>
void for_every_size(Body body) {
  for (const auto& config : every_size()) {
    SCOPED_TRACE(testing::Message() << config);
    Rig rig;
    const auto table = rig.table(config);
    body(rig, *table);
  }
}

TEST(EverySize, AWalkFindsTheFirstAndTheLastPageAndNothingElse) {
  for_every_size([](Rig& rig, PageTable& table) {
    const auto& config = table.config();
    const std::uint64_t size = arch::granule_size(config.granule);
    const std::uint64_t last = (1ULL << config.input_bits) - size;
    ASSERT_TRUE(complete(table.map(last, 0x10 * size, size, rw), size));
    ASSERT_TRUE(complete(table.map(0, 0x20 * size, size, rw), size));
    const Walker walker{rig.arena, table};
    EXPECT_EQ(walker.walk(last + 5).value().pa, 0x10 * size + 5);
    EXPECT_EQ(walker.walk(5).value().pa, 0x20 * size + 5);
    EXPECT_EQ(table.iova_to_phys(last + 5).value_or(0), 0x10 * size + 5);
    EXPECT_EQ(table.iova_to_phys(5).value_or(0), 0x20 * size + 5);
    for (unsigned bit = arch::granule_bits(config.granule); bit < config.input_bits; ++bit) {
      EXPECT_FALSE(walker.walk(1ULL << bit).has_value());
      EXPECT_FALSE(walker.walk(last ^ (1ULL << bit)).has_value());
    }
    EXPECT_TRUE(complete(unmap(table, last, size), size));
    EXPECT_TRUE(complete(unmap(table, 0, size), size));
  });
}

TEST(EverySize, TheRootIsAlignedToItsSizeAndNoLargerThanItsEntries) {
  for_every_size([](Rig& rig, PageTable& table) {
    const Walker walker{rig.arena, table};
    const std::uint64_t bytes = std::max<std::uint64_t>(64, 8ULL << (table.config().input_bits - walker.first_shift()));
    EXPECT_EQ(table.fields().TTB % bytes, 0U);
    EXPECT_EQ(rig.arena.live_bytes(), bytes);
  });
}

TEST(EverySize, Stage2StartsWhereTheArchitecturePermits) {
  for_every_size([](Rig& rig, PageTable& table) {
    const auto& config = table.config();
    if (config.stage == Stage::two) {
      const Walker walker{rig.arena, table};
      EXPECT_NE(arch::s2_concatenation(config.granule, walker.first_level(), table.fields().T0SZ, false, false), 0U);
    }
  });
}

TEST(EverySize, OnlyTheSmallestTablesStartAtLevel3WhichHasNoBlocks) {
  for_every_size([](Rig& rig, PageTable& table) {
    const auto& config = table.config();
    const unsigned one_table = arch::granule_bits(config.granule) * 2 - 3;
    EXPECT_EQ(Walker(rig.arena, table).first_level() == 3, config.input_bits <= one_table);
  });
}

// DDI 0487 D8.2, table by table: {granule, input bits, S2SL0, tables in the root}.
TEST(Stage2Start, IsTheDeepestLevelAboveThePagesThatSixteenTablesReach) {
  struct Row {
    Granule granule;
    unsigned bits;
    unsigned sl0;
    std::uint64_t tables;
  };
  for (const Row& row :
       {Row{Granule::k4, 30, 0, 1}, Row{Granule::k4, 31, 0, 2}, Row{Granule::k4, 34, 0, 16}, Row{Granule::k4, 39, 1, 1},
        Row{Granule::k4, 40, 1, 2}, Row{Granule::k4, 42, 1, 8}, Row{Granule::k4, 43, 1, 16}, Row{Granule::k4, 48, 2, 1},
        Row{Granule::k16, 25, 0, 1}, Row{Granule::k16, 29, 1, 1}, Row{Granule::k16, 36, 1, 1},
        Row{Granule::k16, 40, 1, 16}, Row{Granule::k16, 47, 2, 1}, Row{Granule::k16, 48, 2, 2},
        Row{Granule::k64, 29, 0, 1}, Row{Granule::k64, 33, 1, 1}, Row{Granule::k64, 42, 1, 1},
        Row{Granule::k64, 46, 1, 16}, Row{Granule::k64, 48, 2, 1}}) {
    Rig rig;
    const Config config{.stage = Stage::two, .granule = row.granule, .input_bits = row.bits};
    const auto table = rig.table(config);
    EXPECT_EQ(table->fields().S2SL0, row.sl0) << config;
    const auto whole = arch::granule_size(row.granule);
    EXPECT_EQ((rig.arena.live_bytes() + whole - 1) / whole, row.tables) << config;
  }
}

struct Blocks {
  Granule granule;
  unsigned output_bits;
  std::vector<std::uint64_t> sizes; // smallest first
};

TEST(Blocks, TheLargestThatAlignmentPermitsAreUsed) {
  for (const auto& [granule, output, sizes] :
       {Blocks{Granule::k4, 48, {4 * kib, 2 * mib, gib}}, Blocks{Granule::k16, 48, {16 * kib, 32 * mib}},
        Blocks{Granule::k64, 48, {64 * kib, 512 * mib}}, Blocks{Granule::k64, 52, {64 * kib, 512 * mib, 4096 * gib}}}) {
    for (const auto stage : {Stage::one, Stage::two}) {
      for (const auto size : sizes) {
        Rig rig;
        const unsigned input_bits = granule == Granule::k64 ? 52 : 44;
        auto table = rig.table({.stage = stage, .granule = granule, .input_bits = input_bits, .output_bits = output});
        ASSERT_TRUE(complete(table->map(size, 3 * size, size, rw), size));
        const Walker walker{rig.arena, *table};
        EXPECT_EQ(walker.walk(size).value().leaf_size, size);
        EXPECT_EQ(walker.walk(2 * size - 1).value().pa, 4 * size - 1);
        EXPECT_EQ(table->walk(2 * size - 1)->leaf_size, size);
        EXPECT_EQ(rig.tables_live(), 1U + static_cast<unsigned>(table->walk(size)->level - walker.first_level()));
        EXPECT_TRUE(complete(unmap(*table, size, size), size));
      }
    }
  }
}

TEST(Blocks, APhysicalAddressOutOfStepGivesPages) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(complete(table->map(2 * mib, 2 * mib + 4 * kib, 2 * mib, rw), 2 * mib));
  EXPECT_EQ(table->walk(2 * mib)->leaf_size, 4 * kib);
  EXPECT_TRUE(complete(unmap(*table, 2 * mib, 2 * mib), 2 * mib));
}

TEST(Blocks, ARangeIsPagesThenBlocksThenPages) {
  Rig rig;
  auto table = rig.table({});
  const std::uint64_t from = gib - 2 * mib - 4 * kib;
  const std::uint64_t size = gib + 4 * mib + 8 * kib;
  ASSERT_TRUE(complete(table->map(from, from, size, rw), size));
  EXPECT_EQ(table->walk(from)->leaf_size, 4 * kib);
  EXPECT_EQ(table->walk(from + 4 * kib)->leaf_size, 2 * mib);
  EXPECT_EQ(table->walk(gib)->leaf_size, gib);
  EXPECT_EQ(table->walk(2 * gib)->leaf_size, 2 * mib);
  EXPECT_EQ(table->walk(2 * gib + 2 * mib)->leaf_size, 4 * kib);
  EXPECT_TRUE(complete(unmap(*table, from, size), size));
  EXPECT_EQ(table->iova_to_phys(gib).error(), Errc::not_mapped);
}

// As where single pages were mapped and unmapped before.
TEST(Blocks, AnEmptyTableInTheWayGivesPages) {
  Rig rig;
  auto table = rig.table({});
  ASSERT_TRUE(table->map(2 * mib, 0, 4 * kib, rw).ok());
  ASSERT_TRUE(unmap(*table, 2 * mib, 4 * kib).ok());
  ASSERT_TRUE(complete(table->map(2 * mib, 2 * mib, 2 * mib, rw), 2 * mib));
  EXPECT_EQ(table->walk(2 * mib)->leaf_size, 4 * kib);
  EXPECT_TRUE(complete(unmap(*table, 2 * mib, 2 * mib), 2 * mib));
  ASSERT_TRUE(complete(table->map(2 * mib, 2 * mib, 2 * mib, rw), 2 * mib));
  EXPECT_EQ(table->walk(2 * mib)->leaf_size, 2 * mib) << "the table went with its pages";
}

TEST(Make, RefusesSizesThatTheFormatDoesNotHave) {
  Rig rig;
  const auto error = [&](const Config& config) { return make(rig.memory, rig.sync, config).error(); };
  EXPECT_EQ(error({.input_bits = 24}), Errc::invalid_argument);
  EXPECT_EQ(error({.input_bits = 49}), Errc::invalid_argument);
  EXPECT_EQ(error({.granule = Granule::k16, .input_bits = 49}), Errc::invalid_argument);
  EXPECT_EQ(error({.granule = Granule::k64, .input_bits = 53}), Errc::invalid_argument);
  EXPECT_EQ(error({.output_bits = 41}), Errc::invalid_argument);
  EXPECT_EQ(error({.output_bits = 56}), Errc::invalid_argument);
  EXPECT_EQ(error({.granule = Granule::k64, .output_bits = 56}), Errc::invalid_argument);
}
TEST(Make, RefusesDirtyWithoutCoherentWalks) {
  Rig rig{{.coherent = false}};
  EXPECT_EQ(make(rig.memory, rig.sync, {.dirty = true}).error(), Errc::missing_feature);
}
TEST(Make, RefusesATableBeyondTheOutputSize) {
  Rig rig{{.bus_base = 1ULL << 32}};
  EXPECT_EQ(make(rig.memory, rig.sync, {.output_bits = 32}).error(), Errc::output_range);
}
TEST(Make, FailsWithoutMemoryAndLeavesNothing) {
  Rig rig;
  for (std::uint64_t nth = 1; nth <= 2; ++nth) {
    rig.memory.fail(nth);
    EXPECT_EQ(make(rig.memory, rig.sync, {}).error(), Errc::no_memory);
    EXPECT_EQ(rig.memory.counts().live(), 0U);
  }
}

} // namespace
} // namespace sluice::pagetable::test
