#include "rig.hpp"

// 4.2: hints that fill caches, and never say that something is wrong.
namespace sluice::model::test {
namespace {

using namespace arch::cmd;

struct Prefetch : testing::Test {
  explicit Prefetch(const Features& f = Rig::with_substreams()) : rig{f} {
    stream = rig.stage1_stream(1);
    for (std::uint64_t va = 0; va < 0x8000; va += 0x1000) {
      rig.map(stream.tree, va, page + va, s1_rw);
    }
  }
  void run(const Command& c) {
    rig.run({c});
    rig.port->audit(); // the port is there, and has nothing to do
    EXPECT_TRUE(rig.events().empty());
    EXPECT_EQ(rig.command_error(), arch::Cerror::NONE);
  }
  std::uint64_t config_reads() { return rig.port->counters().config_reads; }
  std::uint64_t walks() { return rig.port->counters().walks; }

  static constexpr std::uint64_t page = 0x10'0000;
  Rig rig;
  Rig::Stage1Stream stream;
};

TEST_F(Prefetch, CONFIGFetchesSTEAndCDAndNoTable) {
  run(prefetch_config(1));
  EXPECT_EQ(config_reads(), 16U);
  EXPECT_EQ(walks(), 0U);
  EXPECT_EQ(rig.pa(1, 0x1000), page + 0x1000);
  EXPECT_EQ(config_reads(), 16U) << "it was cached";
}

TEST_F(Prefetch, WhatWasPrefetchedIsStaleUntilItsCFGI) {
  run(prefetch_config(1));
  rig.put_ste(1, rig.bypass_ste());
  EXPECT_EQ(rig.pa(1, 0x1000), page + 0x1000);
  rig.run({cfgi_ste(1, true)});
  EXPECT_EQ(rig.pa(1, 0x1000), 0x1000U);
}

// Found by fuzz/model.cpp: a port that was offline took the hint after the CMD_SYNC, by way of the old STE and CD.
TEST_F(Prefetch, AHintBeforeAnInvalidationFetchesNothingByWayOfWhatThatHasInvalidated) {
  EXPECT_EQ(rig.pa(1, 0x1000), page + 0x1000);
  const auto walked = walks();
  rig.run({prefetch_addr(1, 0x3000), cfgi_all(), tlbi_nsnh_all()});
  rig.port->audit();
  EXPECT_EQ(walks(), walked);
}

TEST_F(Prefetch, AnInvalidSTEIsCachedWithoutAnEvent) {
  rig.put_ste(2, Ste{});
  run(prefetch_config(2));
  rig.put_ste(2, rig.bypass_ste());
  EXPECT_FALSE(rig.pa(2, 0x1000));
  rig.run({cfgi_ste(2, true)});
  EXPECT_EQ(rig.pa(2, 0x1000), 0x1000U);
}

TEST_F(Prefetch, ThePointersOfAnInvalidSTEAreNotFollowed) {
  rig.put_ste(2, rig.stage1_ste(stream.cd_at).set(Ste::V, 0));
  run(prefetch_addr(2, 0x1000));
  EXPECT_EQ(config_reads(), 8U);
}

TEST_F(Prefetch, ADDRFillsTheTLB) {
  run(prefetch_addr(1, 0x1000));
  const auto before = walks();
  EXPECT_GT(before, 0U);
  rig.map(stream.tree, 0x1000, 0x30'0000, s1_rw);
  EXPECT_EQ(rig.pa(1, 0x1000), page + 0x1000);
  EXPECT_EQ(walks(), before);
}

TEST_F(Prefetch, ADDRGoesByStrideAndSize) {
  run(prefetch_addr(1, 0).with(Command::PrefetchSize, 2).with(Command::Stride, 1)); // 0, 2, 4, 6
  for (std::uint64_t va = 0; va < 0x8000; va += 0x1000) {
    rig.map(stream.tree, va, 0x30'0000 + va, s1_rw);
  }
  for (std::uint64_t n = 0; n < 8; ++n) {
    EXPECT_EQ(rig.pa(1, n * 0x1000), (n % 2 == 0 ? page : 0x30'0000) + n * 0x1000) << n;
  }
}

TEST_F(Prefetch, ADDROfAnyLengthEndsSoon) {
  run(prefetch_addr(1, 0).with(Command::PrefetchSize, 31));
  EXPECT_LT(walks(), 2000U);
}

TEST_F(Prefetch, ADDRLeavesWhatIsCached) {
  EXPECT_EQ(rig.pa(1, 0x1000), page + 0x1000);
  rig.map(stream.tree, 0x1000, 0x30'0000, s1_rw);
  run(prefetch_addr(1, 0x1000));
  EXPECT_EQ(rig.pa(1, 0x1000), page + 0x1000);
}

TEST_F(Prefetch, WhatIsOutOfRangeOrUnmappedOrAbortsIsSilent) {
  run(prefetch_config(0xffff'ffff));
  run(prefetch_config(1, 5));
  run(prefetch_addr(1, 0x7777'0000'0000));
  run(prefetch_addr(1, 0x9000));
  rig.put_ste(2, rig.bypass_ste());
  run(prefetch_addr(2, ~0ULL));
  rig.ram.plant(rig.strtab + 3 * 64ULL);
  run(prefetch_config(3));
  rig.ram.plant(stream.tree.root);
  rig.run({tlbi_nsnh_all()});
  run(prefetch_addr(1, 0x2000));
}

TEST_F(Prefetch, WhileSMMUENIs0NothingIsFetched) {
  rig.w32<arch::CR0>(0xc);
  run(prefetch_addr(1, 0x1000));
  EXPECT_EQ(config_reads(), 0U);
  rig.w32<arch::CR0>(0xd);
  rig.port->audit();
  EXPECT_EQ(config_reads(), 0U) << "nor afterwards";
}

TEST_F(Prefetch, ATLBIThatFollowsTakesWhatWasPrefetched) {
  rig.submit(prefetch_addr(1, 0x1000));
  rig.run({tlbi_nh_all(0)});
  rig.map(stream.tree, 0x1000, 0x30'0000, s1_rw);
  EXPECT_EQ(rig.pa(1, 0x1000), 0x30'0000U);
}

struct PrefetchHttu : Prefetch {
  static Features with_httu() {
    auto f = Rig::with_substreams();
    f.httu = 2;
    return f;
  }
  PrefetchHttu() : Prefetch{with_httu()} {}
};

TEST_F(PrefetchHttu, ADDRSetsTheAccessFlagAndNotTheDirtyState) {
  constexpr std::uint64_t af = 1ULL << 10, dbm = 1ULL << 51;
  rig.put(stream.cd_at, rig.cd(stream.tree).set(Cd::HA, 1).set(Cd::HD, 1));
  const auto at = rig.map(stream.tree, 0x1000, page, (s1_ro | dbm) & ~af);
  run(prefetch_addr(1, 0x1000));
  EXPECT_EQ(rig.ram.get(at) & (af | 1ULL << 7), af | 1ULL << 7);
}

TEST_F(PrefetchHttu, CONFIGSetsTheAccessFlagOfTheStage2PageOfTheCD) {
  constexpr std::uint64_t af = 1ULL << 10;
  const auto s2 = rig.stage2_tree();
  const auto at = rig.map(s2, stream.cd_at & ~0xfffULL, stream.cd_at & ~0xfffULL, s2_rw & ~af);
  rig.put_ste(2, rig.nested(rig.stage1_ste(stream.cd_at), rig.stage2_ste(s2).set(Ste::S2HA, 1)));
  run(prefetch_config(2));
  EXPECT_EQ(rig.ram.get(at) & af, af);
}

} // namespace
} // namespace sluice::model::test
