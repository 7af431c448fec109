#include "pri_world.hpp"

// 8, 4.5.2: page requests of PCIe functions, from the PRI queue to the domain's handler and back by CMD_PRI_RESP.
namespace sluice::test {
namespace {

using arch::PriResponse;
using driver::Code;
using iommu::PageResponse;

TEST_F(Pri, TheFunctionMayAskWhenItHasAtsAndADomainServes) {
  ASSERT_TRUE(device->attach(plain()).ok());
  EXPECT_TRUE(function.ats());
  EXPECT_FALSE(function.pri()) << "nobody would serve it";
  ASSERT_TRUE(device->replace(serving()).ok());
  EXPECT_TRUE(function.pri());
  EXPECT_EQ(function.allocation(), 32U) << "what it can, up to the configured most";
  ASSERT_TRUE(device->replace(plain()).ok());
  EXPECT_FALSE(function.pri());
  EXPECT_TRUE(function.ats());
}

TEST_F(Pri, TheLastTargetWithAServingDomainTurnsItOff) {
  ASSERT_TRUE(device->attach(plain()).ok());
  ASSERT_TRUE(device->attach(serving(), Target::pasid(1)).ok());
  ASSERT_TRUE(device->attach(serving(), Target::pasid(2)).ok());
  ASSERT_TRUE(device->detach(Target::pasid(1)).ok());
  EXPECT_TRUE(function.pri());
  ASSERT_TRUE(device->detach(Target::pasid(2)).ok());
  EXPECT_FALSE(function.pri());
}

TEST_F(Pri, IsTurnedOnAfterAts) {
  ASSERT_TRUE(device->attach(serving()).ok());
  const auto seen = take();
  ASSERT_GE(seen.size(), 3U);
  EXPECT_EQ((PriTrace{seen.end() - 3, seen.end()}), (PriTrace{"SYNC", "ATS on", "PRI on"}));
}

// 10.5.2: no more is asked, what was asked is answered, and only then the translations go.
TEST_F(Pri, IsTurnedOffAndAnsweredBeforeAts) {
  for (iommu::Domain* to : {&m.smmu->identity(), static_cast<iommu::Domain*>(nullptr)}) {
    ASSERT_TRUE(device->attach(serving()).ok());
    ask(1);
    poll();
    ask(2); // not read
    trace.clear();
    ASSERT_TRUE(to != nullptr ? device->replace(*to).ok() : device->detach().ok());
    auto seen = take();
    ASSERT_GE(seen.size(), 6U);
    std::sort(seen.begin() + 1, seen.begin() + 3);                    // whichever first
    const std::string code = to != nullptr ? " success" : " invalid"; // it may meet its page in the next domain
    EXPECT_EQ((PriTrace{seen.begin(), seen.begin() + 6}),
              (PriTrace{"PRI off", "answer 1" + code, "answer 2" + code, "ATS off", "ATC", "SYNC"}));
    EXPECT_FALSE(device->failed());
    if (to != nullptr) {
      ASSERT_TRUE(device->detach().ok());
    }
  }
}

TEST_F(Pri, StaysOnBetweenDomainsThatServeAndWhatWaitsIsTriedAgainInTheNew) {
  ASSERT_TRUE(device->attach(serving()).ok());
  ask(1);
  poll();
  trace.clear();
  ASSERT_TRUE(device->replace(serving()).ok());
  const auto seen = take();
  EXPECT_TRUE(function.pri());
  EXPECT_EQ(std::ranges::count(seen, "answer 1 success"), 1);
  EXPECT_LT(std::ranges::find(seen, "ATC"), std::ranges::find(seen, "answer 1 success"))
      << "not before what it had of the old domain has gone";
  EXPECT_EQ(m.smmu->respond(keeper.groups[0].ticket, PageResponse::failed), Errc::not_found);
}

TEST_F(Pri, GroupsArriveWholeForTheirTarget) {
  auto& rid = serving();
  auto& other = serving();
  ASSERT_TRUE(device->attach(rid).ok());
  ASSERT_TRUE(device->attach(other, Target::pasid(5)).ok());
  put(record(3, 0x1000, false));
  put(record(3, 0x8000, false).with(PriRecord::SSV, 1).with(PriRecord::SubstreamID, 5));
  put(record(4, 0x9000, true));
  put(record(3, 0x2000, true).with(PriRecord::W, 1));
  poll();
  ASSERT_EQ(keeper.groups.size(), 2U);
  EXPECT_EQ(keeper.pages[0][0].iova, 0x9000U);
  EXPECT_EQ(keeper.groups[1].domain, &rid);
  EXPECT_EQ(keeper.groups[1].device, device);
  EXPECT_FALSE(keeper.groups[1].stalled);
  ASSERT_EQ(keeper.pages[1].size(), 2U);
  EXPECT_EQ(keeper.pages[1][1].iova, 0x2000U);
  EXPECT_TRUE(keeper.pages[1][1].write);
  EXPECT_FALSE(keeper.pages[1][0].write);
  put(record(3, 0xa000, true)
          .with(PriRecord::SSV, 1)
          .with(PriRecord::SubstreamID, 5)
          .with(PriRecord::X, 1)
          .with(PriRecord::Priv, 1));
  poll();
  ASSERT_EQ(keeper.groups.size(), 3U);
  EXPECT_EQ(keeper.groups[2].domain, &other);
  EXPECT_EQ(keeper.groups[2].target, Target::pasid(5));
  EXPECT_TRUE(keeper.pages[2][1].execute && keeper.pages[2][1].privileged);
  EXPECT_EQ(m.smmu->counters().pages_requested, 5U);
}

TEST_F(Pri, AreAnsweredAsTheHandlerSaysOnceAndWithoutASync) {
  ASSERT_TRUE(device->attach(serving()).ok());
  const std::pair<PageResponse, PriResponse> all[] = {{PageResponse::served, PriResponse::success},
                                                      {PageResponse::invalid, PriResponse::invalid_request},
                                                      {PageResponse::failed, PriResponse::failure}};
  for (std::uint16_t i = 0; i < 3; ++i) {
    ask(i);
    poll();
    m.fake.forget();
    EXPECT_TRUE(m.smmu->respond(keeper.groups[i].ticket, all[i].first).ok());
    EXPECT_EQ(m.smmu->respond(keeper.groups[i].ticket, PageResponse::served), Errc::not_found);
    EXPECT_EQ(m.fake.commands(), std::vector{arch::cmd::pri_resp(sid, i, all[i].second)});
  }
}

// PRG Response PASID Required.
TEST_F(Pri, AnAnswerNamesNoPasidToAFunctionThatWantsNone) {
  ASSERT_TRUE(device->attach(serving(), Target::pasid(5)).ok());
  ask(1, 5);
  poll();
  m.fake.forget();
  EXPECT_TRUE(m.smmu->respond(keeper.groups[0].ticket, PageResponse::served).ok());
  EXPECT_EQ(m.fake.commands(), std::vector{arch::cmd::pri_resp(sid, 1, PriResponse::success)});
  EXPECT_EQ(m.ste(sid)->get(arch::Ste::PPAR), 0U);
}

TEST_F(PriNamed, AnAnswerNamesThePasidToAFunctionThatWantsItAlsoWhenTheSmmuGivesIt) {
  ASSERT_TRUE(device->attach(serving(), Target::pasid(5)).ok());
  ASSERT_TRUE(device->attach(serving()).ok());
  ask(1, 5);
  ask(2);
  poll();
  m.fake.forget();
  for (const auto& g : keeper.groups) {
    EXPECT_TRUE(m.smmu->respond(g.ticket, PageResponse::served).ok());
  }
  EXPECT_EQ(m.fake.commands(), (std::vector{arch::cmd::pri_resp_pasid(sid, 5, 1, PriResponse::success),
                                            arch::cmd::pri_resp(sid, 2, PriResponse::success)}));
  EXPECT_EQ(m.ste(sid)->get(arch::Ste::PPAR), 1U) << "8.2";
}

TEST_F(PriNamed, MovingBetweenDomainsIsAsHitlessAsWithout) {
  ASSERT_TRUE(device->attach(serving()).ok());
  EXPECT_TRUE(device->replace(serving(), {}, {.require_hitless = true}).ok());
  EXPECT_TRUE(device->replace(m.smmu->identity(), {}, {.require_hitless = true}).ok());
  EXPECT_TRUE(device->attach(serving(), Target::pasid(5), {.require_hitless = true}).ok());
}

TEST_F(Pri, WhatNobodyServesIsInvalidAndEndsNothingElse) {
  ASSERT_TRUE(device->attach(serving()).ok());
  trace.clear();
  ask(1, 7); // no such PASID
  put(record(2, 0x1000, true).with(PriRecord::StreamID, 0x999));
  ASSERT_TRUE(serving_domains[0]->set_page_request_handler(nullptr));
  ask(3);
  poll();
  EXPECT_EQ(take(), (PriTrace{"answer 1 invalid", "answer 2 invalid", "answer 3 invalid"}));
  EXPECT_EQ(m.smmu->counters().page_requests_unknown, 1U);
  EXPECT_TRUE(m.logged(Code::page_request_unknown_stream));
  EXPECT_EQ(m.smmu->counters().page_requests.refused, 3U);
}

// 8: Last = 1, R = W = 0, with a PASID.
TEST_F(Pri, AStopMarkerHasNoAnswerAndTheSameWithoutPasidHas) {
  ASSERT_TRUE(device->attach(serving()).ok());
  ASSERT_TRUE(device->attach(serving(), Target::pasid(5)).ok());
  trace.clear();
  const auto nothing = record(0, 0, true).with(PriRecord::R, 0);
  put(PriRecord{nothing}.with(PriRecord::SSV, 1).with(PriRecord::SubstreamID, 5));
  poll();
  EXPECT_TRUE(keeper.groups.empty());
  EXPECT_EQ(take(), PriTrace{});
  put(nothing);
  poll();
  EXPECT_EQ(keeper.groups.size(), 1U);
}

TEST_F(Pri, ARecordHasLeftTheQueueBeforeItsAnswerLetsTheFunctionAskAgain) {
  ASSERT_TRUE(device->attach(serving()).ok());
  ASSERT_TRUE(serving_domains[0]->set_page_request_handler(nullptr)); // each is answered at once
  unsigned answers = 0;
  m.fake.on_command = [&](const Command& c) {
    if (c.get(Command::Opcode) == Opcode::CMD_PRI_RESP) {
      ++answers;
      EXPECT_EQ(m.fake.get<arch::PRIQ_CONS>().get(arch::PRIQ_CONS::RD), answers);
    }
  };
  for (std::uint16_t i = 0; i < 5; ++i) {
    put(record(i, 0x1000, true));
  }
  poll();
  EXPECT_EQ(answers, 5U);
  m.fake.on_command = nullptr;
}

TEST(PriCredits, AllFunctionsTogetherAskForNoMoreThanThereIsRoomFor) {
  PriWorld w{{.page_requests = 50}};
  PriWorld::Neighbour second{w, 0x77};
  PriWorld::Neighbour third{w, 0x78};
  auto& domain = w.serving();
  for (auto* d : {w.device, second.device, third.device}) {
    ASSERT_TRUE(d->attach(domain).ok());
  }
  EXPECT_EQ(w.function.allocation(), 32U);
  EXPECT_EQ(second.function.allocation(), 18U);
  EXPECT_FALSE(third.function.pri());
  EXPECT_TRUE(w.m.logged(Code::page_requests_no_credits));
  ASSERT_TRUE(w.m.remove(*w.device));
  PriWorld::Neighbour fourth{w, 0x79};
  ASSERT_TRUE(fourth.device->attach(domain).ok());
  EXPECT_EQ(fourth.function.allocation(), 32U);
}

TEST_F(Pri, AnAddressSpaceServesThem) {
  FakeSpace space;
  auto made = m.smmu->make_sva(space);
  ASSERT_TRUE(made.ok());
  m.domains.insert(*made);
  ASSERT_TRUE((*made)->set_page_request_handler(&keeper).ok());
  ASSERT_TRUE(device->attach(**made, Target::pasid(9)).ok());
  EXPECT_TRUE(function.pri());
  ask(1, 9);
  poll();
  ASSERT_EQ(keeper.groups.size(), 1U);
  EXPECT_EQ(keeper.groups[0].domain, *made);
  EXPECT_TRUE(m.smmu->respond(keeper.groups[0].ticket, PageResponse::served).ok());
  ASSERT_TRUE(device->detach(Target::pasid(9)).ok());
  ASSERT_TRUE(m.destroy(**made));
}

TEST(PriOnly, ADomainMayServeWhereNothingCanStall) {
  PriWorld w{{}};
  EXPECT_EQ(w.m.smmu->why_not(driver::Facility::stalls), driver::Why::id_register);
  EXPECT_EQ(w.m.smmu->why_not(driver::Facility::pri), driver::Why::available);
  EXPECT_TRUE(w.m.try_paging({.page_requests = true}).ok());
}

TEST(PriWithout, TheSmmusFeatureOrTheKnobThereIsNone) {
  for (const int lacking : {0, 1}) {
    PriWorld w{{.per_function = lacking == 0 ? 0U : 32U, .pri = lacking != 1}};
    ASSERT_TRUE(w.device->attach(w.plain()).ok());
    EXPECT_TRUE(w.function.ats());
    EXPECT_FALSE(w.function.pri());
    EXPECT_EQ(w.m.smmu->why_not(driver::Facility::pri),
              lacking == 1 ? driver::Why::id_register : driver::Why::available);
    EXPECT_EQ(w.m.fake.get<arch::CR0>().get(arch::CR0::PRIQEN), 0U);
  }
}

TEST(PriWire, TheQueuesInterruptReadsItUnlessItMustNotWait) {
  for (const bool may_wait : {true, false}) {
    PriWorld w{{.wire = {true, 5}, .interrupts_may_wait = may_wait}};
    EXPECT_EQ(w.m.fake.get<arch::IRQ_CTRL>().get(arch::IRQ_CTRL::PRIQ_IRQEN), 1U);
    ASSERT_TRUE(w.device->attach(w.plain()).ok());
    w.put(PriWorld::record(1, 0x1000, true)); // of a misbehaving function
    w.m.port.irq.raise(5);
    const auto read = [&] { return w.m.smmu->counters().page_requests.refused == 1; };
    EXPECT_EQ(platform::wait_until(w.m.port.time, may_wait ? 10'000'000 : 20'000, read), may_wait);
    w.poll();
    EXPECT_EQ(w.m.smmu->counters().page_requests.refused, 1U);
  }
}

} // namespace
} // namespace sluice::test
