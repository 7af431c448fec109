#include "pri_world.hpp"

// 8.1, 8.2: page requests that are lost, too many, too late, or of a function that does not stop.
namespace sluice::test {
namespace {

using arch::PriResponse;
using driver::Code;
using iommu::PageResponse;

// 8.2: the SMMU has answered the last page of what it lost.
TEST_F(Pri, AnOverflowForgetsGroupsThatHaveNotEndedAndIsAcknowledged) {
  ASSERT_TRUE(device->attach(serving()).ok());
  put(record(1, 0x1000, false));
  for (std::uint16_t i = 2; m.fake.put_page_request(record(i, 0x1000, true)); ++i) {
  }
  EXPECT_NE(m.fake.get<arch::PRIQ_PROD>().raw() >> 31, m.fake.get<arch::PRIQ_CONS>().raw() >> 31);
  poll();
  EXPECT_EQ(m.fake.get<arch::PRIQ_PROD>().raw(), m.fake.get<arch::PRIQ_CONS>().raw());
  EXPECT_EQ(keeper.groups.size(), 127U);
  EXPECT_EQ(m.smmu->counters().page_request_overflows, 1U);
  EXPECT_TRUE(m.logged(Code::page_requests_overflow));
  put(record(1, 0x5000, true));
  poll();
  ASSERT_EQ(keeper.groups.size(), 128U);
  ASSERT_EQ(keeper.pages.back().size(), 1U) << "of another group with the same number";
  for (const auto& g : keeper.groups) {
    EXPECT_TRUE(m.smmu->respond(g.ticket, PageResponse::served).ok());
  }
}

// One write says both, so that the SMMU never writes where records have not been read.
TEST_F(Pri, AnOverflowIsAcknowledgedWithTheLastPositionAndNotBefore) {
  ASSERT_TRUE(device->attach(serving()).ok());
  for (std::uint16_t i = 0; m.fake.put_page_request(record(i, 0x1000, true)); ++i) {
  }
  const auto end = m.fake.get<arch::PRIQ_PROD>().get(arch::PRIQ_PROD::WR);
  m.fake.on_write = [&](std::uint32_t offset, std::uint64_t value) {
    if (offset == arch::PRIQ_CONS::offset) {
      const auto cons = arch::PRIQ_CONS::from(static_cast<std::uint32_t>(value));
      EXPECT_TRUE(cons.get(arch::PRIQ_CONS::OVACKFLG) == 0 || cons.get(arch::PRIQ_CONS::RD) == end);
    }
  };
  poll();
  m.fake.on_write = nullptr;
  EXPECT_EQ(m.fake.get<arch::PRIQ_CONS>().get(arch::PRIQ_CONS::OVACKFLG), 1U);
}

TEST_F(Pri, ARecordThatCouldNotBeWrittenForgetsGroupsThatHaveNotEnded) {
  ASSERT_TRUE(device->attach(serving()).ok());
  put(record(1, 0x1000, false));
  poll();
  m.fake.raise(arch::GERROR{}.with(arch::GERROR::PRIQ_ABT_ERR, 1));
  poll();
  EXPECT_EQ(m.fake.get<arch::GERROR>().raw(), m.fake.get<arch::GERRORN>().raw());
  put(record(1, 0x5000, true));
  poll();
  EXPECT_EQ(keeper.pages.back().size(), 1U);
}

TEST_F(Pri, AGroupThatIsTooLongIsInvalid) {
  ASSERT_TRUE(device->attach(serving()).ok());
  trace.clear();
  for (std::uint64_t i = 0; i <= iommu::PageRequests::max_pages; ++i) {
    put(record(1, i << 12, i == iommu::PageRequests::max_pages));
  }
  poll();
  EXPECT_EQ(take(), PriTrace{"answer 1 invalid"});
  EXPECT_TRUE(m.logged(Code::page_request_no_room));
  EXPECT_TRUE(keeper.groups.empty());
}

TEST(PriSmall, WhatFindsNoRoomIsToAskAgain) {
  PriWorld w{{.page_requests = 4}};
  ASSERT_TRUE(w.device->attach(w.serving()).ok());
  w.trace.clear();
  for (std::uint16_t i = 0; i < 6; ++i) {
    w.put(PriWorld::record(i, 0x1000, true));
  }
  w.poll();
  EXPECT_EQ(w.keeper.groups.size(), 4U);
  EXPECT_EQ(w.take(), (PriTrace{"answer 4 success", "answer 5 success"}));
}

TEST(PriLate, AHandlerThatIsLateIsAnsweredForButTheFunctionGoesOn) {
  PriWorld w{{.timeout_us = 0}};
  ASSERT_TRUE(w.device->attach(w.serving()).ok());
  w.trace.clear();
  w.ask(1);
  w.poll();
  w.poll();
  EXPECT_EQ(w.take(), PriTrace{"answer 1 invalid"})
      << "10.4.2.1: a failure would end all page requests of the function";
  EXPECT_TRUE(w.m.logged(Code::page_request_late));
  EXPECT_EQ(w.m.smmu->respond(w.keeper.groups[0].ticket, PageResponse::served), Errc::not_found);
}

TEST_F(Pri, OfARemovedDeviceEachIsAnsweredOnceAlsoWhatHadNotBeenRead) {
  ASSERT_TRUE(device->attach(serving()).ok());
  ask(1);
  poll();
  ask(2);
  put(record(3, 0x1000, false));
  trace.clear();
  ASSERT_TRUE(m.remove(*device));
  put(record(3, 0x2000, true)); // its group ends when it has gone
  poll();
  auto seen = take();
  std::erase_if(seen, [](const auto& s) { return !s.starts_with("answer"); });
  std::ranges::sort(seen);
  EXPECT_EQ(seen, (PriTrace{"answer 1 invalid", "answer 2 invalid", "answer 3 invalid"}));
  EXPECT_FALSE(function.pri());
  EXPECT_FALSE(function.ats());
}

// Rule 2: a wait that runs out in a change.
TEST_F(Pri, AFunctionThatDoesNotStopIsReportedAndQuarantinedAndNoOther) {
  PriWorld::Neighbour other{*this, 0x77};
  auto& domain = serving();
  ASSERT_TRUE(device->attach(domain).ok());
  ASSERT_TRUE(other.device->attach(domain).ok());
  function.outstanding = 1; // of a group that never ends
  const auto change = device->replace(m.smmu->identity());
  ASSERT_TRUE(change.ok()) << "a time-out in a change is not an error of it";
  EXPECT_FALSE(change->confirmed);
  EXPECT_TRUE(m.logged(Code::page_requests_not_stopped));
  EXPECT_TRUE(device->failed());
  EXPECT_FALSE(function.pri() || function.ats());
  EXPECT_EQ(m.ste(sid)->get(arch::Ste::Config), arch::SteConfig::abort);
  EXPECT_FALSE(other.device->failed() || m.smmu->failed());
  EXPECT_TRUE(other.function.pri());
  EXPECT_EQ(device->replace(domain), Errc::device_failed);
}

TEST_F(Pri, OfAnSmmuThatHasFailedNobodyWaitsForAnAnswer) {
  ASSERT_TRUE(device->attach(serving()).ok());
  ask(1);
  poll();
  m.fake.stopped = true;
  const auto change = device->detach();
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->confirmed);
  EXPECT_TRUE(m.smmu->failed());
  EXPECT_FALSE(function.pri() || function.ats());
}

TEST_F(Pri, AFunctionThatWasLeftWithItStopsAskingBeforeItsAtsGoes) {
  FakeFunction left{9, true, 40};
  platform::PciTranslation pci{left};
  ASSERT_TRUE(pci.enable_ats(12).ok());
  ASSERT_TRUE(pci.enable_pri(4).ok());
  PriTrace order;
  left.on_ats = [&](bool) { order.emplace_back("ATS"); };
  left.on_pri = [&](bool) { order.emplace_back("PRI"); };
  const StreamID other = 0x55;
  auto added = m.smmu->add(&left, {&other, 1});
  ASSERT_TRUE(added.ok());
  m.devices.insert(*added);
  EXPECT_EQ(order, (PriTrace{"PRI", "ATS"}));
  ASSERT_TRUE(m.remove(**added));
}

} // namespace
} // namespace sluice::test
