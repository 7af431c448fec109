#include <sluice/arch/commands.hpp>
#include <sluice/frame/command.hpp>

#include <gtest/gtest.h>

namespace sluice::frame {
namespace {

using namespace arch;

IdRegisters everything() {
  IdRegisters id;
  id.idr0.set(IDR0::S1P, 1).set(IDR0::S2P, 1).set(IDR0::Hyp, 1).set(IDR0::ATS, 1).set(IDR0::PRI, 1);
  id.idr3.set(IDR3::RIL, 1);
  return id;
}
IdRegisters without(auto field) {
  auto id = everything();
  id.idr0.set(field, 0);
  return id;
}

bool legal(const Command& c, const IdRegisters& id = everything()) { return decode(c, id, true).legal(); }

Command raw(unsigned opcode) {
  Command c;
  c.w[0] = opcode;
  return c;
}

TEST(Decode, AReservedOpcodeIsCERROR_ILL) {
  for (const unsigned op :
       {0x00U, 0x08U, 0x0fU, 0x14U, 0x1fU, 0x24U, 0x29U, 0x2bU, 0x31U, 0x42U, 0x47U, 0x80U, 0xffU}) {
    EXPECT_FALSE(legal(raw(op))) << op;
  }
}

TEST(Decode, SecureOpcodesAreIllegalOnTheNonSecureQueue) {
  for (const unsigned op : {0x18U, 0x1aU, 0x50U, 0x51U, 0x52U, 0x53U, 0x58U, 0x5aU, 0x60U}) {
    EXPECT_FALSE(legal(raw(op))) << op;
  }
}

TEST(Decode, StageOneCommandsNeedS1P) {
  const auto id = without(IDR0::S1P);
  for (const auto& c : {cmd::cfgi_cd(1, 0, true), cmd::cfgi_cd_all(1), cmd::tlbi_nh_all(0), cmd::tlbi_nh_asid(0, 1),
                        cmd::tlbi_nh_va(0, 1, 0x1000, true), cmd::tlbi_nh_vaa(0, 0x1000, true)}) {
    EXPECT_TRUE(legal(c));
    EXPECT_FALSE(legal(c, id));
  }
}

TEST(Decode, StageTwoCommandsNeedS2P) {
  const auto id = without(IDR0::S2P);
  for (const auto& c : {cmd::tlbi_s12_vmall(1), cmd::tlbi_s2_ipa(1, 0x1000, true)}) {
    EXPECT_TRUE(legal(c));
    EXPECT_FALSE(legal(c, id));
  }
}

TEST(Decode, EL2CommandsNeedHyp) {
  const auto id = without(IDR0::Hyp);
  for (const auto& c : {cmd::tlbi_el2_all(), cmd::tlbi_el2_asid(1), cmd::tlbi_el2_va(1, 0x1000, true),
                        cmd::tlbi_el2_vaa(0x1000, true)}) {
    EXPECT_TRUE(legal(c));
    EXPECT_FALSE(legal(c, id));
  }
}

TEST(Decode, NSNH_ALLNeedsNothing) {
  EXPECT_TRUE(legal(cmd::tlbi_nsnh_all(), without(IDR0::S1P)));
  EXPECT_TRUE(legal(cmd::tlbi_nsnh_all(), without(IDR0::S2P)));
}

TEST(Decode, ATSAndPRICommandsNeedTheirFeature) {
  EXPECT_TRUE(legal(cmd::atc_inv(1, 0, 52)));
  EXPECT_FALSE(legal(cmd::atc_inv(1, 0, 52), without(IDR0::ATS)));
  EXPECT_TRUE(legal(cmd::pri_resp(1, 2, PriResponse::success)));
  EXPECT_FALSE(legal(cmd::pri_resp(1, 2, PriResponse::success), without(IDR0::PRI)));
  EXPECT_FALSE(legal(cmd::pri_resp(1, 2, PriResponse::reserved)));
}

TEST(Decode, StallCommandsAreIllegalWhereNothingStalls) {
  auto id = everything();
  EXPECT_TRUE(legal(cmd::stall_term(1), id));
  id.idr0.set(IDR0::STALL_MODEL, StallModel::terminate);
  EXPECT_FALSE(legal(cmd::stall_term(1), id));
  EXPECT_FALSE(legal(cmd::resume_retry(1, 2), id));
}

TEST(Decode, CFGI_VMS_PIDMNeedsMPAM) { EXPECT_FALSE(legal(cmd::cfgi_vms_pidm(1))); }

TEST(Decode, SSecIsIllegalInEachCommandThatHasIt) {
  for (const auto& c : {cmd::cfgi_ste(1, true), cmd::cfgi_all(), cmd::cfgi_cd(1, 0, true), cmd::cfgi_cd_all(1),
                        cmd::prefetch_config(1), cmd::stall_term(1)}) {
    EXPECT_FALSE(decode(c.with(Command::SSec, 1), everything(), false).legal());
  }
}

TEST(Decode, SYNCWithCS3IsIllegal) {
  EXPECT_TRUE(legal(cmd::sync(SyncSignal::sev)));
  EXPECT_FALSE(decode(cmd::sync(SyncSignal::reserved), everything(), false).legal());
}

TEST(Decode, AReservedBitIsIllegalOrIgnoredAsTheKnobSays) {
  const auto c = cmd::tlbi_nh_all(3).with(Command::Leaf, 1);
  EXPECT_FALSE(decode(c, everything(), true).legal());
  EXPECT_TRUE(decode(c, everything(), false).legal());
}

TEST(Decode, RangeFieldsAreReservedWithoutRIL) {
  auto id = everything();
  id.idr3.set(IDR3::RIL, 0);
  const auto c = cmd::tlbi_nh_va(0, 1, 0x1000, true, {3, 0, TlbiTg::k4, 0});
  EXPECT_FALSE(decode(c, id, true).legal());
  const auto ignored = decode(c, id, false);
  EXPECT_TRUE(ignored.legal());
  EXPECT_EQ(ignored.range, (AddressRange{0x1000, 0x1fff, {}, 0, true}));
}

TEST(Decode, AGranuleAloneIsIllegal) {
  EXPECT_FALSE(legal(cmd::tlbi_nh_va(0, 1, 0, true, {0, 0, TlbiTg::k4, 0})));
  EXPECT_TRUE(legal(cmd::tlbi_nh_va(0, 1, 0, true, {0, 0, TlbiTg::k4, 3})));
  EXPECT_TRUE(legal(cmd::tlbi_nh_va(0, 1, 0, true, {1, 0, TlbiTg::k4, 0})));
  EXPECT_TRUE(legal(cmd::tlbi_nh_va(0, 1, 0, true, {0, 1, TlbiTg::k4, 0})));
  EXPECT_FALSE(legal(cmd::tlbi_nh_va(0, 1, 0, true, {0, 0, TlbiTg::k16, 1})));
}

TEST(Decode, WithoutGranuleOneAddressOfAnyLevelIsMeant) {
  const auto d = decode(cmd::tlbi_nh_va(0, 1, 0xffff'0000'1234'5000, false), everything(), true);
  EXPECT_EQ(d.range, (AddressRange{0xffff'0000'1234'5000, 0xffff'0000'1234'5fff, {}, 0, false}));
}

TEST(Decode, ARangeIsNUMPlusOneTimesTwoToTheSCALEGranules) {
  const auto d = decode(cmd::tlbi_nh_va(0, 1, 0x20'0000, true, {2, 5, TlbiTg::k16, 3}), everything(), true);
  EXPECT_EQ(d.range, (AddressRange{0x20'0000, 0x20'0000 + (3ULL << (5 + 14)) - 1, Granule::k16, 3, true}));
}

TEST(Decode, TheLargestRangeDoesNotWrap) {
  const auto d =
      decode(cmd::tlbi_nh_va(0, 1, 0xffff'ffff'ffff'0000, true, {31, 31, TlbiTg::k64, 0}), everything(), true);
  EXPECT_EQ(d.range.last, ~0ULL);
}

TEST(Decode, TTL1Of16KIsAnyLevel) {
  const auto d = decode(cmd::tlbi_nh_va(0, 1, 0, true, {1, 0, TlbiTg::k16, 1}), everything(), true);
  EXPECT_EQ(d.range.level, 0U);
}

TEST(Decode, AnIPAHas56Bits) {
  auto c = cmd::tlbi_s2_ipa(1, 0x1000, true);
  c.w[1] |= 1ULL << 60;
  EXPECT_FALSE(legal(c));
  EXPECT_EQ(decode(c, everything(), false).range.first, 0x1000U);
}

} // namespace
} // namespace sluice::frame
