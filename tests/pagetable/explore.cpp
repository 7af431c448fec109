#include "two_threads.hpp"

#include <sluice/hosted/mmio_order.hpp>

// Overlapping work of two threads in many orders, one operation on memory at a time.
#if defined(SLUICE_EXPLORE)

namespace sluice::pagetable::test {
namespace {

using hosted::ExploreConfig;

constexpr ExploreConfig many{.seeds = 600};

struct TwoPagesOfOneNewTable final : TwoThreads {
  void thread(unsigned i) override { expect(map(i * 4 * kib, i * mib, 4 * kib).ok(), "both are mapped"); }
  void after() override {
    expect(table->iova_to_phys(0).ok() && table->iova_to_phys(4 * kib).ok(), "both stay mapped");
    expect(memory.counts().dma_blocks == 3, "the table that came second is freed");
    TwoThreads::after();
  }
};
TEST(PageTableExplore, TwoThreadsInstallOneTable) {
  const auto found = hosted::explore<TwoPagesOfOneNewTable>(many);
  EXPECT_FALSE(found.failed()) << found.report;
}

struct ABlockAndAPage final : TwoThreads {
  void thread(unsigned i) override { done[i] = i == 0 ? map(0, 0, 2 * mib) : map(4 * kib, 0, 4 * kib); }
  void after() override {
    const auto found = table->walk(4 * kib);
    if (done[1].ok()) {
      expect(found.ok() && found->leaf_size == 4 * kib, "the page stands, or a page in its place");
      expect(done[0].ok() || stopped(done[0], Errc::already_mapped, 4 * kib), "the block became pages");
    } else {
      expect(done[1].status == Errc::already_mapped && done[0].ok(), "one of the two is mapped");
      expect(found.ok(), "the block stands, or pages in its place");
    }
    TwoThreads::after();
  }
  base::Progress done[threads];
};
TEST(PageTableExplore, ABlockAndAPageInItsPlace) {
  const auto found = hosted::explore<ABlockAndAPage>(many);
  EXPECT_FALSE(found.failed()) << found.report;
}

struct ABlockUnmappedTwice final : TwoThreads {
  void before() override {
    TwoThreads::before();
    expect(map(0, 0, 2 * mib).ok(), "a block");
  }
  void thread(unsigned i) override {
    done[i] = unmap_and_release(0, 2 * mib);
    if (i == 1) {
      page = map(0, mib, 4 * kib);
    }
  }
  void after() override {
    expect(done[0].done != 0 || done[1].done != 0, "one of the two unmaps it");
    if (page.ok() && done[0].done != 4 * kib) {
      expect(table->iova_to_phys(0).value_or(0) == mib, "what was mapped after it stays");
    }
    TwoThreads::after();
  }
  base::Progress done[threads];
  base::Progress page;
};
TEST(PageTableExplore, TwoUnmapsOfABlockAndAMapAfterOneOfThem) {
  const auto found = hosted::explore<ABlockUnmappedTwice>(many);
  EXPECT_FALSE(found.failed()) << found.report;
}

struct ATableUnmappedUnderAMap final : TwoThreads {
  void before() override {
    TwoThreads::before();
    expect(map(0, 4 * kib, 2 * mib).ok(), "a table of pages");
  }
  void thread(unsigned i) override {
    if (i == 0) {
      unmapped = unmap_and_release(0, 2 * mib);
    } else {
      replaced = unmap_and_release(0, 4 * kib).ok() && map(0, mib, 4 * kib).ok();
    }
  }
  void after() override {
    expect(unmapped.ok() || unmapped.status == Errc::not_mapped, "all of it, or up to the hole");
    const auto first = table->iova_to_phys(0);
    expect(!first.ok() || (replaced && *first == mib), "what is left is what was mapped last");
    expect(!unmapped.ok() || !table->iova_to_phys(4 * kib).ok(), "what was unmapped is gone");
    TwoThreads::after();
  }
  base::Progress unmapped;
  bool replaced{};
};
TEST(PageTableExplore, AWholeTableIsUnmappedWhileAPageInItChanges) {
  const auto found = hosted::explore<ATableUnmappedUnderAMap>({.seeds = 100});
  EXPECT_FALSE(found.failed()) << found.report;
}

struct ADirtyPageUnmapped final : TwoThreads, DirtySink {
  void before() override {
    TwoThreads::before();
    expect(map(0, 0, 4 * kib).ok() && write_through(arena, *table, 0), "a dirty page");
  }
  void thread(unsigned i) override {
    if (i == 0) {
      expect(unmap_and_release(0, 4 * kib).ok(), "it is unmapped");
      return;
    }
    Gather gather;
    {
      const platform::ReadSection section{sync()};
      expect(table->read_dirty(0, 4 * kib, Clear::yes, *this, gather).ok(), "its mark is read");
    }
    table->release(gather);
  }
  void dirty(std::uint64_t iova, std::uint64_t size) override { expect(iova == 0 && size == 4 * kib, "one page"); }
  void after() override {
    expect(table->iova_to_phys(0) == Errc::not_mapped, "it does not come back");
    TwoThreads::after();
  }
};
TEST(PageTableExplore, ADirtyPageIsUnmappedWhileItsMarkIsCleared) {
  const auto found = hosted::explore<ADirtyPageUnmapped>(many);
  EXPECT_FALSE(found.failed()) << found.report;
}

// The SMMU is told by a doorbell, in the same thread, and finds what was mapped.
struct ADoorbellAfterMap final : TwoThreads {
  void before() override {
    TwoThreads::before();
    dma(*arena.at(arena.bus_base(), arena.size()), arena.size());
  }
  void thread(unsigned i) override {
    const std::uint64_t iova = i * 4 * kib;
    expect(map(iova, mib, 4 * kib).ok(), "mapped");
    hosted::mmio_store([&, iova] { expect(Walker(arena, *table).walk(iova).has_value(), "the SMMU finds it"); });
    hosted::mmio_settle();
  }
};
TEST(PageTableExplore, TheSmmuFindsWhatWasMappedBeforeADoorbell) {
  const auto found = hosted::explore<ADoorbellAfterMap>(many);
  EXPECT_FALSE(found.failed()) << found.report;
}

// Likewise, it finds nothing where it was unmapped.
struct ADoorbellAfterUnmap final : TwoThreads {
  void before() override {
    TwoThreads::before();
    expect(map(0, mib, 2 * 4 * kib).ok(), "mapped");
    dma(*arena.at(arena.bus_base(), arena.size()), arena.size());
  }
  void thread(unsigned i) override {
    const std::uint64_t iova = i * 4 * kib;
    expect(unmap_and_release(iova, 4 * kib).ok(), "unmapped");
    hosted::mmio_store([&, iova] { expect(!Walker(arena, *table).walk(iova).has_value(), "nothing is there"); });
    hosted::mmio_settle();
  }
};
TEST(PageTableExplore, TheSmmuFindsNothingWhereItWasUnmappedBeforeADoorbell) {
  const auto found = hosted::explore<ADoorbellAfterUnmap>(many);
  EXPECT_FALSE(found.failed()) << found.report;
}

} // namespace
} // namespace sluice::pagetable::test

#endif
