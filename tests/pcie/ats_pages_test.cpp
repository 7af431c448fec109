#include "ats_engine.hpp"

namespace sluice::pcie {
namespace {

using model::test::AtsRig;
using model::test::s1_rw;

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

} // namespace
} // namespace sluice::pcie
