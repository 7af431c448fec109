#include "rig.hpp"

// Each bad argument has its error and changes nothing.
namespace sluice::pagetable::test {
namespace {

struct Sizes {
  explicit Sizes(const Config& config)
      : page{arch::granule_size(config.granule)}, span{page * arch::table_entries(config.granule)},
        input{1ULL << config.input_bits}, output{1ULL << config.output_bits} {}

  std::uint64_t page;
  std::uint64_t span; // of a table of pages, or a block
  std::uint64_t input;
  std::uint64_t output;
};

template <class Body>
void for_each_format(Body body) {
  for (const auto& config : formats()) {
    SCOPED_TRACE(testing::Message() << config);
    Rig rig;
    const auto table = rig.table(config);
    body(rig, *table, Sizes{config});
  }
}

TEST(Ranges, MapRefusesBadArgumentsWithoutTouchingMemory) {
  for_each_format([](Rig& rig, PageTable& table, const Sizes& n) {
    EXPECT_TRUE(stopped(table.map(0, 0, 0, rw), Errc::invalid_argument));
    EXPECT_TRUE(stopped(table.map(n.page / 2, 0, n.page, rw), Errc::unaligned));
    EXPECT_TRUE(stopped(table.map(0, n.page / 2, n.page, rw), Errc::unaligned));
    EXPECT_TRUE(stopped(table.map(0, 0, n.page / 2, rw), Errc::unaligned));
    EXPECT_TRUE(stopped(table.map(0 - n.page, 0, 2 * n.page, rw), Errc::overflow));
    EXPECT_TRUE(stopped(table.map(0 - n.page, 0, n.page, rw), Errc::overflow)) << "an end of 2^64 wraps, too";
    EXPECT_TRUE(stopped(table.map(0, 0 - n.page, 2 * n.page, rw), Errc::overflow));
    EXPECT_TRUE(stopped(table.map(n.input, 0, n.page, rw), Errc::input_range));
    EXPECT_TRUE(stopped(table.map(n.input - n.page, 0, 2 * n.page, rw), Errc::input_range));
    EXPECT_TRUE(stopped(table.map(0, 0, n.input + n.page, rw), Errc::input_range));
    EXPECT_TRUE(stopped(table.map(0, n.output, n.page, rw), Errc::output_range));
    EXPECT_TRUE(stopped(table.map(0, n.output - n.page, 2 * n.page, rw), Errc::output_range));
    EXPECT_TRUE(stopped(table.map(0, 0, n.page, Prot::none), Errc::no_permission));
    EXPECT_TRUE(stopped(table.map(0, 0, n.page, Prot::execute | Prot::privileged | Prot::mmio), Errc::no_permission));
    EXPECT_EQ(rig.tables_live(), 1U);
  });
}

TEST(Ranges, UnmapRefusesBadArguments) {
  for_each_format([](Rig&, PageTable& table, const Sizes& n) {
    ASSERT_TRUE(table.map(0, 0, n.page, rw).ok());
    EXPECT_TRUE(stopped(unmap(table, 0, 0), Errc::invalid_argument));
    EXPECT_TRUE(stopped(unmap(table, n.page / 2, n.page), Errc::unaligned));
    EXPECT_TRUE(stopped(unmap(table, 0, n.page / 2), Errc::unaligned));
    EXPECT_TRUE(stopped(unmap(table, 0 - n.page, n.page), Errc::overflow));
    EXPECT_TRUE(stopped(unmap(table, n.input, n.page), Errc::input_range));
    EXPECT_TRUE(stopped(unmap(table, 0, n.input + n.page), Errc::input_range));
    EXPECT_TRUE(table.iova_to_phys(0).ok());
  });
}

TEST(Ranges, LookingBeyondTheInputSizeIsInputRange) {
  for_each_format([](Rig&, PageTable& table, const Sizes& n) {
    EXPECT_EQ(table.iova_to_phys(n.input).error(), Errc::input_range);
    EXPECT_EQ(table.walk(~0ULL).error(), Errc::input_range);
  });
}

TEST(Ranges, TheLastPageOfTheOutputSizeIsMapped) {
  for_each_format([](Rig& rig, PageTable& table, const Sizes& n) {
    ASSERT_TRUE(complete(table.map(0, n.output - n.page, n.page, rw), n.page));
    EXPECT_EQ(Walker(rig.arena, table).walk(n.page - 1).value().pa, n.output - 1);
  });
}

TEST(Ranges, MappingOverAMappingStopsThere) {
  for_each_format([](Rig&, PageTable& table, const Sizes& n) {
    ASSERT_TRUE(table.map(3 * n.page, 0, n.page, rw).ok());
    EXPECT_TRUE(stopped(table.map(0, 8 * n.page, 5 * n.page, Prot::read), Errc::already_mapped, 3 * n.page));
    const auto kept = table.walk(3 * n.page);
    ASSERT_TRUE(kept.ok());
    EXPECT_EQ(kept->pa, 0U);
    EXPECT_TRUE(has(kept->prot, Prot::write));
    EXPECT_EQ(table.iova_to_phys(2 * n.page).value_or(0), 10 * n.page) << "what was mapped stays";
    EXPECT_EQ(table.iova_to_phys(4 * n.page).error(), Errc::not_mapped);
  });
}

TEST(Ranges, UnmappingAHoleStopsThere) {
  for_each_format([](Rig&, PageTable& table, const Sizes& n) {
    ASSERT_TRUE(table.map(0, 0, 3 * n.page, rw).ok());
    ASSERT_TRUE(table.map(4 * n.page, 0, n.page, rw).ok());
    EXPECT_TRUE(stopped(unmap(table, 0, 5 * n.page), Errc::not_mapped, 3 * n.page));
    EXPECT_TRUE(table.iova_to_phys(4 * n.page).ok());
    EXPECT_TRUE(stopped(unmap(table, 0, n.page), Errc::not_mapped));
  });
}

TEST(Ranges, PartOfABlockIsNotUnmapped) {
  for_each_format([](Rig&, PageTable& table, const Sizes& n) {
    if (2 * n.span >= n.input) {
      return; // no room for blocks
    }
    ASSERT_TRUE(table.map(n.span - n.page, n.span - n.page, n.span + n.page, rw).ok());
    ASSERT_EQ(table.walk(n.span)->leaf_size, n.span);
    EXPECT_TRUE(stopped(unmap(table, n.span + n.page, n.span - n.page), Errc::would_split));
    EXPECT_TRUE(stopped(unmap(table, n.span, n.page), Errc::would_split));
    EXPECT_TRUE(stopped(unmap(table, n.span - n.page, n.span), Errc::would_split, n.page))
        << "what comes before is unmapped";
    EXPECT_EQ(table.walk(n.span)->leaf_size, n.span);
    EXPECT_TRUE(stopped(table.map(n.span + n.page, 0, n.page, rw), Errc::already_mapped));
    EXPECT_TRUE(stopped(table.map(n.span, 0, n.span, rw), Errc::already_mapped));
    EXPECT_TRUE(complete(unmap(table, n.span, n.span), n.span));
  });
}

TEST(Ranges, OutOfMemoryHalfWaySaysHowMuchWasDone) {
  for (const auto& config : formats()) {
    SCOPED_TRACE(testing::Message() << config);
    const Sizes n{config};
    if (8 * n.span > n.input) {
      continue; // one table has it all
    }
    const std::uint64_t from = n.span - 2 * n.page;
    const std::uint64_t size = 2 * n.span;
    bool complete_at_last = false;
    for (std::uint64_t nth = 1; !complete_at_last; ++nth) {
      ASSERT_LT(nth, 10U);
      Rig rig;
      const auto table = rig.table(config);
      rig.memory.fail(nth);
      const auto progress = table->map(from, n.page, size, rw); // out of step: pages, in three tables
      rig.memory.fail(0);
      for (std::uint64_t at = 0; at < size; at += n.page) {
        ASSERT_EQ(table->iova_to_phys(from + at).ok(), at < progress.done);
      }
      if (progress.done != 0) {
        EXPECT_TRUE(complete(unmap(*table, from, progress.done), progress.done));
      }
      complete_at_last = progress.ok();
      EXPECT_TRUE(progress.ok() ? nth > 3 && progress.done == size : progress.error() == Errc::no_memory);
    }
  }
}

TEST(Map, ATableBeyondTheOutputSizeIsNotInstalled) {
  // 4K of RAM below 2^32 for the root, the rest above it.
  Rig rig{{.size = 8 << 20, .bus_base = (1ULL << 32) - (4 << 20)}};
  auto table = rig.table({.output_bits = 32});
  std::uint64_t iova = 0;
  auto progress = table->map(iova, 0, 4 * kib, rw);
  while (progress.ok()) {
    iova += 2 * mib;
    ASSERT_LT(iova, 8 * gib);
    progress = table->map(iova, 0, 4 * kib, rw);
  }
  EXPECT_TRUE(stopped(progress, Errc::output_range));
}

} // namespace
} // namespace sluice::pagetable::test
