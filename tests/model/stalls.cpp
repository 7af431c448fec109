#include "stalls.hpp"

namespace sluice::model::test {
namespace {

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

} // namespace
} // namespace sluice::model::test
