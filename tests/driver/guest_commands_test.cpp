#include "machine.hpp"

#include <sluice/arch/command_forms.hpp>
#include <sluice/driver/guest_commands.hpp>

namespace sluice::test {
namespace {

using arch::Command;
using arch::Opcode;
using arch::TlbiTg;
using driver::Capabilities;
using driver::check_guest_command;
namespace cmd = arch::cmd;

// A whole SMMU, or one that lacks something.
struct With {
  bool ril{true}, ds{false}, ats{true}, asid16{true};
  unsigned ssids{8};
};
Capabilities smmu(const With& with = {}) {
  using namespace arch;
  IdRegisters id;
  id.idr0.set(IDR0::S1P, 1).set(IDR0::S2P, 1).set(IDR0::TTF, Ttf::aarch64).set(IDR0::ATS, with.ats);
  id.idr0.set(IDR0::ASID16, with.asid16).set(IDR0::STALL_MODEL, StallModel::terminate);
  id.idr1.set(IDR1::SIDSIZE, 16).set(IDR1::SSIDSIZE, with.ssids).set(IDR1::CMDQS, 8).set(IDR1::EVENTQS, 8);
  id.idr3.set(IDR3::RIL, with.ril);
  id.idr5.set(IDR5::GRAN4K, 1).set(IDR5::DS, with.ds);
  const auto c = driver::decode(id);
  EXPECT_TRUE(c.ok());
  return *c;
}
bool takes(const Command& c, const With& with = {}) {
  const auto status = check_guest_command(c, smmu(with));
  EXPECT_TRUE(status.ok() || status == Errc::reserved_bits);
  return status.ok();
}
Command of(Opcode opcode) { return Command{}.with(Command::Opcode, opcode); }

TEST(GuestCommands, EightOpcodesArePassed) {
  const std::set<unsigned> passed{0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x30, 0x40};
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    EXPECT_EQ(takes(of(static_cast<Opcode>(opcode))), passed.contains(opcode)) << opcode;
  }
}

TEST(GuestCommands, OfAtsNeedAts) { EXPECT_FALSE(takes(cmd::atc_inv(1, 0, 52), {.ats = false})); }

struct Bits {
  Opcode opcode;
  std::array<std::uint64_t, 2> allowed;
};
constexpr std::uint64_t sid_bits = Command::StreamID.mask;
constexpr std::uint64_t tag_bits = Command::VMID.mask | Command::ASID.mask;
const Bits all_bits[] = {
    {Opcode::CMD_CFGI_CD, {sid_bits | Command::SubstreamID.mask, Command::Leaf.mask}},
    {Opcode::CMD_CFGI_CD_ALL, {sid_bits, 0}},
    {Opcode::CMD_TLBI_NH_ALL, {Command::VMID.mask, 0}},
    {Opcode::CMD_TLBI_NH_ASID, {tag_bits, 0}},
    {Opcode::CMD_TLBI_NH_VA, {tag_bits, Command::Leaf.mask | Command::Address.mask}},
    {Opcode::CMD_TLBI_NH_VAA, {Command::VMID.mask, Command::Leaf.mask | Command::Address.mask}},
    {Opcode::CMD_TLBI_NSNH_ALL, {0, 0}},
    {Opcode::CMD_ATC_INV,
     {sid_bits | Command::SSV.mask | Command::SubstreamID.mask | Command::Global.mask,
      Command::Size.mask | Command::Address.mask}},
};

TEST(GuestCommands, EachBitThatACommandDoesNotHaveIsRefused) {
  for (const auto& b : all_bits) {
    for (unsigned bit = 8; bit < 128; ++bit) {
      Command c = of(b.opcode);
      c.w[bit / 64] |= 1ULL << (bit % 64);
      // Fields of a range mean something only together.
      EXPECT_EQ(takes(c, {.ril = false}), (b.allowed[bit / 64] >> (bit % 64) & 1) != 0)
          << "opcode " << static_cast<unsigned>(b.opcode) << " bit " << bit;
    }
  }
}

TEST(GuestCommands, AnAsidOfMoreThan8BitsNeedsAsid16) {
  EXPECT_TRUE(takes(cmd::tlbi_nh_asid(0, 0xff), {.asid16 = false}));
  EXPECT_FALSE(takes(cmd::tlbi_nh_asid(0, 0x100), {.asid16 = false}));
  EXPECT_FALSE(takes(cmd::tlbi_nh_va(0, 0x8000, 0, true), {.asid16 = false}));
  EXPECT_TRUE(takes(cmd::tlbi_nh_va(0, 0x8000, 0, true)));
}

TEST(GuestCommands, SubstreamsAreNamedOnlyWhereThereAreSome) {
  EXPECT_FALSE(takes(cmd::cfgi_cd(1, 3, true), {.ssids = 0}));
  EXPECT_TRUE(takes(cmd::cfgi_cd(1, 0, true), {.ssids = 0}));
  EXPECT_FALSE(takes(cmd::atc_inv_pasid(1, 0, 0, 52), {.ssids = 0}));
  EXPECT_FALSE(takes(cmd::atc_inv(1, 0, 52).with(Command::Global, 1), {.ssids = 0}));
  EXPECT_TRUE(takes(cmd::atc_inv_pasid(1, 3, 0, 52, true)));
}

TEST(GuestCommands, AnAtcSpanEndsAt52) {
  EXPECT_TRUE(takes(cmd::atc_inv(1, 0, 52)));
  EXPECT_FALSE(takes(cmd::atc_inv(1, 0, 53)));
}

TEST(GuestCommands, ARangeNeedsRil) {
  const auto c = cmd::tlbi_nh_va(0, 1, 0x1000, true, {3, 1, TlbiTg::k4, 3});
  EXPECT_TRUE(takes(c));
  EXPECT_FALSE(takes(c, {.ril = false}));
}

TEST(GuestCommands, ReservedRangesAreRefused) {
  const auto range = [](arch::Range r) { return cmd::tlbi_nh_vaa(0, 0x10000, true, r); };
  EXPECT_FALSE(takes(range({0, 0, TlbiTg::k4, 0}))) << "4.4.1.1: a granule that selects nothing";
  EXPECT_TRUE(takes(range({0, 0, TlbiTg::k4, 3})));
  EXPECT_TRUE(takes(range({1, 0, TlbiTg::k4, 0})));
  EXPECT_FALSE(takes(range({1, 0, TlbiTg::any, 0}))) << "no granule";
  EXPECT_FALSE(takes(range({0, 1, TlbiTg::any, 0})));
  EXPECT_FALSE(takes(range({0, 0, TlbiTg::any, 3})));
  EXPECT_FALSE(takes(range({1, 0, TlbiTg::k16, 1}))) << "16K has no blocks of level 1 without DS";
  EXPECT_TRUE(takes(range({1, 0, TlbiTg::k16, 1}), {.ds = true}));
  EXPECT_FALSE(takes(range({1, 32, TlbiTg::k4, 3}))) << "SCALE has 5 bits without DS";
  EXPECT_TRUE(takes(range({1, 32, TlbiTg::k4, 3}), {.ds = true}));
  EXPECT_FALSE(takes(range({1, 1, TlbiTg::k4, 3}).with(Command::TTL128, 1)));
}

// 4.1.3: whatever is passed must not stop the queue.
TEST(GuestCommands, NothingThatIsPassedIsIllegal) {
  for (const bool ril : {false, true}) {
    for (const bool ds : {false, true}) {
      for (unsigned i = 0; i < 1U << 12; ++i) {
        const arch::Range r{static_cast<std::uint8_t>(i & 1), static_cast<std::uint8_t>(i >> 1 & 0x3f),
                            static_cast<TlbiTg>(i >> 7 & 3), static_cast<std::uint8_t>(i >> 9 & 3)};
        const Command c = cmd::tlbi_nh_va(0, 1, 0x40000000, (i >> 11 & 1) != 0, r);
        const auto* form = arch::command_form(Opcode::CMD_TLBI_NH_VA);
        if (check_guest_command(c, smmu({.ril = ril, .ds = ds}))) {
          const auto reserved = arch::reserved_bits(*form, ril, ds);
          ASSERT_EQ(c.w[0] & reserved[0], 0U);
          ASSERT_EQ(c.w[1] & reserved[1], 0U);
          ASSERT_FALSE(arch::illegal_parameters(*form, c, ril, ds));
        }
      }
    }
  }
}

TEST(GuestCommands, AreRewrittenToOurTags) {
  EXPECT_EQ(driver::with_vmid(cmd::tlbi_nh_va(5, 9, 0x1000, true), 3), cmd::tlbi_nh_va(3, 9, 0x1000, true));
  EXPECT_EQ(driver::with_vmid(cmd::tlbi_nh_asid(5, 9), 3), cmd::tlbi_nh_asid(3, 9));
  EXPECT_EQ(driver::with_vmid(cmd::tlbi_nsnh_all(), 3), cmd::tlbi_nh_all(3));
  EXPECT_EQ(driver::with_stream(cmd::cfgi_cd(0x900, 4, true), 0x42), cmd::cfgi_cd(0x42, 4, true));
}

} // namespace
} // namespace sluice::test
