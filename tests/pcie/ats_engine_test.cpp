#include "ats_rig.hpp"

namespace sluice::pcie {
namespace {

using arch::cmd::atc_inv;
using arch::cmd::atc_inv_pasid;
using model::test::AtsRig;
using model::test::s1_ro;
using model::test::s1_rw;

constexpr std::uint64_t at_iova = 0x40'0000;
constexpr std::uint64_t at_frame = 0x60'0000;

class AtsEngineTest : public testing::Test, public AtsEngine {
protected:
  AtsEngineTest() {
    rig.map(tree, at_iova, at_frame, s1_rw);
    rig.ram.put(at_frame, 0x11);
  }
  std::uint64_t value{};
  const model::PortCounters& counters() { return counters_ = rig.port->counters(); }
  model::PortCounters counters_;
};

TEST_F(AtsEngineTest, WithoutATSEnableItsAccessesAreUntranslated) {
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x11u);
  EXPECT_EQ(counters().translated, 0u);
}

TEST_F(AtsEngineTest, WithATSEnableItAsksOnceAndGoesTranslated) {
  enable_ats();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(read(at_iova, value).complete());
  }
  EXPECT_EQ(value, 0x11u);
  EXPECT_EQ(counters().translation_requests, 1u);
  EXPECT_EQ(counters().translated, 3u);
}

TEST_F(AtsEngineTest, AWriteOfAReadOnlyPageIsNotMade) {
  enable_ats();
  rig.map(tree, at_iova + 0x1000, at_frame + 0x1000, s1_ro);
  EXPECT_TRUE(read(at_iova + 0x1000, value).complete());
  const auto report = write(at_iova + 0x1000, 5);
  ASSERT_TRUE(report.abort);
  EXPECT_EQ(counters().translated, 1u);
  EXPECT_EQ(rig.ram.get(at_frame + 0x1000), 0u);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(AtsEngineTest, WhatIsCachedIsUsedUntilItIsInvalidated) {
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  rig.map(tree, at_iova, at_frame + 0x1000, s1_rw);
  rig.ram.put(at_frame + 0x1000, 0x22);
  rig.run({arch::cmd::tlbi_nsnh_all()});
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x11u);
  rig.run({atc_inv(sid, at_iova + 0x1000, 0)});
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x11u) << "another page";
  rig.run({atc_inv(sid + 1, at_iova, 0)});
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x11u) << "another stream";
  rig.run({atc_inv(sid, at_iova, 0)});
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(value, 0x22u);
}

TEST_F(AtsEngineTest, SwitchedOffItUsesNothingAndSwitchedOnItKnowsNothing) {
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  driver().disable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translated, 1u);
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translation_requests, 2u);
}

TEST_F(AtsEngineTest, ASlowEndpointHoldsUpTheSYNC) {
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  engine.ats()->set_manner(Ats::Manner::slow);
  rig.submit(atc_inv(sid, at_iova, 0));
  rig.submit(arch::cmd::sync());
  EXPECT_FALSE(rig.drained());
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translation_requests, 1u) << "without effect until it completes";
  engine.ats()->complete_all();
  EXPECT_TRUE(rig.drained());
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translation_requests, 2u);
}

TEST_F(AtsEngineTest, ALostCompletionDoesNotComplete) {
  enable_ats();
  engine.ats()->set_manner(Ats::Manner::loses);
  rig.submit(atc_inv(sid, at_iova, 0));
  rig.submit(arch::cmd::sync());
  engine.ats()->complete_all();
  EXPECT_FALSE(rig.drained());
}

TEST_F(AtsEngineTest, AnEngineWithoutATSDoesNotSupportInvalidations) {
  CopyEngine plain{{sid, sid}};
  EXPECT_EQ(plain.invalidate_atc({.stream_id = sid}), model::AtcAnswer::unsupported);
  EXPECT_EQ(plain.ats(), nullptr);
}

TEST_F(AtsEngineTest, AResetForgetsEverything) {
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  engine.reset();
  EXPECT_FALSE(driver().ats_enabled());
  enable_ats();
  EXPECT_TRUE(read(at_iova, value).complete());
  EXPECT_EQ(counters().translation_requests, 2u);
}

// Contexts
class AtsContexts : public AtsEngineTest {
protected:
  AtsContexts() {
    const std::uint64_t cds = rig.ram.alloc(64 * 64, 4096);
    for (std::uint32_t pasid = 1; pasid < 4; ++pasid) {
      trees[pasid] = rig.tree();
      rig.put(cds + pasid * 64, rig.cd(trees[pasid], static_cast<std::uint16_t>(pasid)));
      rig.map(trees[pasid], at_iova, at_frame + pasid * 0x1000, s1_rw);
      rig.ram.put(at_frame + pasid * 0x1000, 0x100 + pasid);
      engine.set_context(pasid + 8, pasid);
    }
    rig.put_ste(sid, rig.full(rig.stage1_ste(cds)).set(arch::Ste::S1CDMax, 6));
  }
  model::test::Tree trees[4];
};

TEST_F(AtsContexts, EachGoesByItsOwnPASID) {
  ASSERT_TRUE(driver().enable_pasid(false, false).ok());
  for (const bool ats : {false, true}) {
    if (ats) {
      enable_ats();
    }
    for (unsigned pasid = 1; pasid < 4; ++pasid) {
      EXPECT_TRUE(read(at_iova, value, pasid + 8).complete());
      EXPECT_EQ(value, 0x100 + pasid);
    }
  }
  EXPECT_EQ(counters().translation_requests, 3u);
}

TEST_F(AtsContexts, AnInvalidationOfOnePASIDLeavesTheOthers) {
  ASSERT_TRUE(driver().enable_pasid(false, false).ok());
  enable_ats();
  const auto requests_after = [&](const arch::Command& c) {
    for (unsigned pasid = 1; pasid < 4; ++pasid) {
      EXPECT_TRUE(read(at_iova, value, pasid + 8).complete());
    }
    const auto before = counters().translation_requests;
    rig.run({c});
    for (unsigned pasid = 1; pasid < 4; ++pasid) {
      EXPECT_TRUE(read(at_iova, value, pasid + 8).complete());
    }
    return counters().translation_requests - before;
  };
  EXPECT_EQ(requests_after(atc_inv_pasid(sid, 2, 0, 52)), 1u);
  EXPECT_EQ(requests_after(atc_inv(sid, 0, 52)), 0u) << "of accesses without PASID";
  EXPECT_EQ(requests_after(atc_inv_pasid(sid, 2, 0, 52, true)), 3u);
}

TEST_F(AtsContexts, WithoutPASIDEnableOrAPASIDNothingIsIssued) {
  EXPECT_TRUE(read(at_iova, value, 9).no_pasid);
  ASSERT_TRUE(driver().enable_pasid(false, false).ok());
  EXPECT_TRUE(read(at_iova, value, 2).no_pasid) << "a context that has none";
  EXPECT_TRUE(read(at_iova, value, 99).no_pasid);
  engine.set_context(2, 0x100); // 8 bits
  EXPECT_TRUE(read(at_iova, value, 2).no_pasid);
  EXPECT_EQ(counters().faults, 0u);
}

TEST_F(AtsContexts, AJobIsDoneInItsContext) {
  ASSERT_TRUE(driver().enable_pasid(false, false).ok());
  enable_ats();
  rig.map(trees[2], at_iova + 0x1000, at_frame + 0x8000, s1_rw);
  EXPECT_TRUE(engine.copy(*rig.port, {at_iova, at_iova + 0x1000, 0x1000, 10}).complete());
  EXPECT_EQ(rig.ram.get(at_frame + 0x8000), 0x102u);
}

// 10.4
class AtsPages : public AtsEngineTest {
protected:
  AtsPages() {
    enable_ats();
    EXPECT_TRUE(driver().enable_pri(4).ok());
  }
  static constexpr std::uint64_t absent = at_iova + 0x10'0000;
  void page_in(std::uint64_t iova, std::uint64_t frame) { rig.map(tree, iova, frame, s1_rw); }
  void respond(std::uint16_t index, arch::PriResponse code = arch::PriResponse::success) {
    rig.run({arch::cmd::pri_resp(sid, index, code)});
  }
};

TEST_F(AtsPages, AJobWaitsForAPageAndGoesOnWhenItIsThere) {
  CopyTask task{{at_iova, absent, 0x1000}};
  engine.advance(*rig.port, task);
  EXPECT_TRUE(task.waiting());
  const auto asked = rig.page_requests();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].get(arch::PriRecord::PageAddr), absent);
  EXPECT_TRUE(asked[0].get(arch::PriRecord::W) && asked[0].get(arch::PriRecord::Last));
  engine.advance(*rig.port, task);
  EXPECT_TRUE(task.waiting());
  EXPECT_TRUE(rig.page_requests().empty()) << "it is asked for once";
  page_in(absent, at_frame + 0x4000);
  respond(static_cast<std::uint16_t>(asked[0].get(arch::PriRecord::PRGIndex)));
  engine.advance(*rig.port, task);
  EXPECT_TRUE(task.report().complete());
  EXPECT_EQ(task.report().moved, 0x1000u);
  EXPECT_EQ(rig.ram.get(at_frame + 0x4000), 0x11u);
}

TEST_F(AtsPages, APageThatDoesNotExistAbortsTheJob) {
  CopyTask task{{absent, at_iova, 8}};
  engine.advance(*rig.port, task);
  respond(static_cast<std::uint16_t>(rig.page_requests().at(0).get(arch::PriRecord::PRGIndex)),
          arch::PriResponse::invalid_request);
  engine.advance(*rig.port, task);
  EXPECT_FALSE(task.waiting());
  ASSERT_TRUE(task.report().abort);
  EXPECT_EQ(task.report().abort->iova, absent);
}

TEST_F(AtsPages, APageThatIsPromisedAndDoesNotComeIsAskedForFourTimes) {
  CopyTask task{{absent, at_iova, 8}};
  unsigned asked = 0;
  for (; engine.advance(*rig.port, task), task.waiting() && asked < 10; ++asked) {
    respond(static_cast<std::uint16_t>(rig.page_requests().at(0).get(arch::PriRecord::PRGIndex)));
  }
  EXPECT_EQ(asked, 4u);
  EXPECT_TRUE(task.report().abort);
}

TEST_F(AtsPages, NoMoreRequestsThanAllocatedAreUnderWay) {
  std::vector<CopyTask> tasks;
  for (unsigned i = 0; i < 5; ++i) {
    tasks.emplace_back(CopyJob{absent + i * 0x1000, at_iova, 8});
    engine.advance(*rig.port, tasks.back());
  }
  EXPECT_TRUE(tasks[3].waiting());
  EXPECT_TRUE(tasks[4].report().abort);
  EXPECT_EQ(rig.page_requests().size(), 4u);
}

TEST_F(AtsPages, WithoutPRIEnableAnAbsentPageAbortsTheJob) {
  driver().disable_pri();
  EXPECT_TRUE(driver().pri_stopped());
  CopyTask task{{absent, at_iova, 8}};
  engine.advance(*rig.port, task);
  EXPECT_TRUE(task.report().abort);
  EXPECT_TRUE(rig.page_requests().empty());
}

TEST_F(AtsPages, ItIsStoppedWhenItsLastRequestIsAnswered) {
  CopyTask task{{absent, at_iova, 8}};
  engine.advance(*rig.port, task);
  driver().disable_pri();
  EXPECT_FALSE(driver().pri_stopped());
  respond(static_cast<std::uint16_t>(rig.page_requests().at(0).get(arch::PriRecord::PRGIndex)));
  EXPECT_TRUE(driver().pri_stopped());
}

TEST_F(AtsPages, AResponseFailureEndsPRIUntilItIsEnabledAnew) {
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::priqen); // each request fails
  CopyTask task{{absent, at_iova, 8}};
  engine.advance(*rig.port, task);
  engine.advance(*rig.port, task);
  EXPECT_TRUE(task.report().abort);
  rig.w32<arch::CR0>(AtsRig::all);
  CopyTask again{{absent, at_iova, 8}};
  engine.advance(*rig.port, again);
  EXPECT_TRUE(again.report().abort);
  EXPECT_TRUE(rig.page_requests().empty());
  driver().disable_pri();
  ASSERT_TRUE(driver().enable_pri(4).ok());
  CopyTask third{{absent, at_iova, 8}};
  engine.advance(*rig.port, third);
  EXPECT_TRUE(third.waiting());
}

TEST_F(AtsPages, AResponseThatNobodyWaitsForIsUnexpected) {
  const std::uint16_t at = platform::pci::find_extended(*this, platform::pci::pri_id);
  respond(77);
  EXPECT_NE(config_read(static_cast<std::uint16_t>(at + platform::pci::pri_status), 2) &
                platform::pci::pri_unexpected_index,
            0u);
}

TEST(AtsGroups, OneGroupAsksForSeveralPagesAndEndsWithTheLast) {
  auto c = AtsEngine::config();
  c.pages_ahead = 3;
  AtsEngine e{c};
  e.enable_ats();
  ASSERT_TRUE(e.driver().enable_pri(8).ok());
  CopyTask task{{at_iova, at_iova + 0x8000, 0x5000}};
  e.engine.advance(*e.rig.port, task);
  const auto asked = e.rig.page_requests();
  ASSERT_EQ(asked.size(), 3u);
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(asked[i].get(arch::PriRecord::PageAddr), at_iova + i * 0x1000);
    EXPECT_EQ(asked[i].get(arch::PriRecord::Last), i == 2 ? 1u : 0u);
    EXPECT_EQ(asked[i].get(arch::PriRecord::PRGIndex), asked[0].get(arch::PriRecord::PRGIndex));
  }
}

TEST(AtsGroups, APageThatSoftwareForgetsAbortsTheJobInTheEnd) {
  auto c = AtsEngine::config();
  c.ats.page_wait_us = 1000;
  AtsEngine e{c};
  e.enable_ats();
  ASSERT_TRUE(e.driver().enable_pri(8).ok());
  CopyTask task{{at_iova, at_iova + 0x8000, 8}};
  EXPECT_TRUE(platform::wait_until(e.rig.time, 5'000'000, [&] {
    e.engine.advance(*e.rig.port, task);
    return !task.waiting();
  }));
  EXPECT_TRUE(task.report().abort);
}

// The cache alone
class AtcTest : public testing::Test {
protected:
  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  Atc atc{sync, 4};
  static model::TranslationCompletion to(std::uint64_t address, std::uint8_t log2 = 12) {
    return {.status = model::TranslationCompletion::Status::success,
            .address = address,
            .log2_size = log2,
            .read = true,
            .write = true};
  }
};

TEST_F(AtcTest, WhatIsOlderThanAnInvalidationIsNotKept) {
  const auto before = atc.generation();
  atc.invalidate({.address = 0x9000});
  atc.insert({.address = 0x1000}, to(0x5000), before);
  EXPECT_FALSE(atc.find({.address = 0x1000}));
  EXPECT_EQ(atc.counters().too_late, 1u);
  atc.insert({.address = 0x1000}, to(0x5000), atc.generation());
  EXPECT_EQ(atc.find({.address = 0x1008}), 0x5008u);
}

TEST_F(AtcTest, APartOfABlockTakesAllOfItAway) {
  atc.insert({.address = 0x23'4000}, to(0x60'0000, 21), atc.generation());
  EXPECT_EQ(atc.find({.address = 0x20'0010}), 0x60'0010u);
  atc.invalidate({.address = 0x3f'f000, .log2_size = 12});
  EXPECT_FALSE(atc.find({.address = 0x20'0010}));
  atc.insert({.address = 0x1000}, to(0x5000), atc.generation());
  atc.invalidate({.log2_size = model::AtcInvalidation::everything});
  EXPECT_FALSE(atc.find({.address = 0x1000}));
}

TEST_F(AtcTest, TheOldestGoesForTheNewest) {
  for (std::uint64_t i = 1; i <= 5; ++i) {
    atc.insert({.address = i << 12}, to(i << 20), atc.generation());
  }
  EXPECT_FALSE(atc.find({.address = 0x1000}));
  EXPECT_TRUE(atc.find({.address = 0x2000}) && atc.find({.address = 0x5000}));
}

TEST_F(AtcTest, PrivilegeAndRightsAreToldApart) {
  atc.insert({.pasid = 1, .address = 0x1000, .privileged = true}, to(0x5000), atc.generation());
  EXPECT_TRUE(atc.find({.pasid = 1, .address = 0x1000, .privileged = true}));
  EXPECT_FALSE(atc.find({.pasid = 1, .address = 0x1000}));
  EXPECT_FALSE(atc.find({.address = 0x1000, .privileged = true}));
  EXPECT_FALSE(atc.find({.pasid = 1, .address = 0x1000, .execute = true, .privileged = true}));
}

TEST_F(AtcTest, WhatMustNotBeCachedIsNot) {
  auto c = to(0x5000);
  c.untranslated_only = true;
  atc.insert({.address = 0x1000}, c, atc.generation());
  c = to(0x5000);
  c.read = c.write = false;
  atc.insert({.address = 0x1000}, c, atc.generation());
  EXPECT_FALSE(atc.find({.address = 0x1000}));
}

} // namespace
} // namespace sluice::pcie
