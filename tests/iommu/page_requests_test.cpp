#include "fake_unit.hpp"

#include <sluice/iommu/page_requests.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

namespace sluice::test {
namespace {

using iommu::PageAsker;
using iommu::PageRequest;
using iommu::PageRequestGroup;
using iommu::PageRequests;
using iommu::PageResponse;
using iommu::PageTicket;
using Arrival = PageRequests::Arrival;

class ServingDomain : public iommu::Domain {
public:
  explicit ServingDomain(iommu::Unit& unit) : iommu::Domain{unit, iommu::DomainType::paging, {}, true} {}

private:
  void release() override {}
};

struct Responder : iommu::PageResponder {
  iommu::Domain* domain_of(const PageAsker&) override { return domain.load(); }
  void send(const PageAsker& asker, PageResponse response) override {
    const std::scoped_lock lock{mutex};
    sent.emplace_back(asker.tag, response);
  }
  std::size_t answers(std::uint16_t tag) {
    const std::scoped_lock lock{mutex};
    return static_cast<std::size_t>(std::ranges::count_if(sent, [&](const auto& s) { return s.first == tag; }));
  }
  base::Atomic<iommu::Domain*> domain{nullptr};
  std::mutex mutex;
  std::vector<std::pair<std::uint16_t, PageResponse>> sent;
};

struct Keeper : iommu::PageRequestHandler {
  void on_page_requests(const PageRequestGroup& group) override {
    const std::scoped_lock lock{mutex};
    groups.push_back(group);
    pages.emplace_back(group.pages.begin(), group.pages.end());
  }
  std::vector<PageTicket> tickets() {
    const std::scoped_lock lock{mutex};
    std::vector<PageTicket> all;
    for (const auto& g : groups) {
      all.push_back(g.ticket);
    }
    return all;
  }
  std::mutex mutex;
  std::vector<PageRequestGroup> groups;
  std::vector<std::vector<PageRequest>> pages;
};

struct Serving : testing::Test {
  void SetUp() override { start(8); }
  void start(std::size_t groups, std::uint64_t timeout_us = 1'000'000) {
    responder.domain.store(&domain);
    ASSERT_TRUE(domain.set_page_request_handler(&keeper));
    ASSERT_TRUE(requests.make(groups, timeout_us));
  }
  PageAsker stall(std::uint16_t tag) { return {&x, 0x10, Target::rid(), tag, true}; }
  PageAsker group(std::uint16_t tag, std::uint32_t pasid = 7) { return {&x, 0x10, Target::pasid(pasid), tag, false}; }
  Arrival add(const PageAsker& asker, std::uint64_t iova = 0x1000, bool last = true) {
    const platform::ReadSection section{port.sync};
    return requests.add(asker, {.iova = iova, .read = true}, last);
  }

  hosted::Port port;
  FakeUnit unit{port};
  FakeDevice x{unit, "x"}, y{unit, "y"};
  ServingDomain domain{unit}, other{unit};
  Keeper keeper;
  Responder responder;
  PageRequests requests{port.platform(), responder};
};
using ServingThreads = Serving;
struct LongServing : Serving {
  void SetUp() override { start(64); }
};
struct BriefServing : Serving {
  void SetUp() override { start(8, 20'000); }
};

TEST_F(Serving, AStallIsAGroupOfOnePage) {
  EXPECT_EQ(add(stall(3), 0x5000), Arrival::delivered);
  ASSERT_EQ(keeper.groups.size(), 1U);
  EXPECT_EQ(keeper.groups[0].device, &x);
  EXPECT_EQ(keeper.groups[0].domain, &domain);
  EXPECT_TRUE(keeper.groups[0].stalled);
  ASSERT_EQ(keeper.pages[0].size(), 1U);
  EXPECT_EQ(keeper.pages[0][0].iova, 0x5000U);
  EXPECT_EQ(requests.expire(), 0U);
  EXPECT_TRUE(responder.sent.empty()) << "it waits";
}

TEST_F(Serving, ATicketAnswersOnce) {
  add(stall(3));
  const auto ticket = keeper.groups[0].ticket;
  EXPECT_TRUE(requests.answer(ticket, PageResponse::served).ok());
  EXPECT_EQ(requests.answer(ticket, PageResponse::failed), Errc::not_found);
  ASSERT_EQ(responder.sent.size(), 1U);
  EXPECT_EQ(responder.sent[0], std::pair(std::uint16_t{3}, PageResponse::served));
  EXPECT_EQ(requests.answer({}, PageResponse::served), Errc::not_found);
}

TEST_F(Serving, AnOldTicketNamesNothingWhenItsPlaceIsTakenAgain) {
  for (std::uint16_t tag = 0; tag < 20; ++tag) {
    add(stall(tag));
    EXPECT_TRUE(requests.answer(keeper.groups.back().ticket, PageResponse::served).ok());
  }
  add(stall(99));
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(requests.answer(keeper.groups[i].ticket, PageResponse::served), Errc::not_found);
  }
  EXPECT_EQ(responder.answers(99), 0U);
}

TEST_F(Serving, AHandlerMayAnswerInItsCall) {
  struct Quick : iommu::PageRequestHandler {
    explicit Quick(PageRequests& r) : requests{r} {}
    void on_page_requests(const PageRequestGroup& g) override {
      EXPECT_TRUE(requests.answer(g.ticket, PageResponse::served).ok());
    }
    PageRequests& requests;
  } quick{requests};
  ASSERT_TRUE(domain.set_page_request_handler(&quick));
  EXPECT_EQ(add(stall(1)), Arrival::delivered);
  EXPECT_EQ(responder.answers(1), 1U);
}

TEST_F(Serving, PagesOfAGroupArriveTogetherInTheirOrder) {
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(add(group(1), 0x1000 * i, i == 3), i == 3 ? Arrival::delivered : Arrival::collected);
    EXPECT_EQ(keeper.groups.empty(), i != 3);
  }
  ASSERT_EQ(keeper.pages[0].size(), 4U);
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(keeper.pages[0][i].iova, 0x1000 * i);
  }
  EXPECT_TRUE(requests.answer(keeper.groups[0].ticket, PageResponse::served).ok());
  EXPECT_EQ(responder.sent.size(), 1U) << "one answer for all of them";
}

TEST_F(Serving, GroupsOfSeveralNumbersAndPasidsDoNotMix) {
  add(group(1, 7), 0x1000, false);
  add(group(2, 7), 0x2000, false);
  add(group(1, 8), 0x3000, false);
  add(group(2, 7), 0x4000);
  add(group(1, 7), 0x5000);
  ASSERT_EQ(keeper.pages.size(), 2U);
  EXPECT_EQ(keeper.pages[0][0].iova, 0x2000U);
  EXPECT_EQ(keeper.pages[0][1].iova, 0x4000U);
  EXPECT_EQ(keeper.pages[1][0].iova, 0x1000U);
  EXPECT_EQ(keeper.groups[1].target, Target::pasid(7));
}

TEST_F(Serving, WithoutAHandlerIsRefused) {
  ASSERT_TRUE(domain.set_page_request_handler(nullptr));
  EXPECT_EQ(add(stall(1)), Arrival::refused);
  responder.domain.store(nullptr);
  EXPECT_EQ(add(stall(2)), Arrival::refused);
  ASSERT_EQ(responder.sent.size(), 2U);
  EXPECT_EQ(responder.sent[0].second, PageResponse::invalid);
  EXPECT_EQ(requests.counters().refused, 2U);
}

TEST_F(Serving, ADomainThatWasNotMadeForItHasNoHandler) {
  FakeDomain plain{unit, "plain", unit.trace};
  EXPECT_EQ(plain.set_page_request_handler(&keeper), Errc::unsupported);
  EXPECT_FALSE(plain.takes_page_requests());
}

TEST_F(Serving, WhatFindsNoRoomIsAnsweredWithAFailure) {
  for (std::uint16_t tag = 0; tag < 8; ++tag) {
    EXPECT_EQ(add(stall(tag)), Arrival::delivered);
  }
  EXPECT_EQ(add(stall(8)), Arrival::no_room);
  EXPECT_EQ(responder.sent, (std::vector{std::pair(std::uint16_t{8}, PageResponse::failed)}));
  EXPECT_EQ(requests.counters().overflowed, 1U);
  EXPECT_TRUE(requests.answer(keeper.groups[0].ticket, PageResponse::served).ok());
  EXPECT_EQ(add(stall(9)), Arrival::delivered) << "and there is room again";
}

TEST_F(Serving, AGroupWithMorePagesThanThereIsRoomForIsToAskAgain) {
  for (int i = 0; i < 9; ++i) {
    add(group(1), 0x1000, false);
  }
  EXPECT_TRUE(responder.sent.empty()) << "only the last page has an answer";
  EXPECT_EQ(add(group(1)), Arrival::no_room);
  EXPECT_EQ(responder.sent, (std::vector{std::pair(std::uint16_t{1}, PageResponse::served)}));
  EXPECT_EQ(add(group(2)), Arrival::delivered) << "its pages are free again";
}

TEST_F(LongServing, AGroupLongerThanTheMostIsInvalidAndEndsNothingElse) {
  for (const std::size_t pages : {PageRequests::max_pages, PageRequests::max_pages + 1}) {
    Arrival arrival{};
    for (std::size_t i = 0; i < pages; ++i) {
      arrival = add(group(1), 0x1000 * i, i + 1 == pages);
    }
    EXPECT_EQ(arrival, pages > PageRequests::max_pages ? Arrival::too_long : Arrival::delivered);
  }
  EXPECT_EQ(responder.sent, (std::vector{std::pair(std::uint16_t{1}, PageResponse::invalid)}));
}

TEST_F(Serving, TheEndOfAnAttachmentAnswersWhatCameThroughIt) {
  add(stall(1));
  add({&x, 0x10, Target::pasid(7), 2, true});
  add({&y, 0x20, Target::rid(), 3, true});
  requests.settle(x, Target::rid(), PageResponse::served);
  EXPECT_EQ(responder.sent, (std::vector{std::pair(std::uint16_t{1}, PageResponse::served)}));
  requests.settle(x, PageResponse::failed);
  EXPECT_EQ(responder.answers(2), 1U);
  EXPECT_EQ(responder.answers(3), 0U);
  EXPECT_EQ(requests.answer(keeper.groups[0].ticket, PageResponse::served), Errc::not_found);
  EXPECT_EQ(requests.counters().settled, 2U);
}

TEST_F(Serving, TheEndOfADeviceForgetsGroupsThatHaveNotEnded) {
  add(group(1), 0x1000, false);
  requests.settle(x, PageResponse::failed);
  requests.forget(x);
  EXPECT_TRUE(responder.sent.empty());
  add(group(1), 0x2000);
  ASSERT_EQ(keeper.pages[0].size(), 1U);
}

TEST_F(Serving, LostRecordsForgetGroupsThatHaveNotEnded) {
  add(group(1), 0x1000, false);
  add(stall(2));
  requests.drop_collected();
  add(group(1), 0x2000);
  EXPECT_EQ(keeper.pages[1].size(), 1U);
  EXPECT_TRUE(requests.answer(keeper.groups[0].ticket, PageResponse::served).ok()) << "what waits goes on waiting";
}

TEST_F(BriefServing, AHandlerThatIsLateIsAnsweredForAndCounted) {
  add(stall(5));
  const auto end = port.time.now_ns() + 20'000'000;
  while (port.time.now_ns() < end) {
    port.time.relax();
  }
  EXPECT_EQ(requests.expire(), 1U);
  EXPECT_EQ(responder.sent, (std::vector{std::pair(std::uint16_t{5}, PageResponse::failed)}));
  EXPECT_EQ(requests.answer(keeper.groups[0].ticket, PageResponse::served), Errc::not_found);
  EXPECT_EQ(requests.counters().late, 1U);
}

TEST_F(BriefServing, AGroupWhoseLastPageDoesNotComeIsForgottenAndGetsNoAnswer) {
  add(group(1), 0x1000, false);
  const auto end = port.time.now_ns() + 20'000'000;
  while (port.time.now_ns() < end) {
    port.time.relax();
  }
  EXPECT_EQ(requests.expire(), 0U);
  EXPECT_EQ(requests.counters().unfinished, 1U);
  EXPECT_TRUE(responder.sent.empty()) << "8.1: only the last page of a group has an answer";
  add(group(1), 0x2000);
  EXPECT_EQ(keeper.pages[0].size(), 1U);
}

// Whoever had the StreamID before has gone with half a group.
TEST_F(Serving, PagesOfADeviceThatHasGoneAreNotThoseOfTheNext) {
  add(group(1), 0x1000, false);
  auto asker = group(1);
  asker.device = &y;
  const platform::ReadSection section{port.sync};
  EXPECT_EQ(requests.add(asker, {.iova = 0x2000, .read = true}, true), Arrival::delivered);
  EXPECT_EQ(keeper.groups[0].device, &y);
  EXPECT_EQ(keeper.pages[0].size(), 1U);
}

// 10.4.2.1: a failure would end all page requests of the function.
TEST_F(Serving, AGroupThatIsGivenUpIsInvalidButItsHandlerMaySayFailed) {
  add(group(1));
  add(group(2));
  EXPECT_TRUE(requests.answer(keeper.groups[0].ticket, PageResponse::failed).ok());
  requests.settle(domain, PageResponse::failed);
  EXPECT_EQ(responder.sent, (std::vector{std::pair(std::uint16_t{1}, PageResponse::failed),
                                         std::pair(std::uint16_t{2}, PageResponse::invalid)}));
}

TEST_F(Serving, AHandlerThatGoesLeavesNothingUnanswered) {
  add(stall(1));
  struct Unit : FakeUnit {
    using FakeUnit::FakeUnit;
    void settle_page_requests(const iommu::Domain& d) override { settled = &d; }
    const iommu::Domain* settled{};
  } own{port};
  ServingDomain of_own{own};
  ASSERT_TRUE(of_own.set_page_request_handler(&keeper));
  ASSERT_TRUE(of_own.set_page_request_handler(nullptr));
  EXPECT_EQ(own.settled, &of_own);
  requests.settle(domain, PageResponse::failed);
  EXPECT_EQ(responder.answers(1), 1U);
}

TEST_F(Serving, WithoutMemoryThereIsNone) {
  PageRequests more{port.platform(), responder};
  for (std::uint64_t n = 1; n <= 2; ++n) {
    const auto before = port.memory.counts();
    port.memory.fail(n);
    EXPECT_EQ(more.make(8, 1), Errc::no_memory);
    port.memory.fail(0);
    EXPECT_EQ(port.memory.counts().live(), before.live());
  }
}

// One thread reads the hardware's queue, one answers, one replaces the attachment, one gives up: each of the groups
// is answered by exactly one of them.
TEST_F(ServingThreads, EachGroupIsAnsweredExactlyOnce) {
  constexpr std::uint16_t count = 1000;
  std::atomic<bool> done{false};
  std::jthread answerer{[&] {
    std::size_t next = 0;
    while (!done.load()) {
      const auto tickets = keeper.tickets();
      for (; next < tickets.size(); ++next) {
        static_cast<void>(requests.answer(tickets[next], PageResponse::served));
      }
      std::this_thread::yield();
    }
  }};
  std::jthread replacer{[&] {
    for (bool first = true; !done.load(); first = !first) {
      responder.domain.store(first ? &other : &domain);
      requests.settle(x, Target::rid(), PageResponse::served);
      std::this_thread::yield();
    }
  }};
  for (std::uint16_t tag = 0; tag < count; ++tag) {
    add(stall(tag));
  }
  done.store(true);
  answerer.join();
  replacer.join();
  requests.settle(x, PageResponse::failed);
  for (std::uint16_t tag = 0; tag < count; ++tag) {
    ASSERT_EQ(responder.answers(tag), 1U) << tag;
  }
  const auto c = requests.counters();
  EXPECT_EQ(c.answered + c.refused + c.settled + c.overflowed, count);
  EXPECT_EQ(c.groups, c.answered + c.settled);
}

} // namespace
} // namespace sluice::test
