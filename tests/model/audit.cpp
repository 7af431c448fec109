#include "rig.hpp"

namespace sluice::model::test {
namespace {

using namespace arch::cmd;

// Stream 1: stage 1 with ASID 1. Stream 2: stage 2 with VMID 7. Both have 0x1000 and 0x2000 mapped and cached.
struct AuditTest : testing::Test {
  AuditTest() {
    s1 = rig.stage1_stream(1).tree;
    s2 = rig.stage2_tree();
    rig.put_ste(2, rig.stage2_ste(s2, 7));
    for (const std::uint64_t va : {0x1000U, 0x2000U}) {
      rig.map(s1, va, page + va, s1_rw);
      rig.map(s2, va, page + va, s2_rw);
    }
    touch();
  }
  void touch() {
    for (const std::uint64_t va : {0x1000U, 0x2000U}) {
      EXPECT_TRUE(rig.pa(1, va));
      EXPECT_TRUE(rig.pa(2, va));
    }
  }
  Audit audit(std::vector<Command> scope = {}) { return rig.port->audit(scope); }

  static constexpr std::uint64_t page = 0x10'0000;
  Rig rig;
  Tree s1, s2;
};

TEST_F(AuditTest, WhatTheTablesSayIsNotStale) {
  const auto found = audit();
  EXPECT_EQ(found.compared, 4u);
  EXPECT_TRUE(found.stale.empty());
}

TEST_F(AuditTest, APageThatHasMovedIsReportedWithBothAddresses) {
  rig.map(s1, 0x2000, 0x30'0000, s1_rw);
  const auto stale = audit().stale;
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].stream_id, 1u);
  EXPECT_EQ(stale[0].address, 0x2000u);
  EXPECT_FALSE(stale[0].by_ipa);
  EXPECT_EQ(stale[0].cached, page + 0x2000);
  EXPECT_EQ(stale[0].fresh, 0x30'0000u);
}

TEST_F(AuditTest, AnUnmappedPageIsReportedWithItsFault) {
  rig.ram.put(rig.slot(s1, 0x1000, 3), 0);
  const auto stale = audit().stale;
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].fresh, std::nullopt);
  EXPECT_EQ(stale[0].event, EventType::F_TRANSLATION);
}

TEST_F(AuditTest, RightsThatWereTakenAwayAreStaleAndThoseGivenAreNot) {
  rig.map(s2, 0x1000, page + 0x1000, s2_ro);
  EXPECT_EQ(audit().stale.size(), 1u);
  rig.run({tlbi_s12_vmall(7)});
  touch();
  rig.map(s2, 0x1000, page + 0x1000, s2_rw);
  EXPECT_TRUE(audit().stale.empty());
}

TEST_F(AuditTest, AStage2TranslationIsNamedByItsIpa) {
  rig.map(s2, 0x1000, 0x30'0000, s2_rw);
  const auto stale = audit().stale;
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].stream_id, 2u);
  EXPECT_TRUE(stale[0].by_ipa);
}

TEST_F(AuditTest, TheCachesStayAsTheyAre) {
  rig.map(s1, 0x2000, 0x30'0000, s1_rw);
  EXPECT_EQ(audit().stale.size(), 1u);
  EXPECT_EQ(rig.pa(1, 0x2000), page + 0x2000) << "still stale";
  EXPECT_EQ(audit().stale.size(), 1u);
}

TEST_F(AuditTest, AnInvalidationLeavesNothingToFind) {
  rig.map(s1, 0x2000, 0x30'0000, s1_rw);
  rig.run({tlbi_nh_all(0)});
  EXPECT_TRUE(audit().stale.empty());
}

TEST_F(AuditTest, OnlyWhatACommandIsAboutIsCompared) {
  for (const std::uint64_t va : {0x1000U, 0x2000U}) {
    rig.map(s1, va, 0x30'0000 + va, s1_rw);
    rig.map(s2, va, 0x30'0000 + va, s2_rw);
  }
  EXPECT_EQ(audit({tlbi_nh_va(0, 1, 0x2000, true)}).stale.size(), 1u);
  EXPECT_EQ(audit({tlbi_nh_va(0, 1, 0x2000, true)}).stale.front().address, 0x2000u);
  EXPECT_EQ(audit({tlbi_nh_va(0, 2, 0x2000, true)}).compared, 0u) << "another ASID";
  EXPECT_EQ(audit({tlbi_nh_va(3, 1, 0x2000, true)}).compared, 0u) << "another VMID";
  EXPECT_EQ(audit({tlbi_nh_asid(0, 1)}).stale.size(), 2u);
  EXPECT_EQ(audit({tlbi_s2_ipa(7, 0x1000, true)}).stale.size(), 1u);
  EXPECT_EQ(audit({tlbi_s12_vmall(7)}).stale.size(), 2u);
  EXPECT_EQ(audit({tlbi_nh_va(0, 1, 0x1000, true), tlbi_s2_ipa(7, 0x2000, true)}).stale.size(), 2u);
  EXPECT_EQ(audit({cfgi_all()}).compared, 0u);
}

TEST_F(AuditTest, APieceOfABlockIsInTheScopeOfAnyAddressOfTheBlock) {
  rig.map(s1, 0x20'0000, 0x40'0000, s1_rw, 2);
  EXPECT_TRUE(rig.pa(1, 0x20'5000));
  rig.map(s1, 0x20'0000, 0x60'0000, s1_rw, 2);
  EXPECT_EQ(audit({tlbi_nh_va(0, 1, 0x20'0000, true)}).stale.size(), 1u);
}

TEST_F(AuditTest, WhatNoStreamLeadsToIsOutOfReach) {
  rig.map(s1, 0x2000, 0x30'0000, s1_rw);
  rig.run({cfgi_ste(1, true)});
  const auto found = audit();
  EXPECT_EQ(found.out_of_reach, 2u);
  EXPECT_TRUE(found.stale.empty());
  EXPECT_EQ(rig.pa(1, 0x1000), page + 0x1000);
  EXPECT_EQ(audit().stale.size(), 1u) << "now it does again";
}

TEST_F(AuditTest, BothStagesOfANestedTranslationCount) {
  constexpr std::uint64_t offset = 0x10'0000'0000;
  const auto expose = [&](std::uint64_t pa) { rig.map(s2, (pa & ~0xfffULL) + offset, pa & ~0xfffULL, s2_rw); };
  Tree guest = rig.tree();
  Tree by_ipa = guest;
  by_ipa.root += offset;
  const std::uint64_t cd_at = rig.ram.alloc(4096);
  rig.put(cd_at, rig.cd(by_ipa, 5));
  rig.put_ste(3, rig.nested(rig.stage1_ste(cd_at + offset), rig.stage2_ste(s2, 7)));
  rig.map(guest, 0x5000, page + offset, s1_rw, 3, offset);
  for (int level = 1; level <= 3; ++level) {
    expose(rig.slot(guest, 0x5000, level, offset));
  }
  expose(cd_at);
  expose(page);
  ASSERT_EQ(rig.pa(3, 0x5000), page);
  EXPECT_TRUE(audit().stale.empty());

  rig.ram.put(rig.slot(guest, 0x5000, 3, offset), 0); // the guest's own page, and then the host's beneath it
  EXPECT_EQ(audit({tlbi_nh_va(7, 5, 0x5000, true)}).stale.size(), 1u);
  rig.map(guest, 0x5000, page + offset, s1_rw, 3, offset);
  rig.map(s2, page + offset, 0x30'0000, s2_rw);
  EXPECT_EQ(audit({tlbi_nh_va(7, 5, 0x5000, true)}).stale.size(), 1u);
  EXPECT_EQ(audit({tlbi_s2_ipa(7, page + offset, true)}).stale.size(), 1u);
}

TEST_F(AuditTest, AnAccessIsKnownByItsStages) {
  rig.put_ste(4, rig.bypass_ste());
  EXPECT_TRUE(rig.pa(4, 0x1000));
  EXPECT_EQ(rig.port->stages_of({.stream_id = 1}), Stages::first);
  EXPECT_EQ(rig.port->stages_of({.stream_id = 2}), Stages::second);
  EXPECT_EQ(rig.port->stages_of({.stream_id = 4}), Stages::none);
  EXPECT_EQ(rig.port->stages_of({.stream_id = 5}), std::nullopt) << "no access yet";
}

} // namespace
} // namespace sluice::model::test
