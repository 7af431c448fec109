#include "stalls.hpp"

// 5.5, 3.12: which faults stall, and what IDR0.STALL_MODEL and TERM_MODEL make of it; 7.3.1 merging.
namespace sluice::model::test {
namespace {

TEST_F(Stalls, EachOfTheFourTranslationFaultsStalls) {
  rig.map(stream.tree, 0x2000, page, s1_rw & ~(1ULL << 10));
  EXPECT_EQ(read(0x2000).event, EventType::F_ACCESS);
  rig.map(stream.tree, 0x3000, page, s1_ro);
  EXPECT_EQ(rig.write(1, 0x3000).event, EventType::F_PERMISSION);
  change_cd([](Cd& cd) { cd.set(Cd::IPS, arch::AddressSize::bits32); });
  rig.map(stream.tree, 0x4000, 1ULL << 33, s1_rw);
  EXPECT_EQ(read(0x4000).event, EventType::F_ADDR_SIZE);
  for (const auto& e : rig.events()) {
    EXPECT_EQ(e.get(Event::Stall), 1U);
  }
  EXPECT_EQ(rig.port->counters().stalls, 3U);
}

TEST_F(Stalls, APermissionFaultFromTheTLBStallsToo) {
  rig.map(stream.tree, 0x3000, page, s1_ro);
  EXPECT_TRUE(read(0x3000).served());
  EXPECT_EQ(rig.write(1, 0x3000).kind, Kind::stalled);
}

TEST_F(Stalls, ConfigurationFaultsAndWalkAbortsTerminate) {
  EXPECT_EQ(rig.read(2, 0x1000).kind, Kind::aborted); // C_BAD_STE
  rig.ram.plant(rig.slot(stream.tree, 0x5000, 3));
  const auto o = read(0x5000);
  EXPECT_EQ(o.event, EventType::F_WALK_EABT);
  EXPECT_EQ(o.kind, Kind::aborted);
}

TEST_F(Stalls, F_ADDR_SIZEOfAStage1BypassTerminates) {
  rig.put_ste(3, rig.bypass_ste());
  EXPECT_EQ(rig.read(3, 1ULL << 50).kind, Kind::aborted);
}

TEST_F(Stalls, S2SStallsWithTheIPA) {
  const auto t = rig.stage2_tree();
  rig.put_ste(3, rig.stage2_ste(t).set(Ste::S2S, 1).set(Ste::S2R, 0));
  const auto o = rig.read(3, 0x7123);
  EXPECT_EQ(o.kind, Kind::stalled);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::S2), 1U);
  EXPECT_EQ(e.get(Event::Stall), 1U);
  EXPECT_EQ(e.get(Event::IPA), 0x7000U);
  rig.map(t, 0x7000, page, s2_rw);
  rig.run({resume_retry(3, stag(e))});
  EXPECT_TRUE(rig.port->follow_up(o.stall, &value).served());
}

TEST_F(Stalls, S1STALLDMakesACDWithSIllegal) {
  rig.put_ste(1, rig.stage1_ste(stream.cd_at).set(Ste::S1STALLD, 1));
  rig.run({arch::cmd::cfgi_ste(1, true)});
  EXPECT_EQ(read().event, EventType::C_BAD_CD);
  change_cd([](Cd& cd) { cd.set(Cd::S, 0).set(Cd::R, 1); });
  EXPECT_EQ(read().kind, Kind::aborted);
}

TEST_F(Stalls, APieceOfATransferCanStall) {
  std::vector<unsigned char> data(0x2000, 0x5a);
  const auto t = rig.port->transfer({1, {}, 0x5000, 0, true, false, false}, data.data(), 0x2000);
  EXPECT_EQ(t.done, 0x1000U);
  EXPECT_EQ(t.outcome.kind, Kind::stalled);
  const auto next = rig.ram.alloc(4096);
  rig.map(stream.tree, 0x6000, next, s1_rw);
  rig.run({resume_retry(1, stag(rig.event()))});
  EXPECT_TRUE(rig.port->follow_up(t.outcome.stall, data.data() + t.done).served());
  EXPECT_EQ(rig.ram.get(next + 0xff8), 0x5a5a5a5a5a5a5a5aU);
}

TEST_F(Stalls, ATranslationForToolsSaysSoAndRecordsNothing) {
  EXPECT_EQ(rig.port->translate({1, {}, 0x1000, 1, false, false, false}).outcome.kind, Kind::stalled);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(Stalls, InABurstToo) {
  Port::Burst burst{*rig.port};
  const auto o = burst.access({1, {}, 0x1000, 8, false, false, false}, &value);
  ASSERT_EQ(o.kind, Kind::stalled);
  rig.map(stream.tree, 0x1000, page, s1_rw);
  rig.submit(resume_retry(1, stag(rig.event())));
  EXPECT_TRUE(burst.follow_up(o.stall, &value).served());
}

struct StallsForced : Stalls {
  StallsForced() : Stalls(stalling(4, 2)) {}
};
TEST_F(StallsForced, ACDWithoutSIsIllegal) {
  EXPECT_EQ(read().kind, Kind::stalled);
  change_cd([](Cd& cd) { cd.set(Cd::S, 0); });
  EXPECT_EQ(read().event, EventType::C_BAD_CD);
}
TEST_F(StallsForced, AStage2WithoutS2SIsIllegal) {
  const auto t = rig.stage2_tree();
  rig.put_ste(3, rig.stage2_ste(t));
  EXPECT_EQ(rig.read(3, 0x1000).event, EventType::C_BAD_STE);
}
TEST_F(StallsForced, S1STALLDIsIllegal) {
  rig.put_ste(3, rig.stage1_ste(stream.cd_at).set(Ste::S1STALLD, 1));
  EXPECT_EQ(rig.read(3, 0x1000).event, EventType::C_BAD_STE);
}

struct StallsAbort : Stalls {
  static Features features() {
    auto f = stalling();
    f.terminate_only_abort = true;
    return f;
  }
  StallsAbort() : Stalls(features()) {}
};
TEST_F(StallsAbort, WithTERM_MODELAnAnswerOfRAZWIAborts) {
  Outcome o;
  rig.run({resume_terminate(1, stalled(o), false)});
  EXPECT_EQ(follow_up(o).kind, Kind::aborted);
}

// 7.3.1
struct Merging : Stalls {
  static Knobs knobs(bool merge) {
    Knobs k;
    k.merge_events = merge;
    return k;
  }
  explicit Merging(bool merge = true) : Stalls(stalling(), knobs(merge)) {
    change_cd([](Cd& cd) { cd.set(Cd::S, 0).set(Cd::R, 1); });
    set_mev(1);
  }
  void set_mev(unsigned mev) {
    rig.put_ste(1, rig.stage1_ste(stream.cd_at).set(Ste::MEV, mev));
    rig.run({arch::cmd::cfgi_ste(1, true)});
  }
  std::size_t events_of(std::initializer_list<std::uint64_t> addresses) {
    for (const auto a : addresses) {
      read(a);
    }
    return rig.events().size();
  }
};
struct MergingOff : Merging {
  MergingOff() : Merging(false) {}
};

TEST_F(Merging, AnEventOfTheSamePageAsTheLatestIsMerged) {
  EXPECT_EQ(events_of({0x1000, 0x1008, 0x1ff0}), 1U);
  EXPECT_EQ(rig.smmu->counters().events_merged, 2U);
}
TEST_F(Merging, AnotherPageAnotherDirectionOrOneBetweenIsNot) {
  EXPECT_EQ(events_of({0x1000, 0x2000, 0x1000}), 3U);
  read(0x1000);
  rig.write(1, 0x1000);
  EXPECT_EQ(rig.events().size(), 2U);
}
TEST_F(Merging, WhatSoftwareHasConsumedTakesNoMore) {
  EXPECT_EQ(events_of({0x1000}), 1U);
  EXPECT_EQ(events_of({0x1000}), 1U);
}
TEST_F(Merging, MEV0Forbids) {
  set_mev(0);
  EXPECT_EQ(events_of({0x1000, 0x1000}), 2U);
}
TEST_F(Merging, C_BAD_STEIsMergedWhateverItsSTESays) {
  rig.read(2, 0x1000);
  rig.read(2, 0x9000);
  EXPECT_EQ(rig.events().size(), 1U);
}
TEST_F(Merging, AStallIsNeverMerged) {
  change_cd([](Cd&) {});
  EXPECT_EQ(events_of({0x1000, 0x1000}), 2U);
}
TEST_F(MergingOff, NothingIsMerged) { EXPECT_EQ(events_of({0x1000, 0x1000}), 2U); }

} // namespace
} // namespace sluice::model::test
