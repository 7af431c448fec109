#include "two_threads.hpp"

// Leaves change their size while hardware marks them and other threads work beside.
#if defined(SLUICE_EXPLORE)

namespace sluice::pagetable::test {
namespace {

constexpr hosted::ExploreConfig some{.seeds = 200};
constexpr std::uint64_t block_size = 2 * mib;

struct OneBlock : TwoThreads {
  void before() override {
    make_table({.input_bits = 39, .dirty = true, .resizes = true});
    expect(map(0, block_size, block_size).ok(), "a block");
  }
  // Which pages are dirty, of the first two.
  unsigned dirty_pages() { return (table->walk(0)->dirty ? 1U : 0U) | (table->walk(4 * kib)->dirty ? 2U : 0U); }
};

struct ASplitUnderAWrite final : OneBlock {
  void thread(unsigned i) override {
    if (i == 0) {
      Gather gather;
      {
        const platform::ReadSection section{sync()};
        expect(table->split(0, 4 * kib, gather).ok(), "it is split");
      }
      table->release(gather);
      return;
    }
    for (unsigned attempt = 0; attempt < 4 && !written; ++attempt) { // 3.13: the descriptor was another, walk again
      written = write_through(arena, *table, 4 * kib);
    }
  }
  void after() override {
    expect(written, "nothing stops the write");
    expect(table->walk(0)->leaf_size == 4 * kib, "pages");
    expect((dirty_pages() & 2) != 0, "what hardware has marked is marked");
    TwoThreads::after();
  }
  bool written{};
};
TEST(PageTableExplore, ASplitTakesOverWhatHardwareMarksMeanwhile) {
  const auto found = hosted::explore<ASplitUnderAWrite>(some);
  EXPECT_FALSE(found.failed()) << found.report;
}

struct TwoCuts final : OneBlock {
  void thread(unsigned i) override {
    const std::uint64_t iova = i * 4 * kib;
    expect(complete(unmap_and_release(iova, 4 * kib), 4 * kib), "each cuts its page out");
    expect(map(iova, mib, 4 * kib).ok(), "and maps another there");
  }
  void after() override {
    expect(table->iova_to_phys(0).value_or(0) == mib && table->iova_to_phys(4 * kib).value_or(0) == mib, "both stay");
    expect(table->iova_to_phys(8 * kib).value_or(0) == block_size + 8 * kib, "and so does the rest");
    sync().reclaim();
    expect(memory.counts().dma_blocks == 3, "the table that came second is freed");
    TwoThreads::after();
  }
};
TEST(PageTableExplore, TwoThreadsCutPagesOutOfOneBlock) {
  const auto found = hosted::explore<TwoCuts>(some);
  EXPECT_FALSE(found.failed()) << found.report;
}

struct ACutAndAnUnmapOfTheBlock final : OneBlock {
  void thread(unsigned i) override {
    done[i] = i == 0 ? unmap_and_release(0, block_size) : unmap_and_release(4 * kib, 4 * kib);
  }
  void after() override {
    expect(done[0].ok() || stopped(done[0], Errc::not_mapped, 4 * kib), "all of it, or up to the hole");
    expect(!table->iova_to_phys(4 * kib).ok(), "what both have unmapped is gone");
    TwoThreads::after();
  }
  base::Progress done[threads];
};
TEST(PageTableExplore, ACutBesideAnUnmapOfTheWholeBlock) {
  const auto found = hosted::explore<ACutAndAnUnmapOfTheBlock>(some);
  EXPECT_FALSE(found.failed()) << found.report;
}

// The table that another thread has put there is found before it reached memory that is not coherent; or a merge
// replaces a table in which a page is being unmapped.
struct AMerge : OneBlock {
  void before() override {
    OneBlock::before();
    Gather gather;
    expect(table->split(0, 4 * kib, gather).ok(), "a table of pages");
    table->release(gather);
  }
  void merge() {
    Gather gather;
    merged = table->merge(0, block_size, 2, gather).ok() && !gather.empty();
    table->release(gather);
  }
  bool merged{};
};

struct AMergeUnderAnUnmap final : AMerge {
  void thread(unsigned i) override {
    if (i == 0) {
      return merge();
    }
    expect(complete(unmap_and_release(4 * kib, 4 * kib), 4 * kib), "a page goes");
    unmapped = !table->iova_to_phys(4 * kib).ok();
  }
  void after() override {
    expect(unmapped && !table->iova_to_phys(4 * kib).ok(), "it does not come back");
    expect(table->iova_to_phys(0).value_or(0) == block_size, "the rest stays");
    TwoThreads::after();
  }
  bool unmapped{};
};
TEST(PageTableExplore, AMergeBringsNothingBackThatIsUnmappedMeanwhile) {
  const auto found = hosted::explore<AMergeUnderAnUnmap>(some);
  EXPECT_FALSE(found.failed()) << found.report;
}

struct AMergeUnderAWrite final : AMerge {
  void thread(unsigned i) override {
    if (i == 0) {
      return merge();
    }
    for (unsigned attempt = 0; attempt < 4 && !written; ++attempt) {
      written = write_through(arena, *table, 4 * kib);
    }
  }
  void after() override {
    expect(merged, "nobody is in its way");
    expect(written, "nothing stops the write");
    expect((dirty_pages() & 2) != 0, "a mark is not lost");
    TwoThreads::after();
  }
  bool written{};
};
TEST(PageTableExplore, AMergeLosesNoMarkThatHardwareSetsMeanwhile) {
  const auto found = hosted::explore<AMergeUnderAWrite>(some);
  EXPECT_FALSE(found.failed()) << found.report;
}

struct AMergeUnderAMap final : AMerge {
  void before() override {
    AMerge::before();
    expect(unmap_and_release(4 * kib, 4 * kib).ok(), "a hole");
  }
  void thread(unsigned i) override {
    if (i == 0) {
      return merge();
    }
    expect(map(4 * kib, block_size + 4 * kib, 4 * kib).ok(), "it is filled");
  }
  void after() override {
    expect(table->iova_to_phys(4 * kib).value_or(0) == block_size + 4 * kib, "it is mapped");
    TwoThreads::after();
  }
};
TEST(PageTableExplore, AMergeBesideAMapThatFillsTheHole) {
  const auto found = hosted::explore<AMergeUnderAMap>(some);
  EXPECT_FALSE(found.failed()) << found.report;
}

} // namespace
} // namespace sluice::pagetable::test

#endif
