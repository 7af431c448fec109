#include "rig.hpp"

namespace sluice::model::test {
namespace {

// Guest memory is at IPA = PA + offset for all that the guest owns; its tables and CD are mapped page by page.
struct Nested : testing::Test {
  static constexpr std::uint64_t offset = 0x10'0000'0000;

  Nested() : Nested(Rig::with_substreams()) {}
  explicit Nested(const Features& features)
      : rig{features}, s2{rig.stage2_tree()}, s1{rig.tree()}, page{rig.ram.alloc(4096)}, cd_at{rig.ram.alloc(4096)} {
    expose(s1.root);
    expose(cd_at);
    expose(page);
    Tree guest = s1;
    guest.root += offset;
    rig.put(cd_at, rig.cd(guest));
    put_ste();
  }
  void put_ste(auto change) {
    Ste s = rig.nested(rig.stage1_ste(cd_at + offset), rig.stage2_ste(s2));
    change(s);
    rig.put_ste(1, s);
    rig.run({arch::cmd::cfgi_ste(1, true), arch::cmd::tlbi_nsnh_all()});
  }
  void put_ste() {
    put_ste([](Ste&) {});
  }
  std::uint64_t expose(std::uint64_t pa, std::uint64_t flags = s2_rw) {
    return rig.map(s2, (pa & ~0xfffULL) + offset, pa & ~0xfffULL, flags);
  }
  // Maps va -> page in the guest's tables, and those tables at stage 2.
  std::uint64_t map(std::uint64_t va, std::uint64_t pa, std::uint64_t flags = s1_rw) {
    const auto at = rig.map(s1, va, pa + offset, flags, 3, offset);
    for (int level = 1; level <= 3; ++level) {
      expose(rig.slot(s1, va, level, offset));
    }
    return at;
  }
  Event faults(EventType type, std::uint64_t va, bool write = false) {
    const auto o = write ? rig.write(1, va) : rig.read(1, va);
    EXPECT_EQ(o.kind, Outcome::Kind::aborted);
    const auto e = rig.event();
    EXPECT_EQ(e.get(Event::Type), type);
    EXPECT_EQ(e.get(Event::InputAddr), va);
    return e;
  }
  static void at_stage2(const Event& e, arch::EventClass c, std::uint64_t ipa) {
    EXPECT_EQ(e.get(Event::S2), 1U);
    EXPECT_EQ(e.get(Event::CLASS), c);
    EXPECT_EQ(e.get(Event::IPA), ipa & ~0xfffULL);
  }

  Rig rig;
  Tree s2, s1;
  std::uint64_t page, cd_at;
};

TEST_F(Nested, BothStagesTranslate) {
  map(0x1000, page);
  EXPECT_EQ(rig.pa(1, 0x1234), page + 0x234);
}

TEST_F(Nested, AStage2FaultOfTheCDFetchHasClassCD) {
  expose(cd_at, s2_rw & ~(3ULL << 6)); // no permission
  auto e = faults(EventType::F_PERMISSION, 0x1000);
  at_stage2(e, arch::EventClass::cd, cd_at + offset);
  EXPECT_EQ(e.get(Event::TTRnW), 0U);
  rig.ram.put(rig.slot(s2, cd_at + offset, 3), 0);
  rig.run({arch::cmd::tlbi_nsnh_all()});
  at_stage2(faults(EventType::F_TRANSLATION, 0x1000), arch::EventClass::cd, cd_at + offset);
}

TEST_F(Nested, ACDThatFaultedAtStage2IsNotCached) {
  const auto at = rig.slot(s2, cd_at + offset, 3);
  const auto good = rig.ram.get(at);
  rig.ram.put(at, 0);
  faults(EventType::F_TRANSLATION, 0x1000);
  rig.ram.put(at, good);
  map(0x1000, page);
  EXPECT_EQ(rig.pa(1, 0x1000), page);
}

TEST_F(Nested, AnAbortOfTheCDFetchShowsItsPA) {
  rig.ram.plant(cd_at);
  const auto o = rig.read(1, 0x1000);
  EXPECT_EQ(o.event, EventType::F_CD_FETCH);
  EXPECT_EQ(rig.event().get(Event::FetchAddr), cd_at);
}

TEST_F(Nested, AStage2FaultOfADescriptorFetchHasClassTT) {
  const auto at = map(0x1000, page);
  rig.ram.put(rig.slot(s2, at + offset, 3), 0);
  at_stage2(faults(EventType::F_TRANSLATION, 0x1008), arch::EventClass::ttd, at + offset);
  expose(at, s2_rw & ~(1ULL << 10));
  at_stage2(faults(EventType::F_ACCESS, 0x1008), arch::EventClass::ttd, at + offset);
  expose(at, s2_rw & ~(1ULL << 6)); // write only
  const auto e = faults(EventType::F_PERMISSION, 0x1008, true);
  at_stage2(e, arch::EventClass::ttd, at + offset);
  EXPECT_EQ(e.get(Event::TTRnW), 1U);
  EXPECT_EQ(e.get(Event::RnW), 0U); // of the transaction
}

TEST_F(Nested, AStage2FaultOfTheOutputHasClassIN) {
  map(0x1000, page);
  rig.ram.put(rig.slot(s2, page + offset, 3), 0);
  at_stage2(faults(EventType::F_TRANSLATION, 0x1008), arch::EventClass::in, page + offset);
  expose(page, s2_ro);
  at_stage2(faults(EventType::F_PERMISSION, 0x1008, true), arch::EventClass::in, page + offset);
  EXPECT_TRUE(rig.pa(1, 0x1008));
  at_stage2(faults(EventType::F_PERMISSION, 0x1008, true), arch::EventClass::in, page + offset); // now from the TLB
}

TEST_F(Nested, Stage1sPermissionComesBeforeStage2sTranslation) {
  map(0x1000, page, s1_ro);
  rig.ram.put(rig.slot(s2, page + offset, 3), 0);
  EXPECT_EQ(faults(EventType::F_PERMISSION, 0x1008, true).get(Event::S2), 0U);
  EXPECT_EQ(faults(EventType::F_TRANSLATION, 0x1008).get(Event::S2), 1U);
}

TEST_F(Nested, TheIPAOfAnInvalidStage1DescriptorIsNeverTranslated) {
  const auto at = map(0x1000, page);
  rig.ram.put(at, 0);
  EXPECT_EQ(faults(EventType::F_TRANSLATION, 0x1000).get(Event::S2), 0U);
}

TEST_F(Nested, AStage1OutputAboveIASIsF_ADDR_SIZEOfStage1) {
  const auto at = map(0x1000, page);
  rig.ram.put(at, 1ULL << 44 | s1_rw | 3);
  EXPECT_EQ(faults(EventType::F_ADDR_SIZE, 0x1000).get(Event::S2), 0U);
}

TEST_F(Nested, AStage1OutputAboveStage2sRangeIsF_TRANSLATIONOfStage2) {
  const auto at = map(0x1000, page);
  rig.ram.put(at, 1ULL << 41 | s1_rw | 3);
  at_stage2(faults(EventType::F_TRANSLATION, 0x1000), arch::EventClass::in, 1ULL << 41);
}

TEST_F(Nested, AbortsOfEitherStagesDescriptorsSayWhoseTheyWere) {
  const auto at = map(0x1000, page);
  rig.ram.plant(at);
  auto e = faults(EventType::F_WALK_EABT, 0x1000);
  EXPECT_EQ(e.get(Event::S2), 0U);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::ttd);
  EXPECT_EQ(e.get(Event::FetchAddr), at);
  rig.ram.heal();
  const auto of_page = rig.slot(s2, page + offset, 3);
  rig.ram.plant(of_page);
  e = faults(EventType::F_WALK_EABT, 0x1000);
  EXPECT_EQ(e.get(Event::S2), 1U);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::in);
  EXPECT_EQ(e.get(Event::FetchAddr), of_page);
}

struct NestedV33 : Nested {
  static Features features() {
    Features f;
    f.version = 3;
    f.e0pd = f.ptwnnc = true;
    return f;
  }
  NestedV33() : Nested(features()) {}
};

TEST_F(NestedV33, WithPTWNNCTablesInDeviceMemoryAreReadAsNonCacheable) {
  map(0x1000, page);
  expose(rig.slot(s1, 0x1000, 3, offset), s2_rw & ~(0xfULL << 2)); // Device-nGnRnE
  rig.ram.watch(rig.slot(s1, 0x1000, 3, offset));
  EXPECT_EQ(rig.pa(1, 0x1000), page);
  EXPECT_EQ(rig.ram.watched_attributes().mair, 0x44U);
}

TEST_F(Nested, S2PTWForbidsTablesInDeviceMemory) {
  const auto at = map(0x1000, page);
  expose(at, s2_rw & ~(0xfULL << 2)); // Device-nGnRnE
  EXPECT_EQ(rig.pa(1, 0x1000), page);
  put_ste([](Ste& s) { s.set(Ste::S2PTW, 1); });
  const auto e = faults(EventType::F_PERMISSION, 0x1000);
  at_stage2(e, arch::EventClass::ttd, at + offset);
}

TEST_F(Nested, TheSmallerRightsOfBothStagesCount) {
  map(0x1000, page, s1_ro);
  expose(page, s2_rw);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
  map(0x2000, page, s1_rw);
  expose(page, s2_ro);
  rig.run({arch::cmd::tlbi_nsnh_all()});
  EXPECT_EQ(rig.write(1, 0x2000).event, EventType::F_PERMISSION);
  EXPECT_TRUE(rig.read(1, 0x2000).served());
}

TEST_F(Nested, S1DSSBypassStillTranslatesStage2) {
  put_ste([](Ste& s) { s.set(Ste::S1CDMax, 2).set(Ste::S1DSS, arch::S1Dss::bypass); });
  EXPECT_EQ(rig.pa(1, page + offset + 4), page + 4);
  at_stage2(faults(EventType::F_TRANSLATION, 0x1000), arch::EventClass::in, 0x1000);
}

TEST_F(Nested, ABlockOverPagesAndPagesUnderABlockTranslate) {
  // Stage 1 block of 2 MB, stage 2 pages of 4 KB.
  const std::uint64_t ipa = 0x20'0000'0000;
  rig.map(s1, 0x40'0000, ipa, s1_rw, 2, offset);
  expose(rig.slot(s1, 0x40'0000, 2, offset));
  expose(rig.slot(s1, 0x40'0000, 1, offset));
  rig.map(s2, ipa + 0x5000, page, s2_rw);
  EXPECT_EQ(rig.pa(1, 0x40'5008), page + 8);
  EXPECT_FALSE(rig.pa(1, 0x40'6008));
  // Stage 1 page in a stage 2 block.
  rig.map(s2, 0x30'0000'0000, 0x20'0000, s2_rw, 2);
  const auto at = map(0x9000, 0);
  rig.ram.put(at, 0x30'0000'3000 | s1_rw | 3);
  EXPECT_EQ(rig.pa(1, 0x9010), 0x20'3010U);
}

TEST_F(Nested, GranulesOfTheStagesMayDiffer) {
  // Stage 1 with 64 KB pages and tables, stage 2 with 4 KB pages that scatter them.
  Tree wide = rig.tree(arch::Granule::k64, 42);
  const auto frames = rig.ram.alloc(0x4'0000, 0x1'0000);
  const std::uint64_t ipa = 0x20'0000'0000;
  // The level 2 table at ipa, the level 3 table at ipa + 64 KB, data at ipa + 128 KB; pages in reverse order.
  for (std::uint64_t i = 0; i < 48; ++i) {
    rig.map(s2, ipa + i * 0x1000, frames + (47 - i) * 0x1000, s2_rw);
  }
  const auto pa_of = [&](std::uint64_t at) { return frames + (47 - (at - ipa) / 0x1000) * 0x1000 + at % 0x1000; };
  const std::uint64_t va = 0x2000'0000 + 0x123 * 0x1'0000; // level 2 index 1, level 3 index 0x123
  rig.ram.put(pa_of(ipa + 8), (ipa + 0x1'0000) | 3);
  rig.ram.put(pa_of(ipa + 0x1'0000 + 0x123 * 8), (ipa + 0x2'0000) | s1_rw | 3);
  rig.ram.put(pa_of(ipa + 0x1'0000 + 0x1723 * 8), (ipa + 0x2'0000) | s1_rw | 3);
  wide.root = ipa;
  rig.put(cd_at, rig.cd(wide));
  rig.run({arch::cmd::cfgi_cd(1, 0, true)});
  EXPECT_EQ(rig.pa(1, va + 0xa008), pa_of(ipa + 0x2'a008));
  // Another page of the same level 3 table, which stage 2 puts elsewhere.
  EXPECT_EQ(rig.pa(1, va + 0x1600ULL * 0x1'0000 + 0x3008), pa_of(ipa + 0x2'3008));
}

} // namespace
} // namespace sluice::model::test
