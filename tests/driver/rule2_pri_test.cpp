#include "pri_world.hpp"

#include <cstdio>

// Rule 2 while pages are asked for: a wait that runs out in a change leaves no request without its one answer.
namespace sluice::test {
namespace {

using arch::Opcode;
using arch::Ste;
using arch::SteConfig;
using driver::Code;
using iommu::PageResponse;
using iommu::Target;

// What is done to a device whose RID and PASIDs 1 and 2 have asked for pages.
struct Deed {
  const char* name;
  base::Result<iommu::Change> (*run)(PriWorld&);
};
const Deed deeds[] = {
    {"attach to a PASID", [](PriWorld& w) { return w.device->attach(w.serving(), Target::pasid(3)); }},
    {"replace of the RID by a domain that serves", [](PriWorld& w) { return w.device->replace(w.serving()); }},
    {"replace of a PASID by one that does not",
     [](PriWorld& w) { return w.device->replace(w.plain(), Target::pasid(1)); }},
    {"replace of the RID by identity", [](PriWorld& w) { return w.device->replace(w.m.smmu->identity()); }},
    {"detach of a PASID", [](PriWorld& w) { return w.device->detach(Target::pasid(1)); }},
    {"detach of the RID", [](PriWorld& w) { return w.device->detach(); }},
};

// Of requests 1 and 2 handlers know, 3 and 4 are in the queue, and of group 5 the last page has not come.
struct Asked : PriWorld {
  Asked() {
    EXPECT_TRUE(device->attach(serving()).ok());
    EXPECT_TRUE(device->attach(serving(), Target::pasid(1)).ok());
    EXPECT_TRUE(device->attach(serving(), Target::pasid(2)).ok());
    ask(1);
    ask(2, 1);
    poll();
    EXPECT_EQ(keeper.groups.size(), 2U);
    ask(3, 2);
    ask(4, 1);
    put(record(5, 0x9000, false));
    m.fake.forget();
    trace.clear();
  }
  unsigned answers(std::uint16_t group) const {
    const auto named = "answer " + std::to_string(group) + " ";
    return static_cast<unsigned>(std::ranges::count_if(all, [&](const auto& s) { return s.starts_with(named); }));
  }
  // Handlers answer as if nothing had happened, and what is in the queue is read; once all is over.
  void settle() {
    const auto answer_all = [&] {
      for (const auto& g : keeper.groups) {
        static_cast<void>(m.smmu->respond(g.ticket, PageResponse::served));
      }
    };
    answer_all();
    poll();
    answer_all();
    for (const auto& g : keeper.groups) {
      EXPECT_EQ(m.smmu->respond(g.ticket, PageResponse::served), Errc::not_found);
    }
    all = trace;
  }
  void expect_blocked() {
    EXPECT_TRUE(device->failed());
    EXPECT_TRUE(m.logged(Code::device_failed));
    EXPECT_FALSE(function.ats() || function.pri());
    EXPECT_EQ(m.ste(sid)->get(Ste::Config), SteConfig::abort);
  }
  PriTrace all;
};

// The SMMU stops after n commands, for all n.
TEST(Rule2WithPageRequests, AnSmmuThatStopsInAChangeLeavesNoneAnsweredTwice) {
  for (const Deed& deed : deeds) {
    std::uint64_t n = 0;
    for (bool whole = false; !whole; ++n) {
      SCOPED_TRACE(std::string{deed.name} + ", " + std::to_string(n));
      Asked w;
      w.m.fake.stop_after = w.m.fake.consumed() + n;
      const auto change = deed.run(w);
      ASSERT_TRUE(change.ok()) << "a time-out in a change is not an error of it";
      whole = change->confirmed;
      if (whole) {
        w.m.fake.stop_after = ~0ULL; // the change is over
        w.m.fake.go_on();
      } else {
        EXPECT_TRUE(w.m.smmu->failed());
        w.expect_blocked();
        EXPECT_EQ(w.device->attach(w.m.smmu->blocked(), Target::pasid(7)), Errc::smmu_failed);
      }
      w.settle();
      for (std::uint16_t g = 1; g <= 4; ++g) {
        // What was sent to a queue that has failed may not be consumed, but it is not sent once more.
        EXPECT_LE(w.answers(g), 1U) << g;
        EXPECT_TRUE(!whole || w.answers(g) == 1) << g;
      }
      EXPECT_EQ(w.answers(5), 0U);
      ASSERT_LT(n, 100U);
    }
    std::printf("%s: succeeded when the SMMU was to stop after %llu commands\n", deed.name,
                static_cast<unsigned long long>(n - 1));
  }
}

// The function never gets the n-th answer, for all n: where it has to stop asking, that is a wait that runs out.
TEST(Rule2WithPageRequests, AFunctionThatMissesAnAnswerIsBlockedWhereItHasToStopAndAllAreAnsweredOnce) {
  unsigned blocked = 0;
  for (const Deed& deed : deeds) {
    for (unsigned n = 0; n < 5; ++n) {
      SCOPED_TRACE(std::string{deed.name} + ", " + std::to_string(n));
      Asked w;
      unsigned seen = 0;
      w.m.fake.on_command = [&](const arch::Command& c) {
        const bool missed = c.get(arch::Command::Opcode) == Opcode::CMD_PRI_RESP && seen++ == n;
        w.function.outstanding += missed ? 1 : 0;
        w.note(c);
      };
      const auto change = deed.run(w);
      ASSERT_TRUE(change.ok());
      EXPECT_FALSE(w.m.smmu->failed());
      if (!change->confirmed) {
        ++blocked;
        EXPECT_TRUE(w.m.logged(Code::page_requests_not_stopped));
        w.expect_blocked();
        EXPECT_EQ(w.device->attach(w.m.smmu->blocked(), Target::pasid(7)), Errc::device_failed);
      }
      w.settle();
      for (std::uint16_t g = 1; g <= 4; ++g) {
        EXPECT_EQ(w.answers(g), 1U) << g;
      }
      w.m.fake.on_command = nullptr;
    }
  }
  // None of these deeds takes away the last domain that serves.
  EXPECT_EQ(blocked, 0U);
}

// All that serves goes at once: by one deed after others, and by removal.
TEST(Rule2WithPageRequests, WhereTheLastDomainThatServesGoesEachAnswerIsAwaited) {
  const auto last = [](PriWorld& w, bool detach) {
    EXPECT_TRUE(w.device->replace(w.m.smmu->identity()).ok());
    EXPECT_TRUE(w.device->replace(w.plain(), Target::pasid(1)).ok());
    return detach ? w.device->detach(Target::pasid(2)) : w.device->replace(w.plain(), Target::pasid(2));
  };
  for (const bool detach : {false, true}) {
    for (std::uint16_t lost = 0; lost <= 4; ++lost) { // 0: none
      SCOPED_TRACE(lost);
      Asked w;
      w.asked[lost] = 0; // the function does not learn of this answer
      const auto change = last(w, detach);
      ASSERT_TRUE(change.ok());
      EXPECT_EQ(change->confirmed, lost == 0);
      EXPECT_EQ(w.device->failed(), lost != 0);
      if (lost != 0) {
        EXPECT_TRUE(w.m.logged(Code::page_requests_not_stopped));
        w.expect_blocked();
      }
      w.settle();
      for (std::uint16_t g = 1; g <= 4; ++g) {
        EXPECT_EQ(w.answers(g), 1U) << g;
      }
    }
  }
}

TEST(Rule2WithPageRequests, ARemovalThatIsNotConfirmedReusesNothing) {
  for (std::uint64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    Asked w;
    w.m.fake.stop_after = w.m.fake.consumed() + n;
    const auto held = w.m.port.memory.counts().dma_blocks;
    ASSERT_TRUE(w.m.remove(*w.device));
    const bool failed = w.m.smmu->failed();
    EXPECT_FALSE(w.function.ats() || w.function.pri());
    EXPECT_EQ(w.m.ste(PriWorld::sid)->get(Ste::Config), SteConfig::abort);
    if (failed) {
      EXPECT_TRUE(w.m.logged(Code::sync_timed_out));
      EXPECT_EQ(w.m.try_paging({}), Errc::smmu_failed);
    } else {
      w.m.fake.stop_after = ~0ULL;
      w.m.fake.go_on();
      EXPECT_LT(w.m.port.memory.counts().dma_blocks, held) << "the table of CDs has gone";
    }
    w.settle();
    for (std::uint16_t g = 1; g <= 4; ++g) {
      EXPECT_LE(w.answers(g), 1U) << g;
      EXPECT_TRUE(failed || w.answers(g) == 1) << g;
    }
    if (!failed) {
      std::printf("a removal succeeded when the SMMU was to stop after %llu commands\n",
                  static_cast<unsigned long long>(n));
      EXPECT_GT(n, 8U);
      return;
    }
    ASSERT_LT(n, 100U);
  }
}

} // namespace
} // namespace sluice::test
