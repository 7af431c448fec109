#include "stall_world.hpp"

// 3.5.3, 4.7.2, 7.2.2: stalls that are too many, whose records are lost, or whose SMMU has failed.
namespace sluice::test {
namespace {

using arch::Cd;
using arch::Command;
using arch::Event;
using arch::Opcode;
using arch::StallModel;
using arch::Ste;
using driver::Code;
using iommu::PageResponse;
using iommu::Stage;

TEST(StalledOtherwise, AHandlerThatIsLateIsAnsweredForByName) {
  StallWorld late;
  auto config = Machine::quick();
  config.page_request_timeout_us = 0;
  late.start(StallModel::stall_or_terminate, config);
  ASSERT_TRUE(late.device().attach(late.paging()).ok());
  late.stall(1);
  late.m.smmu->poll();
  late.expect_one(1, StallWorld::end(1));
  EXPECT_TRUE(late.m.logged(Code::page_request_late));
  EXPECT_EQ(late.m.smmu->counters().page_requests.late, 1U);
  EXPECT_EQ(late.m.smmu->respond(late.keeper.groups[0].ticket, PageResponse::served), Errc::not_found);
}

TEST(StalledOtherwise, MoreThanThereIsRoomForAreTerminatedByName) {
  StallWorld small;
  auto config = Machine::quick();
  config.page_requests = 4;
  small.start(StallModel::stall_or_terminate, config);
  ASSERT_TRUE(small.device().attach(small.paging()).ok());
  for (std::uint16_t i = 0; i < 6; ++i) {
    small.stall(i);
  }
  small.expect_one(4, StallWorld::end(4));
  small.expect_one(5, StallWorld::end(5));
  EXPECT_TRUE(small.m.logged(Code::page_request_no_room));
  EXPECT_EQ(small.m.smmu->counters().page_requests.overflowed, 2U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(small.m.smmu->respond(small.keeper.groups[i].ticket, PageResponse::served).ok());
  }
}

TEST(StalledOtherwise, AnInterruptThatMustNotWaitLeavesThemToThePoll) {
  StallWorld wired;
  auto config = Machine::quick();
  config.event_wire = {true, 5};
  config.interrupts_may_wait = false;
  wired.start(StallModel::stall_or_terminate, config);
  struct Waiter : iommu::FaultHandler {
    void on_fault(const iommu::Fault&) override { seen.fetch_add(1); }
    base::Atomic<std::uint32_t> seen{0};
  } waiter;
  auto& domain = wired.paging();
  domain.set_fault_handler(&waiter);
  ASSERT_TRUE(wired.device().attach(domain).ok());
  const Event plain = StallWorld::record(0).with(Event::Stall, 0);
  for (const auto& e : {plain, StallWorld::record(1), plain}) {
    ASSERT_TRUE(wired.m.fake.put_event(e.w));
  }
  wired.m.port.irq.raise(5);
  EXPECT_TRUE(platform::wait_until(wired.m.port.time, 10'000'000, [&] { return waiter.seen.load() == 1; }));
  wired.m.port.irq.disconnect(5); // it has run
  EXPECT_TRUE(wired.keeper.groups.empty());
  wired.m.smmu->poll();
  EXPECT_EQ(wired.keeper.groups.size(), 1U);
  EXPECT_EQ(waiter.seen.load(), 2U);
  EXPECT_EQ(wired.m.smmu->counters().events, 3U);
}

TEST_F(Stalled, AQueueThatOverflowsLosesOnlyRecordsOfWhatDoesNotWait) {
  auto& domain = paging();
  StallWorld::Recorder recorder;
  domain.set_fault_handler(&recorder);
  ASSERT_TRUE(device().attach(domain).ok());
  std::uint16_t stag = 0;
  // Full of both kinds; the SMMU holds back what waits and drops the rest (3.5.3).
  for (bool room = true; room;) {
    room = m.fake.put_event(stag % 2 == 0 ? record(stag).w : record(stag).with(Event::Stall, 0).w);
    stag = static_cast<std::uint16_t>(stag + 1);
  }
  m.smmu->poll();
  EXPECT_EQ(m.smmu->counters().event_overflows, 1U);
  EXPECT_EQ(keeper.groups.size(), 64U);
  EXPECT_EQ(recorder.faults.size(), 64U);
  for (const auto& group : keeper.groups) {
    EXPECT_TRUE(m.smmu->respond(group.ticket, PageResponse::served).ok());
  }
  stall(500);
  EXPECT_EQ(keeper.groups.size(), 65U);
}

// 7.2.2, 4.7.2: nobody knows what stalled without a record. It ends while its STE aborts, so that nothing else does.
TEST_F(Stalled, WhenARecordCouldNotBeWrittenAllThatIsStalledIsTerminatedWhileTheirStesAbort) {
  auto& d = device(0x42);
  auto& beside = device(0x43, false);
  auto& domain = paging();
  ASSERT_TRUE(d.attach(domain).ok());
  ASSERT_TRUE(beside.attach(domain).ok());
  stall(1);
  const Ste before = *m.ste(0x42);
  ASSERT_TRUE(m.fake.put_event(record(2).w)); // suspect: it may not be what the SMMU has written
  m.fake.raise(arch::GERROR{}.with(arch::GERROR::EVENTQ_ABT_ERR, 1));
  m.fake.forget();
  std::vector<Opcode> seen;
  m.fake.on_command = [&](const Command& c) {
    seen.push_back(c.get(Command::Opcode));
    if (seen.back() == Opcode::CMD_STALL_TERM) {
      EXPECT_EQ(c.get(Command::StreamID), 0x42U);
      EXPECT_EQ(m.ste(0x42)->get(Ste::Config), arch::SteConfig::abort);
      EXPECT_EQ(m.ste(0x43)->get(Ste::Config), arch::SteConfig::stage1) << "it cannot stall";
    }
  };
  m.smmu->poll();
  m.fake.on_command = nullptr;
  const auto term = std::ranges::find(seen, Opcode::CMD_STALL_TERM);
  ASSERT_NE(term, seen.end());
  EXPECT_EQ(*(term - 1), Opcode::CMD_SYNC) << "the SMMU knows that it aborts";
  EXPECT_EQ(*(term + 1), Opcode::CMD_SYNC) << "and has terminated before it goes on";
  EXPECT_EQ(m.ste(0x42)->w, before.w);
  EXPECT_TRUE(m.logged(Code::stalls_terminated));
  EXPECT_EQ(m.smmu->respond(keeper.groups[0].ticket, PageResponse::served), Errc::not_found);
  EXPECT_EQ(keeper.groups.size(), 1U);
  EXPECT_TRUE(answers(1).empty() && answers(2).empty()) << "their STAGs may be others' by now";
  stall(1);
  ASSERT_EQ(keeper.groups.size(), 2U);
  EXPECT_TRUE(m.smmu->respond(keeper.groups[1].ticket, PageResponse::served).ok());
  expect_one(1, retry(1));
}

TEST_F(Stalled, AnInterruptLeavesTheirEndToThePoll) {
  StallWorld wired;
  auto config = Machine::quick();
  config.gerror_wire = {true, 6};
  wired.start(StallModel::stall_or_terminate, config);
  ASSERT_TRUE(wired.device().attach(wired.paging()).ok());
  wired.m.fake.raise(arch::GERROR{}.with(arch::GERROR::EVENTQ_ABT_ERR, 1));
  wired.m.port.irq.raise(6);
  EXPECT_TRUE(
      platform::wait_until(wired.m.port.time, 10'000'000, [&] { return wired.m.smmu->counters().global_errors == 1; }));
  EXPECT_EQ(wired.m.fake.count(Opcode::CMD_STALL_TERM), 0U) << "it takes the unit's mutex";
  wired.m.smmu->poll();
  EXPECT_EQ(wired.m.fake.count(Opcode::CMD_STALL_TERM), 1U);
}

TEST_F(Stalled, OfAnSmmuThatHasFailedNobodyIsTold) {
  auto& d = device();
  ASSERT_TRUE(d.attach(paging()).ok());
  stall(1);
  m.fake.stopped = true;
  const auto change = d.detach();
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->confirmed);
  EXPECT_EQ(m.smmu->respond(keeper.groups[0].ticket, PageResponse::served), Errc::not_found);
  EXPECT_TRUE(answers(1).empty());
}

} // namespace
} // namespace sluice::test
