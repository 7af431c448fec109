#include "rig.hpp"

#include <sluice/model/memory_types.hpp>

namespace sluice::model::test {
namespace {

using arch::MemAttr;
using enum arch::Shareability;

TEST(MemoryTypes, DeviceAndNonCacheableAreOuterShareable) {
  EXPECT_EQ(normalised({0x04, inner}).sh, outer);
  EXPECT_EQ(normalised({0x44, non_shareable}).sh, outer);
  EXPECT_EQ(normalised({0xff, reserved}).sh, non_shareable);
  EXPECT_EQ(normalised({0x4f, inner}).sh, inner);
}

TEST(MemoryTypes, MAIREncodingsThatTheManualLeavesOpenAreDefined) {
  EXPECT_EQ(defined_mair(0x01), 0x00U);
  EXPECT_EQ(defined_mair(0x0f), 0x0cU);
  EXPECT_EQ(defined_mair(0xf0), 0xf3U);
  EXPECT_EQ(defined_mair(0xff), 0xffU);
}

TEST(MemoryTypes, TheStrongerDeviceAndTheWeakerCacheabilityWin) {
  EXPECT_EQ(combine_mair(0x04, 0x0c), 0x04U);
  EXPECT_EQ(combine_mair(0xff, 0x08), 0x08U);
  EXPECT_EQ(combine_mair(0x0c, 0x44), 0x0cU);
  EXPECT_EQ(combine_mair(0xff, 0x44), 0x44U);
  EXPECT_EQ(combine_mair(0xff, 0xbb), 0xbbU);
  EXPECT_EQ(combine_mair(0xbb, 0xff), 0xbbU);
  EXPECT_EQ(combine_mair(0xee, 0xff), 0xeeU); // stage 1's hints stay
  EXPECT_EQ(combine_mair(0x4f, 0xff), 0x4fU);
  EXPECT_EQ(combine_mair(0xff, 0xf4), 0xf4U); // outer and inner apart
}

TEST(MemoryTypes, ShareabilityIsTheWiderOne) {
  EXPECT_EQ(combine_sh(non_shareable, inner), inner);
  EXPECT_EQ(combine_sh(inner, outer), outer);
  EXPECT_EQ(combine_sh(non_shareable, non_shareable), non_shareable);
}

TEST(MemoryTypes, S2FWBForcesOrKeepsStage1) {
  const MemoryType wb{0xff, inner};
  const MemoryType device{0x04, outer};
  const MemoryType nc{0x44, outer};
  EXPECT_EQ(combine(nc, 6, inner, true).mair, 0xffU);
  EXPECT_EQ(combine(device, 6, inner, true).mair, 0xffU);
  EXPECT_EQ(combine(nc, 7, inner, true).mair, 0x44U);
  EXPECT_EQ(combine(device, 7, inner, true).mair, 0x04U);
  EXPECT_EQ(combine(wb, 5, inner, true).mair, 0x44U);
  EXPECT_EQ(combine(device, 5, inner, true).mair, 0x04U);
  EXPECT_EQ(combine(wb, 1, inner, true).mair, 0x04U);
  EXPECT_EQ(combine(device, 3, inner, true).mair, 0x04U);
}

TEST(MemoryTypes, WhatS2FWBMakesWriteBackKeepsTheHintsThatItHas) {
  EXPECT_EQ(combine({0xee, inner}, 6, inner, true).mair, 0xeeU);
  EXPECT_EQ(combine({0xaa, inner}, 6, inner, true).mair, 0xeeU);
  EXPECT_EQ(combine({0x33, inner}, 6, inner, true).mair, 0x77U); // transient
  EXPECT_EQ(combine({0x4e, inner}, 6, inner, true).mair, 0xfeU); // what is not cacheable has none
}

TEST(MemoryTypes, OverridesReplaceTypeHintsAndShareability) {
  using O = arch::ShareabilityOverride;
  EXPECT_EQ((TypeOverride{false, {}, 0, O::incoming}.apply({})), (MemoryType{0xff, non_shareable}));
  EXPECT_EQ((TypeOverride{true, MemAttr::owt_iwb, 0, O::inner}.apply({})), (MemoryType{0xbf, inner}));
  EXPECT_EQ((TypeOverride{true, MemAttr::device_ngnre, 0, O::inner}.apply({})), (MemoryType{0x04, outer}));
  EXPECT_EQ((TypeOverride{false, {}, 0b1100, O::outer}.apply({})), (MemoryType{0xee, outer})); // RA only
  EXPECT_EQ((TypeOverride{false, {}, 0b1011, O::inner}.apply({})), (MemoryType{0x55, inner})); // WA, transient
}

TEST(MemoryTypes, TheClientsHintsTakeAllocationAway) {
  EXPECT_EQ(combine_hints(0xff, 0xff), 0xffU);
  EXPECT_EQ(combine_hints(0xff, 0xee), 0xeeU); // no write-allocate
  EXPECT_EQ(combine_hints(0xff, 0xcc), 0xccU);
  EXPECT_EQ(combine_hints(0xee, 0xdd), 0xccU); // nothing left to allocate
  EXPECT_EQ(combine_hints(0xff, 0x77), 0x77U); // transient
  EXPECT_EQ(combine_hints(0xbb, 0xee), 0xaaU); // write-through stays it
  EXPECT_EQ(combine_hints(0x4f, 0xee), 0x4eU);
  EXPECT_EQ(combine_hints(0xff, 0x44), 0xffU); // of what is not cacheable: none
  EXPECT_EQ(combine_hints(0xff, 0x04), 0xffU);
  EXPECT_EQ(combine_hints(0x04, 0xee), 0x04U);
}

struct Out : testing::Test {
  Attributes of(std::uint32_t sid, std::uint64_t address) {
    const auto t = rig.port->translate({sid, {}, address, 1, false, false, false});
    EXPECT_TRUE(t.outcome.served());
    return t.attributes;
  }
  Rig rig;
};

TEST_F(Out, Stage1TakesThemFromMAIRAndTheLeaf) {
  const auto s = rig.stage1_stream(1);
  rig.put(s.cd_at, rig.cd(s.tree).set(Cd::MAIR0, 0x44'04'bb'ff).set(Cd::MAIR1, 0xee));
  rig.map(s.tree, 0x1000, 0x1000, s1_rw | 1 << 2);
  rig.map(s.tree, 0x2000, 0x1000, s1_rw | 2 << 2);
  rig.map(s.tree, 0x3000, 0x1000, s1_rw | 4 << 2);
  EXPECT_EQ(of(1, 0x1000).mair, 0xbbU);
  EXPECT_EQ(of(1, 0x1000).shareability, 3U);
  EXPECT_EQ(of(1, 0x2000).mair, 0x04U);
  EXPECT_EQ(of(1, 0x2000).shareability, 2U);
  EXPECT_EQ(of(1, 0x3000).mair, 0xeeU);
}

TEST_F(Out, ALLOCCFGTakesHintsAwayFromStage1ForItsStreamOnly) {
  const auto s = rig.stage1_stream(1);
  rig.map(s.tree, 0x1000, 0x1000, s1_rw);
  rig.put_ste(1, rig.stage1_ste(s.cd_at).set(Ste::ALLOCCFG, 0b1100)); // read-allocate only
  rig.put_ste(2, rig.stage1_ste(s.cd_at));
  EXPECT_EQ(of(1, 0x1000).mair, 0xeeU);
  EXPECT_EQ(of(1, 0x1000).mair, 0xeeU);
  EXPECT_EQ(of(2, 0x1000).mair, 0xffU); // the same TLB entry
}

TEST_F(Out, MTCFGOfAStage1StreamChangesNeitherTypeNorShareability) {
  const auto s = rig.stage1_stream(1);
  rig.map(s.tree, 0x1000, 0x1000, s1_rw);
  rig.put_ste(1, rig.stage1_ste(s.cd_at)
                     .set(Ste::MTCFG, 1)
                     .set(Ste::MemAttr, MemAttr::device_ngnre)
                     .set(Ste::SHCFG, arch::ShareabilityOverride::outer));
  EXPECT_EQ(of(1, 0x1000).mair, 0xffU);
  EXPECT_EQ(of(1, 0x1000).shareability, 3U);
}

TEST_F(Out, WithSMMUENOffGBPAMakesThem) {
  rig.w32<arch::CR0>(0);
  const arch::GBPA gbpa = arch::GBPA{}
                              .set(arch::GBPA::MTCFG, 1)
                              .set(arch::GBPA::MemAttr, MemAttr::owb_iwb)
                              .set(arch::GBPA::ALLOCCFG, 0b1010) // write-allocate
                              .set(arch::GBPA::SHCFG, arch::ShareabilityOverride::inner)
                              .set(arch::GBPA::PRIVCFG, arch::PrivilegeOverride::privileged)
                              .set(arch::GBPA::INSTCFG, arch::InstructionOverride::instruction)
                              .set(arch::GBPA::Update, 1);
  rig.w32<arch::GBPA>(gbpa.raw());
  const auto a = of(1, 0x1000);
  EXPECT_EQ(a.mair, 0xddU);
  EXPECT_EQ(a.shareability, 3U);
  EXPECT_TRUE(a.privileged);
  EXPECT_TRUE(a.instruction);
}

TEST_F(Out, WithoutATTR_TYPES_OVROverridesDoNothing) {
  auto f = Rig::with_substreams();
  f.attr_types_override = false;
  Rig other{f};
  other.put_ste(1, other.bypass_ste().set(Ste::MTCFG, 1).set(Ste::SHCFG, arch::ShareabilityOverride::outer));
  const auto t = other.port->translate({1, {}, 0x1000, 1, false, false, false});
  EXPECT_EQ(t.attributes.mair, 0xffU);
  EXPECT_EQ(t.attributes.shareability, 0U);
}

TEST_F(Out, Stage2CombinesWithWhatTheSTEMakesOfTheClients) {
  const auto t = rig.stage2_tree();
  rig.map(t, 0x1000, 0x1000, s2_rw);
  rig.put_ste(1, rig.stage2_ste(t).set(Ste::MTCFG, 1).set(Ste::MemAttr, MemAttr::onc_inc));
  rig.put_ste(2, rig.stage2_ste(t));
  EXPECT_EQ(of(2, 0x1000).mair, 0xffU);
  EXPECT_EQ(of(2, 0x1000).shareability, 3U);
  EXPECT_EQ(of(1, 0x1000).mair, 0x44U); // the same TLB entry, another client type
  EXPECT_EQ(of(1, 0x1000).mair, 0x44U);
}

TEST_F(Out, NestedCombinesBothLeaves) {
  const auto s2 = rig.stage2_tree();
  for (std::uint64_t at = 0; at < 64ULL << 20; at += 1ULL << 21) {
    rig.map(s2, at, at, s2_rw, 2);
  }
  rig.map(s2, 1ULL << 32, 0x1000, s2_rw & ~(0xaULL << 2)); // 0b0101: NC
  const auto s = rig.stage1_stream(1);
  rig.put_ste(1, rig.nested(rig.stage1_ste(s.cd_at), rig.stage2_ste(s2)));
  rig.map(s.tree, 0x1000, 1ULL << 32, s1_rw);
  rig.map(s.tree, 0x2000, 0x3000, s1_rw);
  EXPECT_EQ(of(1, 0x1000).mair, 0x44U);
  EXPECT_EQ(of(1, 0x2000).mair, 0xffU);
}

TEST_F(Out, TheClientsHintsTakeNothingFromWhatS2FWBMadeCacheable) {
  const auto s2 = rig.stage2_tree();
  for (std::uint64_t at = 0; at < 64ULL << 20; at += 1ULL << 21) {
    rig.map(s2, at, at, s2_rw, 2);
  }
  rig.map(s2, 1ULL << 32, 0x1000, (s2_rw & ~(0xfULL << 2)) | 6 << 2); // Write-Back
  const auto s = rig.stage1_stream(1);
  rig.put(s.cd_at, rig.cd(s.tree).set(Cd::MAIR0, 0x4f'04'ff));
  rig.put_ste(1, rig.nested(rig.stage1_ste(s.cd_at), rig.stage2_ste(s2))
                     .set(Ste::S2FWB, 1)
                     .set(Ste::ALLOCCFG, 0b1100)); // read-allocate only
  for (const std::uint64_t index : {0ULL, 1ULL, 2ULL}) {
    rig.map(s.tree, 0x1000 * (index + 1), 1ULL << 32, s1_rw | index << 2);
  }
  EXPECT_EQ(of(1, 0x1000).mair, 0xeeU); // stage 1's own hints
  EXPECT_EQ(of(1, 0x2000).mair, 0xffU); // of a Device there are none
  EXPECT_EQ(of(1, 0x3000).mair, 0xfeU); // each half for itself
}

TEST_F(Out, BypassTakesTheOverrides) {
  rig.put_ste(1, rig.bypass_ste());
  rig.put_ste(2, rig.bypass_ste().set(Ste::SHCFG, arch::ShareabilityOverride::inner));
  EXPECT_EQ(of(1, 0x1000).shareability, 0U);
  EXPECT_EQ(of(2, 0x1000).shareability, 3U);
}

TEST_F(Out, ThoseOfTablesAreTheCDsAndTheSTEs) {
  const auto s = rig.stage1_stream(1);
  rig.put(s.cd_at, rig.cd(s.tree).set(Cd::IR0, arch::Cacheability::write_through));
  rig.read(1, 0x1000);
  EXPECT_EQ(rig.ram.fetch_attributes().mair, 0xfaU);
  EXPECT_EQ(rig.ram.fetch_attributes().shareability, 3U);
  EXPECT_TRUE(rig.ram.fetch_attributes().privileged);
}

TEST_F(Out, ThoseOfCDsAreTheSTEs) {
  const auto s = rig.stage1_stream(1);
  rig.put_ste(1, rig.stage1_ste(s.cd_at)
                     .set(Ste::S1COR, arch::Cacheability::write_through)
                     .set(Ste::S1CIR, arch::Cacheability::write_back_no_allocate) // here: no read-allocate
                     .set(Ste::S1CSH, inner));
  rig.ram.watch(s.cd_at);
  rig.read(1, 0x1000);
  EXPECT_EQ(rig.ram.watched_attributes().mair, 0xacU);
  EXPECT_EQ(rig.ram.watched_attributes().shareability, 3U);
}

// 13.8
TEST_F(Out, ThoseOfStage1TablesAreCombinedWithStage2sFromTheCacheOfTablesToo) {
  const auto s2 = rig.stage2_tree();
  const auto s = rig.stage1_stream(1);
  rig.put_ste(1, rig.nested(rig.stage1_ste(s.cd_at), rig.stage2_ste(s2)));
  const std::uint64_t first = rig.map(s.tree, 0x1000, 0x3000, s1_rw);
  const std::uint64_t second = rig.map(s.tree, 0x2000, 0x4000, s1_rw);
  for (std::uint64_t at = 0; at < 8ULL << 20; at += 0x1000) {
    const bool last_table = at == (first & ~0xfffULL);
    rig.map(s2, at, at, last_table ? s2_rw & ~(0xaULL << 2) : s2_rw); // 0b0101: Non-cacheable
  }
  rig.ram.watch(first);
  rig.read(1, 0x1000);
  EXPECT_EQ(rig.ram.watched_attributes().mair, 0x44U);
  const auto walked = rig.port->counters().walks;
  rig.ram.watch(second);
  rig.read(1, 0x2000);
  EXPECT_EQ(rig.ram.watched_attributes().mair, 0x44U);
  EXPECT_LE(rig.port->counters().walks, walked + 4) << "one descriptor of stage 1, and stage 2 of its output";
}

TEST_F(Out, TheClientsPrivilegeAndInstructionGoOutUpToV33) {
  rig.put_ste(1, rig.bypass_ste());
  std::uint64_t data = 0;
  rig.port->access({1, {}, 0x1000, 8, false, true, true}, &data);
  EXPECT_TRUE(rig.ram.last().attributes.instruction);
  EXPECT_TRUE(rig.ram.last().attributes.privileged);
  EXPECT_EQ(rig.ram.last().initiator.stream, 1U);
}

TEST(Transfer, GoesPageByPageUpToTheFirstThatIsNotServed) {
  Rig rig;
  const auto s = rig.stage1_stream(1);
  const auto a = rig.ram.alloc(4096);
  const auto hole = rig.ram.alloc(4096);
  const auto b = rig.ram.alloc(4096);
  (void)hole;
  rig.map(s.tree, 0x1000, b, s1_rw);
  rig.map(s.tree, 0x2000, a, s1_rw);
  std::vector<unsigned char> data(0x3000, 0x5a);
  const auto t = rig.port->transfer({1, {}, 0x1ff0, 0, true, false, false}, data.data(), 0x1800);
  EXPECT_EQ(t.done, 0x1010U);
  EXPECT_EQ(t.outcome.event, EventType::F_TRANSLATION);
  EXPECT_EQ(rig.ram.get(b + 0xff8), 0x5a5a5a5a5a5a5a5aU);
  EXPECT_EQ(rig.ram.get(b + 0xfe8), 0U);
  EXPECT_EQ(rig.ram.get(a + 0xff8), 0x5a5a5a5a5a5a5a5aU);
  EXPECT_EQ(rig.event().get(Event::InputAddr), 0x3000U);
}

} // namespace
} // namespace sluice::model::test
