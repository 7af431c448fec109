#include "pri_world.hpp"

// 10.4.2.1: a function that is told of a failure asks for no more pages until it is reset. Who told it decides when.
namespace sluice::test {
namespace {

using arch::GERROR;
using driver::Code;
using iommu::PageResponse;

struct PriFailure : testing::Test, PriWorld {
  // 8.1: a request whose record could not be written is answered with a failure, and so are all others until the error
  // is acknowledged.
  void lose_a_request() {
    function.fail_pri();
    m.fake.raise(GERROR{}.with(GERROR::PRIQ_ABT_ERR, 1));
  }
  // What a handler says comes to the function.
  void fail_by_handler(std::uint16_t group) {
    ask(group);
    poll();
    EXPECT_TRUE(m.smmu->respond(keeper.groups.back().ticket, PageResponse::failed).ok());
    function.fail_pri();
  }
  // Of what was done to the capability alone.
  PriTrace switches() {
    PriTrace seen = take();
    std::erase_if(seen, [](const auto& s) { return !s.starts_with("PRI") && !s.starts_with("ATS"); });
    return seen;
  }
};

TEST_F(PriFailure, OfTheSmmuIsOverWhenItsErrorIsAcknowledgedAndTheFunctionAsksAgain) {
  ASSERT_TRUE(device->attach(serving()).ok());
  trace.clear();
  lose_a_request();
  poll();
  EXPECT_EQ(switches(), (PriTrace{"PRI off", "PRI on"}));
  EXPECT_FALSE(function.pri_failed());
  EXPECT_EQ(function.allocation(), 32U);
  EXPECT_TRUE(m.logged(Code::page_requests_restarted));
  ask(1);
  poll();
  EXPECT_EQ(keeper.groups.size(), 1U);
}

// The answer that the SMMU gave is still on its way when the error is acknowledged.
TEST_F(PriFailure, OfTheSmmuMayComeToTheFunctionLater) {
  ASSERT_TRUE(device->attach(serving()).ok());
  m.fake.raise(GERROR{}.with(GERROR::PRIQ_ABT_ERR, 1));
  poll();
  trace.clear();
  function.fail_pri();
  poll();
  EXPECT_EQ(switches(), (PriTrace{"PRI off", "PRI on"}));
}

TEST_F(PriFailure, IsNotLookedForWhenTheTimeForItIsOver) {
  ASSERT_TRUE(device->attach(serving()).ok());
  m.fake.raise(GERROR{}.with(GERROR::PRIQ_ABT_ERR, 1));
  poll();
  const std::uint64_t end = m.port.time.now_ns() + 3 * Machine::quick().timeout_us * 1000;
  ASSERT_TRUE(platform::wait_until(m.port.time, 1'000'000, [&] { return m.port.time.now_ns() > end; }));
  poll();
  trace.clear();
  function.fail_pri(); // by nobody that we know
  poll();
  EXPECT_EQ(switches(), PriTrace{});
}

TEST_F(PriFailure, OfTheSmmuAnswersWhatWaitsSoThatItIsAskedForAgain) {
  ASSERT_TRUE(device->attach(serving()).ok());
  ask(1);
  poll();
  ask(2); // in the queue
  trace.clear();
  lose_a_request();
  poll();
  auto seen = take();
  std::ranges::sort(seen);
  EXPECT_EQ(seen, (PriTrace{"PRI off", "PRI on", "answer 1 success", "answer 2 success"}));
  EXPECT_EQ(m.smmu->respond(keeper.groups[0].ticket, PageResponse::served), Errc::not_found);
}

TEST_F(PriFailure, OfTheSmmuConcernsNoFunctionThatWasNotTold) {
  PriWorld::Neighbour other{*this, 0x77};
  auto& domain = serving();
  ASSERT_TRUE(device->attach(domain).ok());
  ASSERT_TRUE(other.device->attach(domain).ok());
  unsigned switched = 0;
  other.function.on_pri = [&](bool) { ++switched; };
  lose_a_request();
  poll();
  EXPECT_EQ(switched, 0U);
  EXPECT_TRUE(function.pri() && other.function.pri());
}

TEST_F(PriFailure, OfAQueueThatCannotBeWrittenIsNotTriedForEver) {
  ASSERT_TRUE(device->attach(serving()).ok());
  trace.clear();
  for (int i = 0; i < 10; ++i) {
    lose_a_request();
    poll();
  }
  EXPECT_EQ(switches().size(), 2U * 3) << "three times";
  EXPECT_TRUE(m.logged(Code::page_requests_given_up));
  EXPECT_TRUE(function.pri_failed()) << "it asks for nothing";
  EXPECT_FALSE(device->failed()) << "and goes on with the translations that it gets";
  ASSERT_TRUE(device->replace(serving()).ok());
  EXPECT_FALSE(function.pri_failed()) << "who attaches it anew tries it once more";
}

TEST_F(PriFailure, IsForgottenWhenRequestsHaveComeThroughAgain) {
  ASSERT_TRUE(device->attach(serving()).ok());
  for (std::uint16_t i = 0; i < 10; ++i) {
    lose_a_request();
    poll();
    EXPECT_FALSE(function.pri_failed());
    ask(i);
    poll();
  }
  EXPECT_FALSE(m.logged(Code::page_requests_given_up));
}

// Rule 8. Nothing that it has is stale, so that there is no reason to block it.
TEST_F(PriFailure, OfAFunctionThatDoesNotStopLeavesItWithoutPageRequests) {
  ASSERT_TRUE(device->attach(serving()).ok());
  function.outstanding = 1; // whose answer was lost
  lose_a_request();
  poll();
  EXPECT_FALSE(function.pri());
  EXPECT_TRUE(function.ats());
  EXPECT_TRUE(m.logged(Code::page_requests_not_stopped));
  EXPECT_FALSE(device->failed() || m.smmu->failed());
}

TEST_F(PriFailure, OfAHandlerHoldsUntilItsAttachmentEnds) {
  auto& first = serving();
  ASSERT_TRUE(device->attach(first).ok());
  fail_by_handler(1);
  lose_a_request(); // of another function
  trace.clear();
  poll();
  EXPECT_EQ(switches(), PriTrace{});
  ASSERT_TRUE(device->replace(serving()).ok());
  EXPECT_EQ(switches(), (PriTrace{"PRI off", "PRI on"})) << "between, it has the new domain's translations";
  EXPECT_FALSE(function.pri_failed());
  ask(2);
  poll();
  EXPECT_EQ(keeper.groups.back().domain, serving_domains[1]);
}

TEST_F(PriFailure, OfAHandlerEndsWithTheDetachOfOneOfSeveralTargets) {
  auto& domain = serving();
  ASSERT_TRUE(device->attach(domain).ok());
  ASSERT_TRUE(device->attach(domain, Target::pasid(1)).ok());
  ASSERT_TRUE(device->attach(plain(), Target::pasid(2)).ok());
  fail_by_handler(1);
  trace.clear();
  ASSERT_TRUE(device->detach(Target::pasid(2)).ok());
  EXPECT_EQ(switches(), PriTrace{}) << "it served nothing";
  ASSERT_TRUE(device->detach(Target::pasid(1)).ok());
  EXPECT_EQ(switches(), (PriTrace{"PRI off", "PRI on"}));
  EXPECT_TRUE(function.ats());
}

} // namespace
} // namespace sluice::test
