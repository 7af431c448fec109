#include "httu.hpp"

// 3.13 with both stages: the update of a stage 1 descriptor is a write through stage 2.
namespace sluice::model::test {
namespace {

// Guest memory at IPA = PA + offset; all of it is mapped by pages that stage 2 keeps the state of.
struct HttuNested : testing::Test {
  static constexpr std::uint64_t offset = 0x10'0000'0000;
  HttuNested()
      : rig{with_httu()}, s2{rig.stage2_tree()}, s1{rig.tree()}, page{rig.ram.alloc(4096)}, cd_at{rig.ram.alloc(4096)} {
    Tree guest = s1;
    guest.root += offset;
    rig.put(cd_at, rig.cd(guest).set(Cd::HA, 1).set(Cd::HD, 1));
    rig.put_ste(1, rig.nested(rig.stage1_ste(cd_at + offset), rig.stage2_ste(s2).set(Ste::S2HA, 1).set(Ste::S2HD, 1)));
    expose(cd_at);
  }
  std::uint64_t expose(std::uint64_t pa, std::uint64_t flags = s2_clean & ~af) {
    return rig.map(s2, (pa & ~0xfffULL) + offset, pa & ~0xfffULL, flags);
  }
  std::uint64_t map(std::uint64_t va, std::uint64_t flags) {
    const auto at = rig.map(s1, va, page + offset, flags, 3, offset);
    for (int level = 1; level <= 3; ++level) {
      leaf_of[level] = expose(rig.slot(s1, va, level, offset));
    }
    return at;
  }
  bool accessed(std::uint64_t at) const { return (rig.ram.get(at) & af) != 0; }
  bool dirty(std::uint64_t at) const { return (rig.ram.get(at) & s2ap1) != 0; }

  Rig rig;
  Tree s2, s1;
  std::uint64_t page, cd_at;
  std::uint64_t leaf_of[4]{};
};

TEST_F(HttuNested, AReadAccessesAllThatItWentThroughAndDirtiesNothing) {
  map(0x1000, s1_clean);
  const auto of_page = expose(page);
  EXPECT_TRUE(rig.read(1, 0x1000).served());
  for (const auto at : {leaf_of[1], leaf_of[2], leaf_of[3], of_page}) {
    EXPECT_TRUE(accessed(at));
    EXPECT_FALSE(dirty(at));
  }
}

TEST_F(HttuNested, AnUpdateOfAStage1DescriptorDirtiesItsPageAtStage2) {
  const auto at = map(0x1000, s1_rw & ~af);
  const auto of_page = expose(page);
  EXPECT_TRUE(rig.read(1, 0x1000).served());
  EXPECT_NE(rig.ram.get(at) & af, 0U);
  EXPECT_TRUE(dirty(leaf_of[3]));
  EXPECT_FALSE(dirty(leaf_of[2]));
  EXPECT_FALSE(dirty(of_page));
}

TEST_F(HttuNested, AWriteDirtiesBothStages) {
  const auto at = map(0x1000, s1_clean);
  const auto of_page = expose(page);
  EXPECT_TRUE(rig.read(1, 0x1000).served()); // now by TLB and walk caches
  EXPECT_TRUE(rig.write(1, 0x1000).served());
  EXPECT_EQ(rig.ram.get(at) & ap2, 0U);
  EXPECT_TRUE(dirty(of_page));
  EXPECT_TRUE(dirty(leaf_of[3]));
}

TEST_F(HttuNested, AWriteThatStage2ForbidsLeavesStage1Clean) {
  const auto at = map(0x1000, s1_clean);
  expose(page, s2_ro);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
  EXPECT_NE(rig.ram.get(at) & ap2, 0U);
}

TEST_F(HttuNested, AWriteThatStage1ForbidsLeavesStage2Clean) {
  map(0x1000, s1_ro);
  const auto of_page = expose(page);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
  EXPECT_FALSE(dirty(of_page));
}

TEST_F(HttuNested, AnUpdateThatStage2ForbidsIsF_PERMISSIONOfClassTTWithoutTTRnW) {
  const auto at = map(0x1000, s1_rw & ~af);
  expose(page);
  expose(rig.slot(s1, 0x1000, 3, offset), s2_ro);
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_PERMISSION);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::S2), 1U);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::ttd);
  EXPECT_EQ(e.get(Event::TTRnW), 0U);
  EXPECT_EQ(e.get(Event::IPA), (at + offset) & ~0xfffULL);
  EXPECT_EQ(e.get(Event::RnW), 1U);
  EXPECT_EQ(rig.ram.get(at) & af, 0U);
}

TEST(HttuFeature, WithoutItHAAndHDAreIllegal) {
  for (const unsigned httu : {0U, 1U}) {
    Rig rig{with_httu(httu)};
    const auto s = rig.stage1_stream(1);
    rig.put(s.cd_at, rig.cd(s.tree).set(Cd::HA, 1).set(Cd::HD, httu));
    EXPECT_EQ(rig.read(1, 0x1000).event, EventType::C_BAD_CD) << httu;
    rig.put_ste(2, rig.stage2_ste(rig.stage2_tree()).set(Ste::S2HA, 1).set(Ste::S2HD, httu));
    EXPECT_EQ(rig.read(2, 0x1000).event, EventType::C_BAD_STE) << httu;
  }
}

} // namespace
} // namespace sluice::model::test
