#include "stall_world.hpp"

// 3.12.2, 4.7.1: transactions that the SMMU holds until software answers, as the driver sees them: records with Stall=1
// in the event queue, and CMD_RESUME.
namespace sluice::test {
namespace {

using arch::Cd;
using arch::Command;
using arch::Event;
using arch::Opcode;
using arch::Ste;
using driver::Code;
using iommu::PageResponse;
using iommu::Stage;

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
  StallWorld::Recorder recorder;
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
  StallWorld::Recorder recorder;
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

} // namespace
} // namespace sluice::test
