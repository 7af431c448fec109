#include "rig.hpp"

// 3.12.2, 4.7.1, 4.7.2, 5.5: transactions that wait for software.
namespace sluice::model::test {
namespace {

using Kind = Outcome::Kind;
using arch::cmd::resume_retry;
using arch::cmd::resume_terminate;
using arch::cmd::stall_term;

Features stalling(unsigned most = 4, unsigned model = 0) {
  auto f = Rig::with_substreams();
  f.stall_model = model;
  f.stall_max = most;
  return f;
}

// Stream 1 stalls at stage 1: nothing is mapped but 0x5000.
struct Stalls : testing::Test {
  Stalls() : Stalls(stalling(), {}) {}
  explicit Stalls(const Features& f, const Knobs& k = {}) : rig{f, k}, stream{rig.stage1_stream(1)} {
    change_cd([](Cd&) {});
    page = rig.ram.alloc(4096);
    rig.ram.put(page, 0x77);
    rig.map(stream.tree, 0x5000, page, s1_rw);
  }
  void change_cd(auto change) {
    Cd cd = rig.cd(stream.tree).set(Cd::S, 1).set(Cd::R, 0);
    change(cd);
    rig.put(stream.cd_at, cd);
    rig.run({arch::cmd::cfgi_cd(1, 0, true)});
  }
  Outcome read(std::uint64_t address = 0x1000) { return rig.read(1, address, &value); }
  Outcome follow_up(const Outcome& o) { return rig.port->follow_up(o.stall, &value); }
  std::uint16_t stag(const Event& e) { return static_cast<std::uint16_t>(e.get(Event::STAG)); }
  // Stalls, and says with which STAG.
  std::uint16_t stalled(Outcome& o, std::uint64_t address = 0x1000) {
    o = read(address);
    EXPECT_EQ(o.kind, Kind::stalled);
    return stag(rig.event());
  }
  void fill_queue() {
    for (unsigned i = 0; i < 32; ++i) {
      rig.read(2, 0x1000); // C_BAD_STE
    }
  }

  Rig rig;
  Rig::Stage1Stream stream;
  std::uint64_t page{}, value{};
};

TEST_F(Stalls, AFaultWithCD_SWaitsAndItsRecordHasStallAndAlwaysComes) {
  const auto o = read();
  EXPECT_EQ(o.kind, Kind::stalled);
  EXPECT_EQ(o.event, EventType::F_TRANSLATION);
  EXPECT_TRUE(o.recorded);
  const auto e = rig.event(); // though R is 0
  EXPECT_EQ(e.get(Event::Stall), 1U);
  EXPECT_EQ(e.get(Event::Type), EventType::F_TRANSLATION);
  EXPECT_EQ(e.get(Event::InputAddr), 0x1000U);
  EXPECT_EQ(follow_up(o).kind, Kind::stalled);
  EXPECT_EQ(rig.port->counters().stalls, 1U);
}

TEST_F(Stalls, RESUMEWithRetryTranslatesAnew) {
  Outcome o;
  const auto tag = stalled(o);
  rig.map(stream.tree, 0x1000, page, s1_rw);
  EXPECT_EQ(follow_up(o).kind, Kind::stalled); // no early retry of what has been recorded
  rig.run({resume_retry(1, tag)});
  EXPECT_TRUE(follow_up(o).served());
  EXPECT_EQ(value, 0x77U);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(Stalls, ARetryThatFaultsAgainStallsAgainUnderTheSameNumber) {
  Outcome o;
  const auto first = stalled(o);
  rig.run({resume_retry(1, first)});
  const auto again = follow_up(o);
  EXPECT_EQ(again.kind, Kind::stalled);
  EXPECT_EQ(again.stall, o.stall);
  const auto second = stag(rig.event());
  rig.run({resume_terminate(1, second, true)});
  EXPECT_EQ(follow_up(o).kind, Kind::aborted);
}

TEST_F(Stalls, RESUMETerminatesWithAnAbortOrAsRAZWI) {
  Outcome o;
  rig.run({resume_terminate(1, stalled(o), true)});
  EXPECT_EQ(follow_up(o).kind, Kind::aborted);
  rig.run({resume_terminate(1, stalled(o), false)});
  value = 5;
  EXPECT_EQ(follow_up(o).kind, Kind::zeroed);
  EXPECT_EQ(value, 0U);
}

TEST_F(Stalls, ASTAGIsAnsweredOnce) {
  Outcome one;
  Outcome two;
  const auto tag = stalled(one);
  rig.run({resume_retry(1, tag), resume_terminate(1, tag, true)});
  EXPECT_EQ(follow_up(one).kind, Kind::stalled); // retried, and stalled anew
  const auto next = stag(rig.event());
  EXPECT_NE(next, tag);
  rig.run({resume_terminate(1, tag, true)});
  EXPECT_EQ(follow_up(one).kind, Kind::stalled);
  rig.run({resume_terminate(1, next, true)});
  EXPECT_EQ(follow_up(one).kind, Kind::aborted);
}

TEST_F(Stalls, RESUMEOfAnotherStreamOrOfNoSTAGDoesNothing) {
  Outcome o;
  const auto tag = stalled(o);
  rig.run({resume_terminate(2, tag, true), resume_terminate(1, static_cast<std::uint16_t>(tag + 1), true),
           resume_terminate(1, 0xffff, true)});
  EXPECT_EQ(follow_up(o).kind, Kind::stalled);
}

TEST_F(Stalls, OtherAccessesOfTheStreamOvertake) {
  Outcome o;
  stalled(o);
  EXPECT_TRUE(read(0x5000).served());
  EXPECT_EQ(follow_up(o).kind, Kind::stalled);
}

TEST_F(Stalls, AStalledAccessHoldsUpNoSYNCAndSurvivesTLBIAndCFGI) {
  Outcome o;
  const auto tag = stalled(o);
  rig.run({arch::cmd::tlbi_nsnh_all(), arch::cmd::cfgi_all()});
  EXPECT_EQ(follow_up(o).kind, Kind::stalled);
  rig.map(stream.tree, 0x1000, page, s1_rw);
  rig.run({resume_retry(1, tag)});
  EXPECT_TRUE(follow_up(o).served());
}

TEST_F(Stalls, AStalledWriteIsMadeWhenItIsRetried) {
  std::uint64_t data = 0x99;
  const auto o = rig.write(1, 0x1008, data);
  ASSERT_EQ(o.kind, Kind::stalled);
  rig.map(stream.tree, 0x1000, page, s1_rw);
  rig.run({resume_retry(1, stag(rig.event()))});
  EXPECT_TRUE(rig.port->follow_up(o.stall, &data).served());
  EXPECT_EQ(rig.ram.get(page + 8), 0x99U);
}

TEST_F(Stalls, STALL_TERMAbortsAllOfAStreamAndFreesTheirSTAGs) {
  Outcome all[4];
  for (auto& o : all) {
    stalled(o);
  }
  rig.run({stall_term(2)});
  EXPECT_EQ(follow_up(all[0]).kind, Kind::stalled);
  rig.run({stall_term(1)});
  for (const auto& o : all) {
    EXPECT_EQ(follow_up(o).kind, Kind::aborted);
  }
  Outcome o;
  stalled(o);
}

TEST_F(Stalls, SMMUENOffAbortsAll) {
  Outcome o;
  stalled(o);
  rig.w32<arch::CR0>(0xc);
  EXPECT_EQ(follow_up(o).kind, Kind::aborted);
}

TEST_F(Stalls, NoMoreThanSTALL_MAXAreRecorded) {
  Outcome all[4];
  std::uint16_t tags[4];
  for (unsigned i = 0; i < 4; ++i) {
    tags[i] = stalled(all[i], 0x1000 * (i + 6));
  }
  const auto fifth = read(0x1000);
  EXPECT_EQ(fifth.kind, Kind::stalled);
  EXPECT_FALSE(fifth.recorded);
  EXPECT_TRUE(rig.events().empty());
  EXPECT_EQ(follow_up(fifth).kind, Kind::stalled);
  rig.run({resume_terminate(1, tags[2], true)});
  EXPECT_EQ(follow_up(fifth).kind, Kind::stalled);
  EXPECT_EQ(stag(rig.event()), tags[2]);
}

TEST_F(Stalls, AStallInAFullQueueIsNoOverflowAndRecordedWhenThereIsRoom) {
  fill_queue();
  const auto o = read();
  EXPECT_EQ(o.kind, Kind::stalled);
  EXPECT_FALSE(o.recorded);
  EXPECT_EQ(rig.r32<arch::EVENTQ_PROD>(), 32U); // no OVFLG
  EXPECT_EQ(rig.smmu->counters().events_discarded, 0U);
  EXPECT_EQ(rig.events().size(), 32U);
  EXPECT_EQ(follow_up(o).kind, Kind::stalled);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::Stall), 1U);
  EXPECT_EQ(e.get(Event::InputAddr), 0x1000U);
}

TEST_F(Stalls, WithoutARecordItIsRetriedAndMaySucceed) {
  fill_queue();
  const auto o = read();
  rig.map(stream.tree, 0x1000, page, s1_rw);
  EXPECT_TRUE(follow_up(o).served());
  EXPECT_EQ(rig.events().size(), 32U);
}

TEST_F(Stalls, STALL_TERMReachesThoseWithoutARecord) {
  fill_queue();
  const auto o = read();
  rig.run({stall_term(1)});
  EXPECT_EQ(follow_up(o).kind, Kind::aborted);
}

TEST_F(Stalls, WhileEVENTQENIs0AStallWaits) {
  rig.w32<arch::CR0>(0x9);
  const auto o = read();
  EXPECT_EQ(o.kind, Kind::stalled);
  rig.w32<arch::CR0>(0xd);
  EXPECT_EQ(follow_up(o).kind, Kind::stalled);
  EXPECT_EQ(rig.event().get(Event::Stall), 1U);
}

TEST_F(Stalls, APortThatGoesLeavesItsSTAGsToBeAnswered) {
  auto other = std::make_unique<Port>(*rig.smmu);
  std::uint64_t data = 0;
  std::uint16_t tags[4];
  for (auto& tag : tags) {
    EXPECT_EQ(other->access({1, {}, 0x1000, 8, false, false, false}, &data).kind, Kind::stalled);
    tag = stag(rig.event());
  }
  other.reset();
  EXPECT_FALSE(read().recorded);
  rig.run({resume_retry(1, tags[3])});
  EXPECT_TRUE(read().recorded);
}

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
