#include "httu.hpp"

// 3.13: access flag and dirty state, set by compare-and-swap in the descriptors.
namespace sluice::model::test {
namespace {

struct Httu : testing::Test {
  Httu() : rig{with_httu()}, stream{rig.stage1_stream(1)}, page{rig.ram.alloc(4096)} { use(1, 1); }
  void use(unsigned ha, unsigned hd, auto change) {
    Cd cd = rig.cd(stream.tree).set(Cd::HA, ha).set(Cd::HD, hd);
    change(cd);
    rig.put(stream.cd_at, cd);
    rig.run({arch::cmd::cfgi_cd(1, 0, true), arch::cmd::tlbi_nsnh_all()});
  }
  void use(unsigned ha, unsigned hd) {
    use(ha, hd, [](Cd&) {});
  }
  std::uint64_t map(std::uint64_t flags, std::uint64_t va = 0x1000) { return rig.map(stream.tree, va, page, flags); }

  Rig rig;
  Rig::Stage1Stream stream;
  std::uint64_t page;
};

TEST_F(Httu, HASetsTheAccessFlagInsteadOfF_ACCESS) {
  const auto at = map(s1_rw & ~af);
  const auto before = rig.ram.get(at);
  EXPECT_TRUE(rig.read(1, 0x1000).served());
  EXPECT_EQ(rig.ram.get(at), before | af);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(Httu, WithoutHAAF0IsF_ACCESSAndStays) {
  use(0, 0);
  const auto at = map(s1_rw & ~af);
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_ACCESS);
  EXPECT_EQ(rig.ram.get(at) & af, 0U);
  EXPECT_EQ(rig.ram.exchanges(), 0U);
}

TEST_F(Httu, AFFDIsIgnoredWithHA) {
  use(1, 0, [](Cd& cd) { cd.set(Cd::AFFD, 1); });
  const auto at = map(s1_rw & ~af);
  EXPECT_TRUE(rig.read(1, 0x1000).served());
  EXPECT_NE(rig.ram.get(at) & af, 0U);
}

TEST_F(Httu, WhatIsSetAlreadyIsNotWritten) {
  map(s1_rw);
  EXPECT_TRUE(rig.write(1, 0x1000).served());
  EXPECT_EQ(rig.ram.exchanges(), 0U);
}

TEST_F(Httu, AWriteToAWritableCleanPageMakesItDirty) {
  const auto at = map(s1_clean);
  const auto before = rig.ram.get(at);
  EXPECT_TRUE(rig.write(1, 0x1000).served());
  EXPECT_EQ(rig.ram.get(at), before & ~ap2);
}

TEST_F(Httu, AReadLeavesItCleanAndALaterWriteThatHitsTheTLBMakesItDirty) {
  const auto at = map(s1_clean);
  EXPECT_TRUE(rig.read(1, 0x1000).served());
  EXPECT_NE(rig.ram.get(at) & ap2, 0U);
  EXPECT_TRUE(rig.write(1, 0x1000).served());
  EXPECT_EQ(rig.ram.get(at) & ap2, 0U);
  const auto walks = rig.port->counters().walks;
  EXPECT_TRUE(rig.write(1, 0x1008).served()); // by the TLB from now on
  EXPECT_EQ(rig.port->counters().walks, walks);
}

TEST_F(Httu, OneUpdateSetsBoth) {
  const auto at = map(s1_clean & ~af);
  EXPECT_TRUE(rig.write(1, 0x1000).served());
  EXPECT_EQ(rig.ram.get(at) & (af | ap2), af);
  EXPECT_EQ(rig.ram.exchanges(), 1U);
}

TEST_F(Httu, WithoutHDAWritableCleanPageIsReadOnly) {
  use(1, 0);
  map(s1_clean);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
}

TEST_F(Httu, HDWithoutHADoesNothing) {
  use(0, 1);
  map(s1_clean);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
}

TEST_F(Httu, WithoutDBMAPageIsReadOnly) {
  map(s1_ro);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
  EXPECT_EQ(rig.ram.exchanges(), 0U);
}

TEST_F(Httu, WhatIsReadOnlyByAPTableStaysClean) {
  const auto at = map(s1_clean);
  const auto table = rig.slot(stream.tree, 0x1000, 2);
  rig.ram.put(table, rig.ram.get(table) | 1ULL << 62);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
  EXPECT_NE(rig.ram.get(at) & ap2, 0U);
}

TEST_F(Httu, AWriteThatItsPrivilegeForbidsLeavesThePageClean) {
  const auto at = map(s1_clean & ~(1ULL << 6)); // privileged only
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
  EXPECT_NE(rig.ram.get(at) & ap2, 0U);
}

TEST_F(Httu, AWritableCleanPageIsNotExecutableWithWXN) {
  use(1, 1, [](Cd& cd) { cd.set(Cd::WXN, 1); });
  map(s1_clean);
  EXPECT_EQ(rig.port->translate({1, {}, 0x1000, 1, false, true, false}).outcome.event, EventType::F_PERMISSION);
}

TEST_F(Httu, ADescriptorThatChangesMeanwhileIsReadAgain) {
  const auto at = map(s1_rw & ~af);
  const auto other = rig.ram.alloc(4096);
  rig.ram.before_exchange([&] { rig.map(stream.tree, 0x1000, other, s1_rw & ~af); });
  EXPECT_EQ(rig.pa(1, 0x1000), other);
  EXPECT_NE(rig.ram.get(at) & af, 0U);
  EXPECT_EQ(rig.ram.exchanges(), 2U);
}

TEST_F(Httu, ADescriptorThatIsRemovedMeanwhileIsF_TRANSLATION) {
  const auto at = map(s1_rw & ~af);
  rig.ram.before_exchange([&] { rig.ram.put(at, 0); });
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_TRANSLATION);
  EXPECT_EQ(rig.ram.get(at), 0U);
}

TEST_F(Httu, ADescriptorThatIsAnotherOneAtEachAttemptIsF_WALK_EABT) {
  const auto at = map(s1_rw & ~af);
  change_always(rig, at);
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_WALK_EABT);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::FetchAddr), at);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::ttd);
  EXPECT_EQ(rig.ram.exchanges(), 64U);
  EXPECT_EQ(rig.ram.get(at) & af, 0U);
}

TEST_F(Httu, ABusThatCannotSwapIsF_WALK_EABT) {
  const auto at = map(s1_rw & ~af);
  rig.ram.forbid_exchanges();
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_WALK_EABT);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::FetchAddr), at);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::ttd);
  EXPECT_EQ(e.get(Event::S2), 0U);
}

TEST_F(Httu, ABlockIsUpdatedToo) {
  const auto at = rig.map(stream.tree, 0x20'0000, 0x20'0000, s1_clean & ~af, 2);
  EXPECT_TRUE(rig.write(1, 0x20'0000).served());
  EXPECT_EQ(rig.ram.get(at) & (af | ap2), af);
}

TEST_F(Httu, AnAuditLeavesTheTablesAsTheyAre) {
  const auto at = map(s1_rw & ~af);
  EXPECT_TRUE(rig.read(1, 0x1000).served());
  rig.ram.put(at, rig.ram.get(at) & ~af);
  rig.port->audit();
  EXPECT_EQ(rig.ram.get(at) & af, 0U);
}

struct Httu2 : testing::Test {
  Httu2() : rig{with_httu()}, tree{rig.stage2_tree()}, page{rig.ram.alloc(4096)} { use(1, 1); }
  void use(unsigned ha, unsigned hd) {
    rig.put_ste(1, rig.stage2_ste(tree).set(Ste::S2HA, ha).set(Ste::S2HD, hd));
    rig.run({arch::cmd::cfgi_ste(1, true), arch::cmd::tlbi_nsnh_all()});
  }
  Rig rig;
  Tree tree;
  std::uint64_t page;
};

TEST_F(Httu2, S2HASetsTheAccessFlag) {
  const auto at = rig.map(tree, 0x1000, page, s2_rw & ~af);
  EXPECT_TRUE(rig.read(1, 0x1000).served());
  EXPECT_NE(rig.ram.get(at) & af, 0U);
}

TEST_F(Httu2, S2HDMakesAPageDirtyByWritesOnly) {
  const auto at = rig.map(tree, 0x1000, page, s2_clean);
  EXPECT_TRUE(rig.read(1, 0x1000).served());
  EXPECT_EQ(rig.ram.get(at) & s2ap1, 0U);
  EXPECT_TRUE(rig.write(1, 0x1000).served());
  EXPECT_EQ(rig.ram.get(at) & s2ap1, s2ap1);
}

TEST_F(Httu2, WithoutS2HDItIsReadOnly) {
  use(1, 0);
  rig.map(tree, 0x1000, page, s2_clean);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
}

TEST_F(Httu2, ABusThatCannotSwapIsF_WALK_EABTOfStage2) {
  const auto at = rig.map(tree, 0x1000, page, s2_rw & ~af);
  rig.ram.forbid_exchanges();
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_WALK_EABT);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::S2), 1U);
  EXPECT_EQ(e.get(Event::FetchAddr), at);
}

TEST_F(Httu2, ADescriptorThatIsAnotherOneAtEachAttemptIsF_WALK_EABTOfStage2) {
  const auto at = rig.map(tree, 0x1000, page, s2_rw & ~af);
  change_always(rig, at);
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_WALK_EABT);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::S2), 1U);
  EXPECT_EQ(e.get(Event::FetchAddr), at);
  EXPECT_EQ(rig.ram.exchanges(), 64U);
}

TEST_F(Httu2, ADescriptorThatChangesMeanwhileIsReadAgain) {
  const auto at = rig.map(tree, 0x1000, page, s2_rw & ~af);
  rig.ram.before_exchange([&] { rig.ram.put(at, 0); });
  EXPECT_EQ(rig.read(1, 0x1000).event, EventType::F_TRANSLATION);
}

} // namespace
} // namespace sluice::model::test
