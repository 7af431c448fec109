#include "machine.hpp"

// 3.12.2, 4.7.1: transactions that the SMMU holds until software answers, as the driver sees them: records with Stall=1
// in the event queue, and CMD_RESUME.
namespace sluice::test {
namespace {

using arch::Cd;
using arch::Command;
using arch::Event;
using arch::EventType;
using arch::Opcode;
using arch::StallModel;
using arch::Ste;
using driver::Code;
using iommu::PageRequestGroup;
using iommu::PageResponse;
using iommu::PageTicket;
using iommu::Stage;

constexpr StreamID sid = 0x42;

struct Keeper : iommu::PageRequestHandler {
  void on_page_requests(const PageRequestGroup& group) override {
    groups.push_back(group);
    pages.insert(pages.end(), group.pages.begin(), group.pages.end());
  }
  std::vector<PageRequestGroup> groups;
  std::vector<iommu::PageRequest> pages;
};
struct Recorder : iommu::FaultHandler {
  void on_fault(const iommu::Fault& f) override { faults.push_back(f); }
  std::vector<iommu::Fault> faults;
};

struct Rig {
  void start(StallModel model, driver::Config config = Machine::quick()) {
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::STALL_MODEL, model));
    ASSERT_TRUE(m.start(config));
  }
  driver::PagingDomain& paging(Stage stage = Stage::first, bool serves = true) {
    auto domain = m.try_paging({.stage = stage, .page_requests = serves});
    EXPECT_TRUE(domain.ok());
    if (serves) {
      EXPECT_TRUE((*domain)->set_page_request_handler(&keeper).ok());
    }
    return static_cast<driver::PagingDomain&>(**domain);
  }
  driver::SmmuDevice& device(StreamID stream = sid, bool may_stall = true) {
    const std::array streams{stream};
    auto made = m.smmu->add(nullptr, streams, {.may_stall = may_stall});
    EXPECT_TRUE(made.ok());
    m.devices.insert(*made);
    return static_cast<driver::SmmuDevice&>(**made);
  }
  static Event record(std::uint16_t stag, StreamID stream = sid) {
    return Event{}
        .with(Event::Type, EventType::F_TRANSLATION)
        .with(Event::StreamID, stream)
        .with(Event::Stall, 1)
        .with(Event::STAG, stag)
        .with(Event::RnW, 1)
        .with(Event::InputAddr, 0x7000);
  }
  void stall(std::uint16_t stag, StreamID stream = sid) {
    ASSERT_TRUE(m.fake.put_event(record(stag, stream).w));
    m.smmu->poll();
  }
  // The answers to a STAG, in order.
  std::vector<Command> answers(std::uint16_t stag) {
    std::vector<Command> all;
    for (const Command& c : m.fake.commands()) {
      if (c.get(Command::Opcode) == Opcode::CMD_RESUME && c.get(Command::STAG) == stag) {
        all.push_back(c);
      }
    }
    return all;
  }
  void expect_one(std::uint16_t stag, const Command& answer) {
    const auto all = answers(stag);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0], answer);
  }
  static Command retry(std::uint16_t stag, StreamID stream = sid) { return arch::cmd::resume_retry(stream, stag); }
  static Command end(std::uint16_t stag, StreamID stream = sid) {
    return arch::cmd::resume_terminate(stream, stag, true);
  }

  Machine m;
  Keeper keeper;
};
struct Stalled : testing::Test, Rig {
  void SetUp() override { start(StallModel::stall_or_terminate); }
};
struct ForcedStalls : testing::Test, Rig {
  void SetUp() override { start(StallModel::stall); }
};

TEST_F(Stalled, OnlyAServingDomainAndADeviceThatMayStallMakeTheEntriesSay) {
  auto& may = device(0x42, true);
  auto& may_not = device(0x43, false);
  for (const bool serves : {false, true}) {
    auto& first = paging(Stage::first, serves);
    auto& second = paging(Stage::second, serves);
    for (auto* d : {&may, &may_not}) {
      const bool waits = serves && d == &may;
      ASSERT_TRUE(d->attach(first).ok());
      EXPECT_EQ(m.cd(d->sids()[0])->get(Cd::S), waits);
      EXPECT_EQ(m.ste(d->sids()[0])->get(Ste::S1STALLD), d != &may);
      ASSERT_TRUE(d->replace(second).ok());
      EXPECT_EQ(m.ste(d->sids()[0])->get(Ste::S2S), waits);
      ASSERT_TRUE(d->detach().ok());
    }
  }
}

TEST_F(Stalled, ADomainThatServesTakesThePlaceOfOneThatDoesNotWithOneStore) {
  auto& d = device();
  ASSERT_TRUE(d.attach(paging(Stage::first, false)).ok());
  const auto change = d.replace(paging(Stage::first, true), {}, {.require_hitless = true});
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->stores, 1U);
}

// "Match Stall behaviour for S2"
TEST_F(ForcedStalls, MatchStallBehaviourForS2AndForS1) {
  for (const bool serves : {false, true}) {
    auto& d = device(serves ? 0x42 : 0x43, false);
    ASSERT_TRUE(d.attach(paging(Stage::second, serves)).ok());
    EXPECT_EQ(m.ste(d.sids()[0])->get(Ste::S2S), 1U) << "5.5: ILLEGAL otherwise";
    ASSERT_TRUE(d.replace(paging(Stage::first, serves)).ok());
    EXPECT_EQ(m.cd(d.sids()[0])->get(Cd::S), 1U);
    EXPECT_EQ(m.ste(d.sids()[0])->get(Ste::S1STALLD), 0U);
  }
}

TEST_F(ForcedStalls, WhatNobodyServesIsTerminatedAndReported) {
  auto& domain = paging(Stage::first, false);
  Recorder recorder;
  domain.set_fault_handler(&recorder);
  ASSERT_TRUE(device().attach(domain).ok());
  stall(5);
  expect_one(5, end(5));
  ASSERT_EQ(recorder.faults.size(), 1U);
  EXPECT_TRUE(recorder.faults[0].stalled);
}

TEST(StalledOtherwise, ADomainThatWouldServeIsRefusedWhereNothingCanWait) {
  Machine m;
  ASSERT_TRUE(m.start());
  EXPECT_EQ(m.try_paging({.page_requests = true}), Errc::unsupported);
}

TEST_F(Stalled, AreHandedToTheDomainWithTheirAccess) {
  auto& d = device();
  auto& domain = paging();
  Recorder recorder;
  domain.set_fault_handler(&recorder);
  ASSERT_TRUE(d.attach(domain).ok());
  stall(5);
  ASSERT_EQ(keeper.groups.size(), 1U);
  EXPECT_EQ(keeper.groups[0].device, &d);
  EXPECT_EQ(keeper.groups[0].domain, &domain);
  EXPECT_TRUE(keeper.pages[0].read);
  EXPECT_FALSE(keeper.pages[0].write);
  EXPECT_EQ(keeper.pages[0].iova, 0x7000U);
  EXPECT_TRUE(recorder.faults.empty()) << "it is no fault yet";
  EXPECT_TRUE(answers(5).empty());
}

TEST_F(Stalled, AreAnsweredAsTheHandlerSays) {
  ASSERT_TRUE(device().attach(paging()).ok());
  const PageResponse responses[] = {PageResponse::served, PageResponse::invalid, PageResponse::failed};
  for (std::uint16_t i = 0; i < 3; ++i) {
    stall(i);
    const auto ticket = keeper.groups[i].ticket;
    EXPECT_TRUE(m.smmu->respond(ticket, responses[i]).ok());
    EXPECT_EQ(m.smmu->respond(ticket, PageResponse::served), Errc::not_found);
    expect_one(i, i == 0 ? retry(i) : end(i));
  }
}

TEST_F(Stalled, AnAnswerNeedsNoSync) {
  ASSERT_TRUE(device().attach(paging()).ok());
  stall(1);
  m.fake.forget();
  EXPECT_TRUE(m.smmu->respond(keeper.groups[0].ticket, PageResponse::served).ok());
  EXPECT_EQ(m.fake.commands(), std::vector{retry(1)});
}

TEST_F(Stalled, AReplacedDomainsAreTriedAgainInTheNewOne) {
  auto& d = device();
  ASSERT_TRUE(d.attach(paging()).ok());
  stall(1);
  m.fake.forget();
  ASSERT_TRUE(d.replace(paging()).ok());
  expect_one(1, retry(1));
  EXPECT_EQ(m.smmu->respond(keeper.groups[0].ticket, PageResponse::failed), Errc::not_found);
  // Not before the SMMU knows the new entry.
  const auto commands = m.fake.commands();
  const auto sync = std::ranges::find(commands, arch::cmd::sync());
  EXPECT_LT(sync, std::ranges::find(commands, retry(1)));
}

TEST_F(Stalled, ADetachedDevicesAreTerminatedOnce) {
  auto& d = device();
  ASSERT_TRUE(d.attach(paging()).ok());
  for (std::uint16_t i = 0; i < 10; ++i) {
    stall(i);
  }
  ASSERT_TRUE(d.detach().ok());
  for (std::uint16_t i = 0; i < 10; ++i) {
    expect_one(i, end(i));
    EXPECT_EQ(m.smmu->respond(keeper.groups[i].ticket, PageResponse::served), Errc::not_found);
  }
}

TEST_F(Stalled, ARemovedDevicesAreTerminatedOnceAlsoThoseThatHadNotBeenRead) {
  auto& d = device();
  ASSERT_TRUE(d.attach(paging()).ok());
  stall(1);
  ASSERT_TRUE(m.fake.put_event(record(2).w));
  ASSERT_TRUE(m.remove(d).ok());
  m.smmu->poll();
  expect_one(1, end(1));
  expect_one(2, end(2));
  EXPECT_TRUE(m.logged(Code::event_unknown_stream));
}

TEST_F(Stalled, ThoseOfADeviceDoNotEndWithAnothers) {
  auto& a = device(0x42);
  auto& b = device(0x43);
  auto& domain = paging();
  ASSERT_TRUE(a.attach(domain).ok());
  ASSERT_TRUE(b.attach(domain).ok());
  stall(1, 0x42);
  stall(2, 0x43);
  ASSERT_TRUE(a.detach().ok());
  expect_one(1, end(1, 0x42));
  EXPECT_TRUE(answers(2).empty());
  EXPECT_TRUE(m.smmu->respond(keeper.groups[1].ticket, PageResponse::served).ok());
  expect_one(2, retry(2, 0x43));
}

TEST_F(Stalled, AHandlerThatGoesIsAnsweredFor) {
  auto& domain = paging();
  ASSERT_TRUE(device().attach(domain).ok());
  stall(1);
  ASSERT_TRUE(domain.set_page_request_handler(nullptr).ok());
  expect_one(1, end(1));
  stall(2);
  expect_one(2, end(2));
  EXPECT_EQ(keeper.groups.size(), 1U);
}

TEST(StalledOtherwise, AHandlerThatIsLateIsAnsweredForByName) {
  Rig late;
  auto config = Machine::quick();
  config.page_request_timeout_us = 0;
  late.start(StallModel::stall_or_terminate, config);
  ASSERT_TRUE(late.device().attach(late.paging()).ok());
  late.stall(1);
  late.m.smmu->poll();
  late.expect_one(1, Rig::end(1));
  EXPECT_TRUE(late.m.logged(Code::page_request_late));
  EXPECT_EQ(late.m.smmu->counters().page_requests.late, 1U);
  EXPECT_EQ(late.m.smmu->respond(late.keeper.groups[0].ticket, PageResponse::served), Errc::not_found);
}

TEST(StalledOtherwise, MoreThanThereIsRoomForAreTerminatedByName) {
  Rig small;
  auto config = Machine::quick();
  config.page_requests = 4;
  small.start(StallModel::stall_or_terminate, config);
  ASSERT_TRUE(small.device().attach(small.paging()).ok());
  for (std::uint16_t i = 0; i < 6; ++i) {
    small.stall(i);
  }
  small.expect_one(4, Rig::end(4));
  small.expect_one(5, Rig::end(5));
  EXPECT_TRUE(small.m.logged(Code::page_request_no_room));
  EXPECT_EQ(small.m.smmu->counters().page_requests.overflowed, 2U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(small.m.smmu->respond(small.keeper.groups[i].ticket, PageResponse::served).ok());
  }
}

TEST(StalledOtherwise, AnInterruptThatMustNotWaitLeavesThemToThePoll) {
  Rig wired;
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
  const Event plain = Rig::record(0).with(Event::Stall, 0);
  for (const auto& e : {plain, Rig::record(1), plain}) {
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
  Recorder recorder;
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
  Rig wired;
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
