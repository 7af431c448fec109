#include <sluice/arch/l1.hpp>

#include <gtest/gtest.h>

namespace sluice::arch {
namespace {

using Eight = std::array<std::uint64_t, 8>;

TEST(SteLayout, IsSixtyFourBytes) {
  EXPECT_EQ(sizeof(Ste), 64u);
  EXPECT_EQ(Ste::byte_size, 64u);
}

// 5.2: V [0], Config [3:1], S1Fmt [5:4], S1ContextPtr [55:6], S1CDMax [63:59]; S1DSS [1:0] of word 1, S1CIR [3:2],
// S1COR [5:4], S1CSH [7:6], S1STALLD [27], EATS [29:28], STRW [31:30], SHCFG [45:44]
TEST(SteLayout, AStage1EntryIsTheWordsWorkedOutByHand) {
  Ste ste;
  ste.set(Ste::V, 1)
      .set(Ste::Config, SteConfig::stage1)
      .set(Ste::S1Fmt, S1Format::two_level_64k)
      .set(Ste::S1ContextPtr, 0x12'3456'7000)
      .set(Ste::S1CDMax, 20)
      .set(Ste::S1DSS, S1Dss::bypass)
      .set(Ste::S1CIR, Cacheability::write_back)
      .set(Ste::S1COR, Cacheability::write_back)
      .set(Ste::S1CSH, Shareability::inner)
      .set(Ste::S1STALLD, 1)
      .set(Ste::EATS, Eats::full)
      .set(Ste::STRW, Strw::el2)
      .set(Ste::SHCFG, ShareabilityOverride::incoming);
  // word 0: 20 << 59 = 0xa000000000000000, 2 << 4 = 0x20, 5 << 1 = 0xa, 1
  // word 1: 1 << 44, 2 << 30 = 0x80000000, 1 << 28, 1 << 27, 3 << 6 = 0xc0, 1 << 4, 1 << 2, 1
  EXPECT_EQ(ste.w, (Eight{0xa000'0012'3456'702b, 0x0000'1000'9800'00d5, 0, 0, 0, 0, 0, 0}));
}

// 5.2 word 2: S2VMID [15:0], S2T0SZ [37:32], S2SL0 [39:38], S2IR0 [41:40], S2OR0 [43:42], S2SH0 [45:44], S2TG [47:46],
// S2PS [50:48], S2AA64 [51], S2ENDI [52], S2AFFD [53], S2PTW [54], S2HD [55], S2HA [56], S2S [57], S2R [58];
// word 3: S2SL0_2 [2], S2DS [3], S2TTB [55:4]
TEST(SteLayout, AStage2EntryIsTheWordsWorkedOutByHand) {
  Ste ste;
  ste.set(Ste::V, 1)
      .set(Ste::Config, SteConfig::stage2)
      .set(Ste::SHCFG, ShareabilityOverride::incoming)
      .set(Ste::S2VMID, 0xbeef)
      .set(Ste::S2T0SZ, 24)
      .set(Ste::S2SL0, 1)
      .set(Ste::S2IR0, Cacheability::write_back)
      .set(Ste::S2OR0, Cacheability::write_back)
      .set(Ste::S2SH0, Shareability::inner)
      .set(Ste::S2TG, S2Tg::k4)
      .set(Ste::S2PS, AddressSize::bits44)
      .set(Ste::S2AA64, 1)
      .set(Ste::S2PTW, 1)
      .set(Ste::S2R, 1)
      .set(Ste::S2TTB, 0x80'0000'2000);
  // [63:48]: S2PS 4, S2AA64 8, S2PTW 0x40, S2R 0x400 = 0x044c; [47:32]: 24 = 0x18, SL0 0x40, IR 0x100, OR 0x400,
  // SH 0x3000 = 0x3558
  EXPECT_EQ(ste.w, (Eight{0xd, 0x0000'1000'0000'0000, 0x044c'3558'0000'beef, 0x80'0000'2000, 0, 0, 0, 0}));
}

TEST(SteLayout, EveryOtherBitOfWord1IsWhereTheManualHasIt) {
  EXPECT_EQ(Ste::S2HWU59.lo, 64u + 8);
  EXPECT_EQ(Ste::S2HWU62.lo, 64u + 11);
  EXPECT_EQ(Ste::DRE.lo, 64u + 12);
  EXPECT_EQ(Ste::CONT.mask, 0x1'e000u);
  EXPECT_EQ(Ste::DCP.lo, 64u + 17);
  EXPECT_EQ(Ste::PPAR.lo, 64u + 18);
  EXPECT_EQ(Ste::MEV.lo, 64u + 19);
  EXPECT_EQ(Ste::SW_RESERVED.mask, 0xf0'0000u);
  EXPECT_EQ(Ste::S1PIE.lo, 64u + 24);
  EXPECT_EQ(Ste::S2FWB.lo, 64u + 25);
  EXPECT_EQ(Ste::S1MPAM.lo, 64u + 26);
  EXPECT_EQ(Ste::S1STALLD.lo, 64u + 27);
  EXPECT_EQ(Ste::MemAttr.mask, 0xf'0000'0000u);
  EXPECT_EQ(Ste::MTCFG.mask, 0x10'0000'0000u);
  EXPECT_EQ(Ste::ALLOCCFG.mask, 0x1e0'0000'0000u);
  EXPECT_EQ(Ste::NSCFG.mask, 0xc000'0000'0000u);
  EXPECT_EQ(Ste::PRIVCFG.mask, 0x3'0000'0000'0000u);
  EXPECT_EQ(Ste::INSTCFG.mask, 0xc'0000'0000'0000u);
}

TEST(SteLayout, TheHighHalfIsWhereTheManualHasIt) {
  Ste ste;
  ste.set(Ste::S2NSW, 1).set(Ste::S2SL0_2, 1).set(Ste::S2DS, 1).set(Ste::S2SKL, 3);
  ste.set(Ste::PARTID, 0xabcd).set(Ste::S_S2T0SZ, 0x3f).set(Ste::S_S2TG, S2Tg::k16).set(Ste::MECID, 0x1234);
  ste.set(Ste::PMG, 0xee).set(Ste::MPAM_NS, 1).set(Ste::TL1, 1).set(Ste::VMSPtr, 0xf000);
  ste.set(Ste::S2SA, 1).set(Ste::S_S2TTB, 0x7000).set(Ste::S2POI0, 0xf).set(Ste::S2POI15, 0x5);
  EXPECT_EQ(ste.w, (Eight{0, 0, 0, 0x6000'0000'0000'000d, 0x1234'803f'abcd'0000, 0x0000'0000'0000'f9ee, 0x7002,
                          0x5000'0000'0000'000f}));
}

// The bits that 5.2 lists as RES0: [58:56] of word 0; [43:41] of word 1; none of word 2; [60:56] and [63] of word 3;
// [45:40] of word 4; [63:56] of word 5; [3], [60:56], [63] of word 6; none of word 7.
TEST(SteLayout, ReservedBitsAreThoseOfTheManual) {
  EXPECT_EQ(base::reserved_bits<Ste>(),
            (Eight{0x0700'0000'0000'0000, 0x0000'0e00'0000'0000, 0, 0x9f00'0000'0000'0000, 0x0000'3f00'0000'0000,
                   0xff00'0000'0000'0000, 0x9f00'0000'0000'0008, 0}));
}

// Words that Linux 7.3 wrote for a PCIe device under QEMU.
TEST(SteLayout, AnEntryThatLinuxWroteReadsAsStage1) {
  const Ste ste{{{0x1'00e1'700b, 0x0800'00d6, 0, 0, 0, 0, 0, 0}}};
  EXPECT_EQ(ste.get(Ste::V), 1u);
  EXPECT_EQ(ste.get(Ste::Config), SteConfig::stage1);
  EXPECT_EQ(ste.get(Ste::S1Fmt), S1Format::linear);
  EXPECT_EQ(ste.get(Ste::S1ContextPtr), 0x1'00e1'7000u);
  EXPECT_EQ(ste.get(Ste::S1CDMax), 0u);
  EXPECT_EQ(ste.get(Ste::S1DSS), S1Dss::cd0);
  EXPECT_EQ(ste.get(Ste::S1CIR), Cacheability::write_back);
  EXPECT_EQ(ste.get(Ste::S1COR), Cacheability::write_back);
  EXPECT_EQ(ste.get(Ste::S1CSH), Shareability::inner);
  EXPECT_EQ(ste.get(Ste::S1STALLD), 1u);
  EXPECT_EQ(ste.get(Ste::EATS), Eats::none);
  EXPECT_TRUE(base::reserved_zero(ste));
}
TEST(SteLayout, AnEntryThatLinuxWroteForAtsHasItsSubstreamsAndEats) {
  const Ste ste{{{0x4000'0000'fc10'c00b, 0x1800'00d6, 0, 0, 0, 0, 0, 0}}};
  EXPECT_EQ(ste.get(Ste::S1CDMax), 8u);
  EXPECT_EQ(ste.get(Ste::EATS), Eats::full);
  EXPECT_EQ(ste.get(Ste::S1ContextPtr), 0xfc10'c000u);
}

TEST(SteLayout, ConfigSaysWhichStagesTranslate) {
  EXPECT_TRUE(translates_stage1(SteConfig::stage1) && translates_stage1(SteConfig::nested));
  EXPECT_FALSE(translates_stage1(SteConfig::stage2) || translates_stage1(SteConfig::bypass));
  EXPECT_TRUE(translates_stage2(SteConfig::stage2) && translates_stage2(SteConfig::nested));
  EXPECT_FALSE(translates_stage2(SteConfig::stage1) || translates_stage2(SteConfig::bypass));
  for (unsigned reserved = 0; reserved < 4; ++reserved) { // 0xx all abort
    EXPECT_TRUE(aborts(static_cast<SteConfig>(reserved)));
    EXPECT_FALSE(translates_stage1(static_cast<SteConfig>(reserved)));
    EXPECT_FALSE(translates_stage2(static_cast<SteConfig>(reserved)));
  }
  EXPECT_FALSE(aborts(SteConfig::bypass));
}

// 5.1: Span [4:0], L2Ptr [55:6]
TEST(L1StdLayout, AnEntryThatLinuxWroteReadsAs256Stes) {
  const L1Std l1{{{0xfc10'8009}}};
  EXPECT_EQ(l1.get(L1Std::Span), 9u);
  EXPECT_EQ(l1.get(L1Std::L2Ptr), 0xfc10'8000u);
  EXPECT_EQ(l1std_entries(l1.get(L1Std::Span)), 256u);
}
TEST(L1StdLayout, ReservedBitsAreThoseOfTheManual) {
  EXPECT_EQ(base::reserved_bits<L1Std>()[0], 0xff00'0000'0000'0020u);
}
TEST(L1StdLayout, ASpanBeyond11CountsAsNone) {
  EXPECT_EQ(l1std_entries(0), 0u);
  EXPECT_EQ(l1std_entries(1), 1u);
  EXPECT_EQ(l1std_entries(11), 1024u);
  EXPECT_EQ(l1std_entries(12), 0u);
  EXPECT_EQ(l1std_entries(31), 0u);
}
TEST(L1StdLayout, ASplitThatIsNeither8Nor10Is6) {
  EXPECT_EQ(effective_split(6), 6u);
  EXPECT_EQ(effective_split(7), 6u);
  EXPECT_EQ(effective_split(8), 8u);
  EXPECT_EQ(effective_split(10), 10u);
  EXPECT_EQ(effective_split(0), 6u);
  EXPECT_EQ(effective_split(31), 6u);
}

} // namespace
} // namespace sluice::arch
