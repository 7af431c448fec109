#include <sluice/arch/command_forms.hpp>
#include <sluice/arch/commands.hpp>

#include <gtest/gtest.h>

namespace sluice::arch {
namespace {

using Two = std::array<std::uint64_t, 2>;

TEST(CommandLayout, IsSixteenBytes) { EXPECT_EQ(sizeof(Command), 16u); }

// Chapter 4: opcode [7:0], SSV [11], SubstreamID [31:12], StreamID [63:32]
TEST(CommandLayout, PrefetchNamesTheStream) {
  EXPECT_EQ(cmd::prefetch_config(0x28).w, (Two{0x0000'0028'0000'0001, 0}));
  EXPECT_EQ(cmd::prefetch_config(0x28, 0xabcde).w, (Two{0x0000'0028'abcd'e801, 0}));
  EXPECT_EQ(cmd::prefetch_addr(0x28, 0x1234'5678).w, (Two{0x0000'0028'0000'0002, 0x1234'5000}));
}

TEST(CommandLayout, ConfigurationInvalidationsAreTheWordsWorkedOutByHand) {
  EXPECT_EQ(cmd::cfgi_ste(0xffff'0001, true).w, (Two{0xffff'0001'0000'0003, 1}));
  EXPECT_EQ(cmd::cfgi_ste(0x10, false).w, (Two{0x0000'0010'0000'0003, 0}));
  EXPECT_EQ(cmd::cfgi_ste_range(0x100, 7).w, (Two{0x0000'0100'0000'0004, 7}));
  EXPECT_EQ(cmd::cfgi_all().w, (Two{0x04, 31}));
  EXPECT_EQ(cmd::cfgi_cd(0x10, 0xf'ffff, true).w, (Two{0x0000'0010'ffff'f005, 1}));
  EXPECT_EQ(cmd::cfgi_cd(0x10, 0, false).w, (Two{0x0000'0010'0000'0005, 0}));
  EXPECT_EQ(cmd::cfgi_cd_all(0x10).w, (Two{0x0000'0010'0000'0006, 0}));
  EXPECT_EQ(cmd::cfgi_vms_pidm(0x1234).w, (Two{0x0000'1234'0000'0007, 0}));
}

// 4.4: VMID [47:32], ASID [63:48]
TEST(CommandLayout, InvalidationsByTagAreTheWordsWorkedOutByHand) {
  EXPECT_EQ(cmd::tlbi_nh_all(0x1234).w, (Two{0x0000'1234'0000'0010, 0}));
  EXPECT_EQ(cmd::tlbi_nh_asid(0x1234, 0xabcd).w, (Two{0xabcd'1234'0000'0011, 0}));
  EXPECT_EQ(cmd::tlbi_el2_all().w, (Two{0x20, 0}));
  EXPECT_EQ(cmd::tlbi_el2_asid(0xabcd).w, (Two{0xabcd'0000'0000'0021, 0}));
  EXPECT_EQ(cmd::tlbi_s12_vmall(0x1234).w, (Two{0x0000'1234'0000'0028, 0}));
  EXPECT_EQ(cmd::tlbi_nsnh_all().w, (Two{0x30, 0}));
}

// 4.4.1.1: NUM [16:12], SCALE [24:20]; of word 1: Leaf [0], TTL [9:8], TG [11:10], Address [63:12]
TEST(CommandLayout, InvalidationsByAddressAreTheWordsWorkedOutByHand) {
  EXPECT_EQ(cmd::tlbi_nh_va(0x1234, 0xabcd, 0x7'fdea'd000, true).w, (Two{0xabcd'1234'0000'0012, 0x7'fdea'd001}));
  EXPECT_EQ(cmd::tlbi_nh_va(1, 2, 0xffff'ffff'ffff'ffff, false).w, (Two{0x0002'0001'0000'0012, 0xffff'ffff'ffff'f000}));
  // NUM 31 << 12 = 0x1f000, SCALE 9 << 20 = 0x900000; TTL 3 << 8, TG 1 << 10
  EXPECT_EQ(cmd::tlbi_nh_va(1, 2, 0x5000, true, {31, 9, TlbiTg::k4, 3}).w, (Two{0x0002'0001'0091'f012, 0x5701}));
  EXPECT_EQ(cmd::tlbi_nh_vaa(1, 0x5000, true, {0, 1, TlbiTg::k64, 2}).w, (Two{0x0000'0001'0010'0013, 0x5e01}));
  EXPECT_EQ(cmd::tlbi_el2_va(3, 0x5000, true).w, (Two{0x0003'0000'0000'0022, 0x5001}));
  EXPECT_EQ(cmd::tlbi_el2_vaa(0x5000, false).w, (Two{0x23, 0x5000}));
  EXPECT_EQ(cmd::tlbi_s2_ipa(7, 0x5000, true, {1, 0, TlbiTg::k16, 0}).w, (Two{0x0000'0007'0000'102a, 0x5801}));
}
TEST(CommandLayout, ScaleHasSixBitsForLargeAddresses) {
  EXPECT_EQ(cmd::tlbi_nh_vaa(0, 0, false, {0, 39, TlbiTg::k4, 0}).w[0], 0x0270'0013u);
}
TEST(CommandLayout, AnIpaHasNoBitsAbove55) {
  EXPECT_EQ(cmd::tlbi_s2_ipa(0, ~std::uint64_t{0}, false).w[1], 0x00ff'ffff'ffff'f000u);
}

// 4.5.1: Global [9]; Size [5:0] of word 1. 4.5.2: PRGIndex [8:0], Resp [13:12] of word 1
TEST(CommandLayout, AtsAndPriCommandsAreTheWordsWorkedOutByHand) {
  EXPECT_EQ(cmd::atc_inv(0x28, 0x1000, 3).w, (Two{0x0000'0028'0000'0040, 0x1003}));
  EXPECT_EQ(cmd::atc_inv(0x28, 0, 52).w, (Two{0x0000'0028'0000'0040, 52}));
  EXPECT_EQ(cmd::atc_inv_pasid(0x28, 5, 0x1000, 0).w, (Two{0x0000'0028'0000'5840, 0x1000}));
  EXPECT_EQ(cmd::atc_inv_pasid(0x28, 5, 0x1000, 0, true).w, (Two{0x0000'0028'0000'5a40, 0x1000}));
  EXPECT_EQ(cmd::pri_resp(0x28, 0x1ff, PriResponse::success).w, (Two{0x0000'0028'0000'0041, 0x21ff}));
  EXPECT_EQ(cmd::pri_resp_pasid(0x28, 5, 1, PriResponse::invalid_request).w, (Two{0x0000'0028'0000'5841, 0x1001}));
}

// 4.7.1: Ac [12], Ab [13], STAG [15:0] of word 1. 4.7.3: CS [13:12], MSH [23:22], MSIAttr [27:24], MSIData [63:32],
// MSIAddress [55:2] of word 1
TEST(CommandLayout, ResumeAndSyncAreTheWordsWorkedOutByHand) {
  EXPECT_EQ(cmd::resume_retry(0x28, 0xbeef).w, (Two{0x0000'0028'0000'1044, 0xbeef}));
  EXPECT_EQ(cmd::resume_terminate(0x28, 0xbeef, true).w, (Two{0x0000'0028'0000'2044, 0xbeef}));
  EXPECT_EQ(cmd::resume_terminate(0x28, 0xbeef, false).w, (Two{0x0000'0028'0000'0044, 0xbeef}));
  EXPECT_EQ(cmd::stall_term(0x28).w, (Two{0x0000'0028'0000'0045, 0}));
  EXPECT_EQ(cmd::sync().w, (Two{0x46, 0}));
  EXPECT_EQ(cmd::sync(SyncSignal::irq).w, (Two{0x1046, 0}));
  EXPECT_EQ(cmd::sync(SyncSignal::sev).w, (Two{0x2046, 0}));
  EXPECT_EQ(cmd::sync_msi(0x8'0000'0004, 0xcafe).w, (Two{0x0000'cafe'0fc0'1046, 0x8'0000'0004}));
}

TEST(CommandForms, EachOpcodeHasOneForm) {
  for (const auto& form : command_forms) {
    EXPECT_EQ(command_form(form.opcode), &form);
    EXPECT_EQ(form.defined[0] & 0xff, 0xffu);
  }
  EXPECT_EQ(command_form(static_cast<Opcode>(0x00)), nullptr);
  EXPECT_EQ(command_form(static_cast<Opcode>(0x14)), nullptr);
  EXPECT_EQ(command_form(static_cast<Opcode>(0xff)), nullptr);
}

TEST(CommandForms, DefinedBitsAreThoseOfTheManual) {
  const auto defined = [](Opcode op) { return command_form(op)->defined; };
  EXPECT_EQ(defined(Opcode::CMD_PREFETCH_CONFIG), (Two{0xffff'ffff'ffff'fcff, 0}));
  EXPECT_EQ(defined(Opcode::CMD_PREFETCH_ADDR), (Two{0xffff'ffff'ffff'fcff, 0xffff'ffff'ffff'fbff}));
  EXPECT_EQ(defined(Opcode::CMD_CFGI_STE), (Two{0xffff'ffff'0000'04ff, 1}));
  EXPECT_EQ(defined(Opcode::CMD_CFGI_STE_RANGE), (Two{0xffff'ffff'0000'04ff, 0x1f}));
  EXPECT_EQ(defined(Opcode::CMD_CFGI_CD), (Two{0xffff'ffff'ffff'f4ff, 1}));
  EXPECT_EQ(defined(Opcode::CMD_TLBI_NH_VA), (Two{0xffff'ffff'01f1'f0ff, 0xffff'ffff'ffff'ff81}));
  EXPECT_EQ(defined(Opcode::CMD_TLBI_S2_IPA), (Two{0x0000'ffff'01f1'f0ff, 0x00ff'ffff'ffff'ff81}));
  EXPECT_EQ(defined(Opcode::CMD_TLBI_NSNH_ALL), (Two{0xff, 0}));
  EXPECT_EQ(defined(Opcode::CMD_ATC_INV), (Two{0xffff'ffff'ffff'faff, 0xffff'ffff'ffff'f03f}));
  EXPECT_EQ(defined(Opcode::CMD_PRI_RESP), (Two{0xffff'ffff'ffff'f8ff, 0x31ff}));
  EXPECT_EQ(defined(Opcode::CMD_RESUME), (Two{0xffff'ffff'0000'34ff, 0xffff}));
  EXPECT_EQ(defined(Opcode::CMD_SYNC), (Two{0xffff'ffff'0fc0'30ff, 0x80ff'ffff'ffff'fffc}));
}

TEST(CommandForms, RangeFieldsAreReservedWithoutRil) {
  const auto& va = *command_form(Opcode::CMD_TLBI_NH_VA);
  EXPECT_EQ(reserved_bits(va, false, false), (Two{0x0000'0000'ffff'ff00, 0x0ffe}));
  EXPECT_EQ(reserved_bits(va, true, false), (Two{0x0000'0000'fe0e'0f00, 0x007e}));
  EXPECT_EQ(reserved_bits(va, true, true), (Two{0x0000'0000'fc0e'0f00, 0x007e}));
}

TEST(CommandForms, WhatACommandNeedsIsThatOfTheTable) {
  const auto needs = [](Opcode op) { return command_form(op)->needs; };
  EXPECT_EQ(needs(Opcode::CMD_CFGI_STE), Feature::always);
  EXPECT_EQ(needs(Opcode::CMD_CFGI_CD), Feature::s1p);
  EXPECT_EQ(needs(Opcode::CMD_CFGI_CD_ALL), Feature::s1p);
  EXPECT_EQ(needs(Opcode::CMD_CFGI_VMS_PIDM), Feature::mpam);
  EXPECT_EQ(needs(Opcode::CMD_TLBI_NH_ALL), Feature::s1p);
  EXPECT_EQ(needs(Opcode::CMD_TLBI_EL2_ALL), Feature::hyp);
  EXPECT_EQ(needs(Opcode::CMD_TLBI_EL3_ALL), Feature::secure);
  EXPECT_EQ(needs(Opcode::CMD_TLBI_S12_VMALL), Feature::s2p);
  EXPECT_EQ(needs(Opcode::CMD_TLBI_NSNH_ALL), Feature::always);
  EXPECT_EQ(needs(Opcode::CMD_ATC_INV), Feature::ats);
  EXPECT_EQ(needs(Opcode::CMD_PRI_RESP), Feature::pri);
  EXPECT_EQ(needs(Opcode::CMD_RESUME), Feature::stall);
  EXPECT_EQ(needs(Opcode::CMD_STALL_TERM), Feature::stall);
  EXPECT_EQ(needs(Opcode::CMD_TLBI_SNH_ALL), Feature::secure);
  EXPECT_EQ(needs(Opcode::CMD_DPTI_ALL), Feature::dpt);
}

bool illegal(const Command& c, bool ril = true, bool ds = false) {
  return illegal_parameters(*command_form(c.get(Command::Opcode)), c, ril, ds);
}

TEST(CommandLegality, ASecureStreamOnTheNonSecureQueueIsIllegal) {
  EXPECT_FALSE(illegal(cmd::cfgi_ste(1, true)));
  EXPECT_TRUE(illegal(cmd::cfgi_ste(1, true).with(Command::SSec, 1)));
  EXPECT_TRUE(illegal(cmd::resume_retry(1, 1).with(Command::SSec, 1)));
}
TEST(CommandLegality, ReservedSignalsAndResponsesAreIllegal) {
  EXPECT_FALSE(illegal(cmd::sync(SyncSignal::sev)));
  EXPECT_TRUE(illegal(cmd::sync(SyncSignal::reserved)));
  EXPECT_FALSE(illegal(cmd::pri_resp(1, 1, PriResponse::success)));
  EXPECT_TRUE(illegal(cmd::pri_resp(1, 1, PriResponse::reserved)));
}
TEST(CommandLegality, AGranuleWithoutRangeAndLevelIsIllegal) {
  EXPECT_TRUE(illegal(cmd::tlbi_nh_va(0, 0, 0, true, {0, 0, TlbiTg::k4, 0})));
  EXPECT_FALSE(illegal(cmd::tlbi_nh_va(0, 0, 0, true, {1, 0, TlbiTg::k4, 0})));
  EXPECT_FALSE(illegal(cmd::tlbi_nh_va(0, 0, 0, true, {0, 1, TlbiTg::k4, 0})));
  EXPECT_FALSE(illegal(cmd::tlbi_nh_va(0, 0, 0, true, {0, 0, TlbiTg::k4, 3})));
  EXPECT_FALSE(illegal(cmd::tlbi_nh_va(0, 0, 0, true)));
}
TEST(CommandLegality, WithoutRilTheRangeFieldsAreOnlyReserved) {
  EXPECT_FALSE(illegal(cmd::tlbi_nh_va(0, 0, 0, true, {0, 0, TlbiTg::k4, 0}), false));
}
TEST(CommandLegality, Level1Of16KIsNoLevelWithoutDs) {
  EXPECT_TRUE(illegal(cmd::tlbi_nh_va(0, 0, 0, true, {0, 0, TlbiTg::k16, 1}), true, false));
  EXPECT_FALSE(illegal(cmd::tlbi_nh_va(0, 0, 0, true, {0, 0, TlbiTg::k16, 1}), true, true));
}

} // namespace
} // namespace sluice::arch
