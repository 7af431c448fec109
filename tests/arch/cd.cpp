#include <sluice/arch/l1.hpp>

#include <gtest/gtest.h>

namespace sluice::arch {
namespace {

using Eight = std::array<std::uint64_t, 8>;

TEST(CdLayout, IsSixtyFourBytes) { EXPECT_EQ(sizeof(Cd), 64u); }

// 5.4: T0SZ [5:0], TG0 [7:6], IR0 [9:8], OR0 [11:10], SH0 [13:12], EPD1 [30], V [31], IPS [34:32], AA64 [41], R [45],
// A [46], ASET [47], ASID [63:48]; TTB0 [55:4] of word 1; MAIR0 [31:0] and MAIR1 [63:32] of word 3
TEST(CdLayout, ADescriptorIsTheWordsWorkedOutByHand) {
  Cd cd;
  cd.set(Cd::T0SZ, 25)
      .set(Cd::TG0, Tg0::k64)
      .set(Cd::IR0, Cacheability::write_back)
      .set(Cd::OR0, Cacheability::write_back)
      .set(Cd::SH0, Shareability::inner)
      .set(Cd::EPD1, 1)
      .set(Cd::V, 1)
      .set(Cd::IPS, AddressSize::bits48)
      .set(Cd::AFFD, 1)
      .set(Cd::AA64, 1)
      .set(Cd::HD, 1)
      .set(Cd::HA, 1)
      .set(Cd::R, 1)
      .set(Cd::A, 1)
      .set(Cd::ASET, 1)
      .set(Cd::ASID, 0xabcd)
      .set(Cd::TTB0, 0x1234'5000)
      .set(Cd::EPAN, 1)
      .set(Cd::MAIR0, 0x0044'04ff)
      .set(Cd::MAIR1, 0x8000'0001);
  // [47:32]: ASET 0x8000, A 0x4000, R 0x2000, HA 0x800, HD 0x400, AA64 0x200, AFFD 8, IPS 5 = 0xee0d
  // [31:0]: V and EPD1 0xc0000000, SH 0x3000, OR 0x400, IR 0x100, TG0 1 << 6 = 0x40, 25 = 0x19
  EXPECT_EQ(cd.w, (Eight{0xabcd'ee0d'c000'3559, 0x0800'0000'1234'5000, 0, 0x8000'0001'0044'04ff, 0, 0, 0, 0}));
}

TEST(CdLayout, TheUpperHalfIsWhereTheManualHasIt) {
  Cd cd;
  cd.set(Cd::ENDI, 1).set(Cd::EPD0, 1).set(Cd::T1SZ, 16).set(Cd::TG1, Tg1::k4).set(Cd::IR1, Cacheability::write_back);
  cd.set(Cd::OR1, Cacheability::write_through).set(Cd::SH1, Shareability::outer);
  cd.set(Cd::WXN, 1).set(Cd::UWXN, 1).set(Cd::TBI0, 1).set(Cd::TBI1, 1).set(Cd::PAN, 1).set(Cd::S, 1);
  cd.set(Cd::HAD1, 1).set(Cd::E0PD1, 1).set(Cd::AIE, 1).set(Cd::TTB1, 0x4000).set(Cd::DS, 1).set(Cd::PIE, 1);
  cd.set(Cd::PARTID, 0x1111).set(Cd::PMG, 0x22).set(Cd::PIIU1, 7).set(Cd::PIIU15, 5).set(Cd::PIIP2, 3);
  // [31:16]: SH1 2 << 12, OR1 2 << 10, IR1 1 << 8, TG1 2 << 6, 16 = 0x2990; [15:0]: 0xc000
  EXPECT_EQ(cd.w[0], 0x0000'11f0'2990'c000u);
  EXPECT_EQ(cd.w[1], 0u);
  EXPECT_EQ(cd.w[2], 0x0c00'0000'0000'400eu);
  EXPECT_EQ(cd.w[5], 0x0022'1111'0000'0000u);
  EXPECT_EQ(cd.w[6], 0x0000'a000'0000'0038u);
  EXPECT_EQ(cd.w[7], 0x0000'0000'0000'00c0u);
}

TEST(CdLayout, TheSameGranuleHasTwoEncodings) {
  EXPECT_EQ(Cd{}.with(Cd::TG0, Tg0::k4).w[0], 0u);
  EXPECT_EQ(Cd{}.with(Cd::TG1, Tg1::k4).w[0], 0x80'0000u);
  EXPECT_EQ(Cd{}.with(Cd::TG0, Tg0::k64).w[0], 0x40u);
  EXPECT_EQ(Cd{}.with(Cd::TG1, Tg1::k64).w[0], 0xc0'0000u);
  EXPECT_EQ(Cd{}.with(Cd::TG0, Tg0::k16).w[0], 0x80u);
  EXPECT_EQ(Cd{}.with(Cd::TG1, Tg1::k16).w[0], 0x40'0000u);
}

// RES0 of 5.4: [57:56] of words 1 and 2; [63:56] of word 5; [63:48] of words 6 and 7.
TEST(CdLayout, ReservedBitsAreThoseOfTheManual) {
  EXPECT_EQ(base::reserved_bits<Cd>(), (Eight{0, 0x0300'0000'0000'0000, 0x0300'0000'0000'0000, 0, 0,
                                              0xff00'0000'0000'0000, 0xffff'0000'0000'0000, 0xffff'0000'0000'0000}));
}

// A word that Linux 7.3 wrote under QEMU.
TEST(CdLayout, ADescriptorThatLinuxWroteReadsAsItsAddressSpace) {
  const Cd cd{{{0x0002'e204'c000'3510, 0x1'00e1'6000, 0, 0, 0, 0, 0, 0}}};
  EXPECT_EQ(cd.get(Cd::V), 1u);
  EXPECT_EQ(cd.get(Cd::ASID), 2u);
  EXPECT_EQ(cd.get(Cd::T0SZ), 16u);
  EXPECT_EQ(cd.get(Cd::TG0), Tg0::k4);
  EXPECT_EQ(cd.get(Cd::IR0), Cacheability::write_back);
  EXPECT_EQ(cd.get(Cd::OR0), Cacheability::write_back);
  EXPECT_EQ(cd.get(Cd::SH0), Shareability::inner);
  EXPECT_EQ(cd.get(Cd::EPD0), 0u);
  EXPECT_EQ(cd.get(Cd::EPD1), 1u);
  EXPECT_EQ(cd.get(Cd::IPS), AddressSize::bits44);
  EXPECT_EQ(cd.get(Cd::AA64), 1u);
  EXPECT_EQ(cd.get(Cd::S), 0u);
  EXPECT_EQ(cd.get(Cd::R), 1u);
  EXPECT_EQ(cd.get(Cd::A), 1u);
  EXPECT_EQ(cd.get(Cd::ASET), 1u);
  EXPECT_EQ(cd.get(Cd::TTB0), 0x1'00e1'6000u);
}

// 5.3: V [0], L2Ptr [55:12]
TEST(L1CdLayout, ADescriptorIsTheWordWorkedOutByHand) {
  L1Cd l1;
  l1.set(L1Cd::V, 1).set(L1Cd::L2Ptr, 0x00ab'cdef'0123'4000);
  EXPECT_EQ(l1.w[0], 0x00ab'cdef'0123'4001u);
  EXPECT_EQ(base::reserved_bits<L1Cd>()[0], 0xff00'0000'0000'0ffeu);
}
TEST(L1CdLayout, AFormatSaysHowManySubstreamBitsIndexALeaf) {
  EXPECT_EQ(cd_split(S1Format::two_level_4k), 6u);
  EXPECT_EQ(cd_split(S1Format::two_level_64k), 10u);
  EXPECT_EQ(cd_split(S1Format::linear), 0u);
}

} // namespace
} // namespace sluice::arch
