#include "rig.hpp"

namespace sluice::model::test {
namespace {

using namespace arch::cmd;

Knobs watching(unsigned after = 1) {
  Knobs knobs;
  knobs.watch_stale = true;
  knobs.stale_after_syncs = after;
  return knobs;
}

// Stream 1: stage 1 with ASID 1, va mapped and cached. Stream 2: nested with VMID 7. Stream 3: stage 2 with VMID 8.
struct StaleUseTest : testing::Test {
  explicit StaleUseTest(unsigned after = 1) : rig{Rig::with_substreams(), watching(after)} {
    first = rig.stage1_stream(1);
    rig.map(first.tree, va, pa, s1_rw);
    nested = rig.stage1_stream(2);
    nested_s2 = rig.stage2_tree();
    rig.map(nested_s2, 0, 0, s2_rw, 1);
    rig.map(nested_s2, ipa, pa, s2_rw);
    rig.map(nested.tree, va, ipa, s1_rw);
    rig.put_ste(2, rig.nested(rig.stage1_ste(nested.cd_at), rig.stage2_ste(nested_s2, 7)));
    second = rig.stage2_tree();
    rig.map(second, va, pa, s2_rw);
    rig.put_ste(3, rig.stage2_ste(second, 8));
    rig.run({cfgi_all(), tlbi_nsnh_all()});
    use_all();
  }
  void use(std::uint32_t sid) {
    std::uint64_t data = 0;
    rig.port->access({.stream_id = sid, .address = va, .size = 8}, &data);
  }
  void use_all() {
    for (const std::uint32_t sid : {1U, 2U, 3U}) {
      use(sid);
    }
  }
  // Used, and again after a CMD_SYNC that has nothing to do with it.
  std::vector<StaleUse> used_on(std::uint32_t sid) {
    use(sid);
    rig.run({});
    use(sid);
    return rig.smmu->stale_uses().latest;
  }
  StaleUse only(std::uint32_t sid) {
    const auto uses = used_on(sid);
    EXPECT_EQ(uses.size(), 1u);
    return uses.empty() ? StaleUse{} : uses[0];
  }

  static constexpr std::uint64_t va = 0x4000'3000, ipa = 0x5000'2000, pa = 0x10'0000, other_pa = 0x20'0000;
  Rig rig;
  Rig::Stage1Stream first, nested;
  Tree nested_s2, second;
};

TEST_F(StaleUseTest, WhatMemoryHoldsIsNone) { EXPECT_TRUE(used_on(1).empty()); }

TEST_F(StaleUseTest, APageThatMovedIsNamedWithItsCommand) {
  rig.map(first.tree, va, other_pa, s1_rw);
  const auto stale = only(1);
  EXPECT_EQ(stale.kind, StaleKind::translation);
  EXPECT_EQ(stale.stream_id, 1u);
  EXPECT_EQ(stale.address, va);
  EXPECT_EQ(stale.cached, pa);
  EXPECT_EQ(stale.memory, other_pa);
  EXPECT_EQ(stale.missing.get(Command::Opcode), arch::Opcode::CMD_TLBI_NH_VA);
  rig.run({stale.missing});
  EXPECT_EQ(rig.pa(1, va), other_pa) << "the command that was missing is enough";
}

TEST_F(StaleUseTest, AnUnmappedPageHasNoValueInMemory) {
  rig.ram.put(rig.slot(first.tree, va, 3), 0);
  EXPECT_EQ(only(1).memory, std::nullopt);
}

TEST_F(StaleUseTest, OfStage2ItNamesTheIPA) {
  rig.map(second, va, other_pa, s2_rw);
  const auto stale = only(3);
  EXPECT_EQ(stale.missing, tlbi_s2_ipa(8, va, true));
  rig.run({stale.missing});
  EXPECT_EQ(rig.pa(3, va), other_pa);
}

TEST_F(StaleUseTest, NestedItIsToldWhichStageChanged) {
  rig.map(nested_s2, ipa, other_pa, s2_rw);
  EXPECT_EQ(only(2).missing, tlbi_s2_ipa(7, ipa, true));
}

TEST_F(StaleUseTest, NestedAChangeOfStage1IsNamedByTheVA) {
  rig.map(nested.tree, va, ipa + 0x1000, s1_rw);
  rig.map(nested_s2, ipa + 0x1000, other_pa, s2_rw);
  EXPECT_EQ(only(2).missing.get(Command::Opcode), arch::Opcode::CMD_TLBI_NH_VA);
}

TEST_F(StaleUseTest, AnSTEThatChangedIsNamedWithItsWords) {
  const std::uint64_t before = rig.ram.get(rig.strtab + 64);
  rig.put_ste(1, Ste{});
  const auto stale = only(1);
  EXPECT_EQ(stale.kind, StaleKind::ste);
  EXPECT_EQ(stale.cached, before);
  EXPECT_EQ(stale.memory, 0u);
  EXPECT_EQ(stale.missing, cfgi_ste(1, true));
}

TEST_F(StaleUseTest, ACDThatChangedIsNamed) {
  rig.ram.put(first.cd_at + 24, rig.ram.get(first.cd_at + 24) ^ 0xff);
  const auto stale = only(1);
  EXPECT_EQ(stale.kind, StaleKind::cd);
  EXPECT_EQ(stale.missing, cfgi_cd(1, 0, true));
}

// Of two levels, only the upper one changes: 4.3.1, 4.3.4 without Leaf.
TEST_F(StaleUseTest, AnL1STDThatChangedIsNamed) {
  const auto l1 = rig.ram.alloc(64 * 8);
  const auto second_level = rig.ram.alloc(64 * 64), other = rig.ram.alloc(64 * 64);
  rig.w32<arch::CR0>(0);
  rig.w64<arch::STRTAB_BASE>(l1);
  rig.w32<arch::STRTAB_BASE_CFG>(1 << 16 | 6 << 6 | 12); // two levels, SPLIT 6, 2^12 StreamIDs
  rig.w32<arch::CR0>(0xd);
  rig.run({cfgi_all(), tlbi_nsnh_all()});
  rig.ram.put(l1 + 8, second_level | 7);
  for (const auto at : {second_level, other}) {
    rig.put(at + 64, rig.stage1_ste(first.cd_at));
  }
  use(65);
  rig.ram.put(l1 + 8, other | 7);
  const auto stale = only(65);
  EXPECT_EQ(stale.kind, StaleKind::l1std);
  EXPECT_EQ(stale.cached, second_level | 7);
  EXPECT_EQ(stale.memory, other | 7);
  EXPECT_EQ(stale.missing, cfgi_ste(65, false));
}

TEST_F(StaleUseTest, AnL1CDThatChangedIsNamed) {
  const auto l1 = rig.ram.alloc(64);
  const auto second_level = rig.ram.alloc(4096), other = rig.ram.alloc(4096);
  for (const auto at : {second_level, other}) {
    rig.put(at, rig.cd(first.tree));
  }
  rig.ram.put(l1, second_level | 1);
  rig.put_ste(4, rig.stage1_ste(l1)
                     .set(Ste::S1Fmt, arch::S1Format::two_level_4k)
                     .set(Ste::S1CDMax, 8)
                     .set(Ste::S1DSS, arch::S1Dss::cd0));
  use(4);
  rig.ram.put(l1, other | 1);
  const auto stale = only(4);
  EXPECT_EQ(stale.kind, StaleKind::l1cd);
  EXPECT_EQ(stale.cached, second_level | 1);
  EXPECT_EQ(stale.memory, other | 1);
  EXPECT_EQ(stale.missing, cfgi_cd(4, 0, false));
}

TEST_F(StaleUseTest, RightsThatWereGivenAreNotStale) {
  constexpr std::uint64_t no_execution = 3ULL << 53; // a page that EL0 may write is never executable at EL1
  rig.map(first.tree, va, pa, s1_ro | no_execution);
  rig.run({tlbi_nsnh_all()});
  use(1);
  rig.map(first.tree, va, pa, s1_rw | no_execution);
  EXPECT_TRUE(used_on(1).empty());
}

TEST_F(StaleUseTest, BeforeACMD_SYNCHasCompletedSoftwareMayStillBeAtIt) {
  rig.map(first.tree, va, other_pa, s1_rw);
  use(1);
  use(1);
  EXPECT_EQ(rig.smmu->stale_uses().count, 0u);
}

TEST_F(StaleUseTest, ACommandInTheQueueIsOutstanding) {
  rig.map(first.tree, va, other_pa, s1_rw);
  use(1);
  rig.run({});
  rig.w32<arch::CR0>(0x5); // the command queue stands still
  rig.submit(tlbi_nh_va(0, 1, va, true));
  use(1);
  EXPECT_EQ(rig.smmu->stale_uses().count, 0u);
  rig.w32<arch::CR0>(0xd);
  use(1);
  EXPECT_EQ(rig.pa(1, va), other_pa);
  EXPECT_EQ(rig.smmu->stale_uses().count, 0u);
}

TEST_F(StaleUseTest, AMissingCommandIsReportedOnce) {
  rig.map(first.tree, va, other_pa, s1_rw);
  EXPECT_EQ(used_on(1).size(), 1u);
  EXPECT_EQ(used_on(1).size(), 1u);
}

TEST_F(StaleUseTest, AfterTheInvalidationTheSameChangeCountsAnew) {
  rig.map(first.tree, va, other_pa, s1_rw);
  use(1);
  rig.run({tlbi_nh_va(0, 1, va, true)});
  use(1);
  rig.map(first.tree, va, pa, s1_rw);
  rig.run({tlbi_nh_va(0, 1, va, true)});
  use(1);
  rig.map(first.tree, va, other_pa, s1_rw);
  use(1);
  EXPECT_EQ(rig.smmu->stale_uses().count, 0u);
}

struct StrictStaleUseTest : StaleUseTest {
  StrictStaleUseTest() : StaleUseTest{0} {}
};

TEST_F(StrictStaleUseTest, WithoutGraceTheFirstUseCounts) {
  rig.map(first.tree, va, other_pa, s1_rw);
  use(1);
  EXPECT_EQ(rig.smmu->stale_uses().count, 1u);
}

// Whoever forgets an invalidation may have forgotten its CMD_SYNC.
struct StaleUseByTime : testing::Test {
  static Knobs knobs() {
    Knobs knobs = watching(1000);
    knobs.stale_after_us = 20'000;
    return knobs;
  }
  void use() {
    std::uint64_t data = 0;
    rig.port->access({.stream_id = 1, .address = va, .size = 8}, &data);
  }
  static constexpr std::uint64_t va = 0x4000'3000;
  Rig rig{Rig::with_substreams(), knobs()};
};

TEST_F(StaleUseByTime, CountsAfterItsTimeWithoutACmdSync) {
  const auto stream = rig.stage1_stream(1);
  rig.map(stream.tree, va, 0x10'0000, s1_rw);
  rig.run({cfgi_all(), tlbi_nsnh_all()});
  use();
  rig.map(stream.tree, va, 0x20'0000, s1_rw);
  const auto first = rig.time.now_ns();
  use();
  use();
  if (rig.time.now_ns() - first < 20'000'000) { // on a machine that is not that busy
    EXPECT_EQ(rig.smmu->stale_uses().count, 0u);
  }
  while (rig.time.now_ns() - first < 40'000'000) {
    rig.time.relax();
  }
  use();
  use();
  ASSERT_EQ(rig.smmu->stale_uses().count, 1u);
  EXPECT_EQ(rig.smmu->stale_uses().latest[0].missing.get(Command::Opcode), arch::Opcode::CMD_TLBI_NH_VA);
  EXPECT_TRUE(rig.smmu->stale_uses(1).latest.empty()) << "whoever has seen the first";
}

} // namespace
} // namespace sluice::model::test
