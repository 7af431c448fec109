#include "rig.hpp"

#include <sluice/hosted/random.hpp>

#include <atomic>
#include <barrier>
#include <thread>

// Several threads on one table.
namespace sluice::pagetable::test {
namespace {

using hosted::Random;

template <class Body>
void run(unsigned count, Body body) {
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < count; ++i) {
    threads.emplace_back([body, i] { body(i); });
  }
}

TEST(PageTableThreads, DisjointRangesDoNotNoticeEachOther) {
  Rig rig;
  auto table = rig.table({});
  run(3, [&](unsigned me) {
    Random random{me + 1};
    // Neighbours share every table, down to that of pages.
    const std::uint64_t base = gib + me * (3 * mib + 4 * kib);
    for (unsigned i = 0; i < 400; ++i) {
      const std::uint64_t from = base + random.next() % 512 * 4 * kib;
      const std::uint64_t size = (1 + random.next() % 256) * 4 * kib;
      ASSERT_TRUE(complete(table->map(from, from + 4 * kib, size, rw), size));
      ASSERT_EQ(table->iova_to_phys(from + size - 1).value_or(0), from + size + 4 * kib - 1);
      ASSERT_TRUE(complete(unmap(*table, from, size), size));
      ASSERT_FALSE(table->iova_to_phys(from).ok());
    }
  });
}

TEST(PageTableThreads, TablesComeAndGoBesideEachOther) {
  Rig rig;
  auto table = rig.table({});
  run(3, [&](unsigned me) {
    const std::uint64_t from = gib + me * 2 * mib;
    for (unsigned i = 0; i < 100; ++i) {
      const std::uint64_t off = i % 2 == 0 ? 4 * kib : 0; // pages, and then a block
      ASSERT_TRUE(complete(table->map(from, from + off, 2 * mib, rw), 2 * mib));
      ASSERT_EQ(table->iova_to_phys(from).value_or(0), from + off);
      ASSERT_TRUE(complete(unmap(*table, from, 2 * mib), 2 * mib));
    }
  });
  rig.sync.reclaim();
  EXPECT_EQ(rig.tables_live(), 3U);
}

TEST(PageTableThreads, OneOfThoseWhoInstallATableWinsAndNobodyLosesAPage) {
  Rig rig;
  constexpr unsigned threads = 3;
  for (unsigned round = 0; round < 60; ++round) {
    auto table = rig.table({});
    std::barrier start{threads};
    run(threads, [&](unsigned me) {
      start.arrive_and_wait();
      ASSERT_TRUE(table->map(me * 4 * kib, me * mib, 4 * kib, rw).ok());
    });
    for (unsigned i = 0; i < threads; ++i) {
      EXPECT_EQ(table->iova_to_phys(i * 4 * kib).value_or(~0ULL), i * mib);
    }
    EXPECT_EQ(rig.tables_live(), 4U);
  }
}

// Rules of use are broken here: three threads map and unmap the same range, in pages, blocks and whole tables. Each
// answer must be one that some order could give, and no table may be lost or used after it was freed.
TEST(PageTableThreads, OverlappingRangesGiveErrorsAndNoHarm) {
  for (const bool coherent : {true, false}) {
    Rig rig{{.coherent = coherent}};
    auto table = rig.table({.input_bits = 39});
    constexpr std::uint64_t base = gib;
    constexpr std::uint64_t room = 6 * mib;
    run(3, [&](unsigned me) {
      Random random{me + 7};
      for (unsigned i = 0; i < 700; ++i) {
        const std::uint64_t from =
            base + random.next() % 3 * 2 * mib + (random.next() % 2) * (random.next() % 512) * 4 * kib;
        const std::uint64_t size =
            std::min(base + room - from, random.next() % 2 == 0 ? 2 * mib : (1 + random.next() % 64) * 4 * kib);
        const std::uint64_t pa = (me + 1) * (1ULL << 40) + from + (random.next() % 2) * (1ULL << 39);
        base::Progress progress;
        Gather gather;
        const bool maps = random.next() % 2 == 0;
        {
          const platform::ReadSection section{rig.sync};
          progress = maps ? table->map(from, pa, size, rw) : table->unmap(from, size, gather);
          const auto found = table->iova_to_phys(from + 8);
          ASSERT_TRUE(!found.ok() || (*found & ((1ULL << 39) - 1)) == from + 8);
        }
        table->release(gather);
        ASSERT_LE(progress.done, size);
        if (!progress.ok()) {
          ASSERT_TRUE(maps ? progress.status == Errc::already_mapped
                           : progress.status == Errc::not_mapped || progress.status == Errc::would_split);
        }
      }
    });
    const Walker walker{rig.arena, *table};
    for (std::uint64_t at = base; at < base + room;) {
      const auto leaf = walker.walk(at);
      if (leaf) {
        ASSERT_EQ(leaf->pa & ((1ULL << 39) - 1), at);
        ASSERT_TRUE(complete(unmap(*table, at, leaf->leaf_size), leaf->leaf_size));
      }
      at += leaf ? leaf->leaf_size : 4 * kib;
    }
    ASSERT_TRUE(complete(table->map(base, 4 * kib, room, rw), room)) << "nothing is left there";
    ASSERT_TRUE(complete(unmap(*table, base, room), room));
    rig.sync.reclaim();
    EXPECT_EQ(rig.tables_live(), 2U);
  }
}

TEST(PageTableThreads, AReaderFindsTheMappingOrNothing) {
  Rig rig;
  auto table = rig.table({});
  std::atomic<bool> stop{false};
  std::atomic<unsigned> finds{0};
  run(3, [&](unsigned me) {
    if (me == 0) {
      for (unsigned i = 0; i < 300; ++i) {
        ASSERT_TRUE(table->map(2 * mib, 4 * kib, 2 * mib, rw).ok());
        for (unsigned turns = 0; i == 0 && finds == 0 && turns < 10'000'000; ++turns) {
          std::this_thread::yield();
        }
        ASSERT_TRUE(unmap(*table, 2 * mib, 2 * mib).ok());
      }
      stop = true;
      return;
    }
    while (!stop) {
      const platform::ReadSection section{rig.sync};
      const auto found = table->iova_to_phys(3 * mib);
      ASSERT_TRUE(found.ok() ? *found == mib + 4 * kib : found.error() == Errc::not_mapped);
      finds += found.ok() ? 1 : 0;
    }
  });
  EXPECT_GT(finds, 0U);
}

TEST(PageTableThreads, NoDirtyMarkIsLost) {
  Rig rig;
  auto table = rig.table({.dirty = true});
  constexpr std::uint64_t pages = 64;
  ASSERT_TRUE(table->map(0, 0, pages * 4 * kib, rw).ok());
  std::array<std::atomic<unsigned>, pages> written{};
  struct Sink final : DirtySink {
    void dirty(std::uint64_t iova, std::uint64_t size) override {
      for (std::uint64_t i = iova / (4 * kib); i < (iova + size) / (4 * kib); ++i) {
        ++seen[i];
      }
    }
    std::array<unsigned, pages> seen{};
  } sink;
  std::atomic<bool> stop{false};
  run(2, [&](unsigned me) {
    if (me == 0) { // the SMMU
      Random random{3};
      for (unsigned i = 0; i < 20'000; ++i) {
        const auto page = random.next() % pages;
        if (!table->walk(page * 4 * kib)->dirty) { // nobody else makes it dirty
          ASSERT_TRUE(write_through(rig.arena, *table, page * 4 * kib));
          ++written[page];
        }
      }
      stop = true;
      return;
    }
    for (bool last = false; !last;) {
      last = stop;
      Gather gather;
      ASSERT_TRUE(table->read_dirty(0, pages * 4 * kib, Clear::yes, sink, gather).ok());
      table->release(gather);
    }
  });
  for (std::uint64_t i = 0; i < pages; ++i) {
    EXPECT_EQ(sink.seen[i], written[i]);
  }
}

// What page_table.hpp promises of maps of one page that do not exclude each other: one of them stays.
TEST(PageTableThreads, OfTwoMapsOfOnePageOneStaysAndOneUnmapRemovesIt) {
  Rig rig;
  auto table = rig.table({});
  for (unsigned round = 0; round < 200; ++round) {
    std::barrier start{2};
    std::atomic<unsigned> done{0};
    run(2, [&](unsigned me) {
      start.arrive_and_wait();
      const platform::ReadSection section{rig.sync};
      const auto mapped = table->map(gib, (1 + me) * mib, 4 * kib, rw);
      EXPECT_TRUE(mapped.ok() || mapped.error() == Errc::already_mapped);
      done += mapped.ok() ? 1 : 0;
    });
    EXPECT_GE(done, 1U);
    const auto there = table->iova_to_phys(gib);
    ASSERT_TRUE(there.ok());
    EXPECT_TRUE(*there == mib || *there == 2 * mib);
    EXPECT_TRUE(complete(unmap(*table, gib, 4 * kib), 4 * kib));
    EXPECT_TRUE(stopped(unmap(*table, gib, 4 * kib), Errc::not_mapped));
  }
}

} // namespace
} // namespace sluice::pagetable::test
