#include "rig.hpp"

#include <functional>

// 4.1.3 to 4.7: which commands are CERROR_ILL, and what each feature adds.
namespace sluice::model::test {
namespace {

using namespace arch::cmd;
using arch::SyncSignal;
using arch::TlbiTg;

Command raw(std::uint64_t w0, std::uint64_t w1 = 0) {
  Command c;
  c.w = {w0, w1};
  return c;
}
Command ssec(Command c) { return c.with(Command::SSec, 1); }

Features with(const std::function<void(Features&)>& change) {
  Features f = Rig::with_substreams();
  change(f);
  return f;
}
Features only_stage1() {
  return with([](Features& f) { f.stage2 = f.hyp = f.fwb = false; });
}
Features only_stage2() {
  return with([](Features& f) { f.stage1 = f.hyp = false; });
}
Features without_hyp() {
  return with([](Features& f) {
    f.version = 1;
    f.hyp = false;
  });
}
Features without_ril() {
  return with([](Features& f) {
    f.version = 1;
    f.range_invalidation = false;
  });
}
Features all() { return Rig::with_substreams(); }

struct IllegalCase {
  const char* name;
  Command command;
  Features (*features)(){all};
  bool by_reserved_bit{}; // only with Knobs::reserved_bits_illegal
};
class Illegal : public testing::TestWithParam<IllegalCase> {};

TEST_P(Illegal, StopsTheQueueAtItselfWithCERROR_ILL) {
  const auto& c = GetParam();
  Rig rig{c.features()};
  rig.submit(cfgi_all());
  rig.submit(c.command);
  rig.submit(sync());
  EXPECT_EQ(rig.command_error(), arch::Cerror::ILL);
  EXPECT_EQ(rig.r32<arch::CMDQ_CONS>() & 0xfffff, 1U);
  EXPECT_TRUE(rig.gerror_active(arch::GERROR::CMDQ_ERR.mask));
  EXPECT_EQ(rig.smmu->counters().syncs, 0U);
}

TEST_P(Illegal, IsLegalWithItsReservedBitIgnoredAndOnlyThen) {
  const auto& c = GetParam();
  Knobs k;
  k.reserved_bits_illegal = false;
  Rig rig{c.features(), k};
  rig.submit(c.command);
  EXPECT_EQ(rig.command_error(), c.by_reserved_bit ? arch::Cerror::NONE : arch::Cerror::ILL);
}

const IllegalCase illegal[] = {
    {"Reserved00", raw(0x00)},
    {"Reserved08", raw(0x08)},
    {"Reserved14", raw(0x14)},
    {"Reserved29", raw(0x29)},
    {"Reserved2B", raw(0x2b)},
    {"Reserved31", raw(0x31)},
    {"Reserved42", raw(0x42)},
    {"Reserved47", raw(0x47)},
    {"Reserved71", raw(0x71)},
    {"ImplementationDefined80", raw(0x80)},
    {"ImplementationDefined8F", raw(0x8f)},
    {"ReservedFF", raw(0xff)},
    {"EL3_ALL", raw(0x18)},
    {"EL3_VA", raw(0x1a)},
    {"S_EL2_ALL", raw(0x50)},
    {"S_EL2_ASID", raw(0x51)},
    {"S_EL2_VA", raw(0x52)},
    {"S_EL2_VAA", raw(0x53)},
    {"S_S12_VMALL", raw(0x58)},
    {"S_S2_IPA", raw(0x5a)},
    {"SNH_ALL", raw(0x60)},
    {"DPTI_ALL", raw(0x70)},
    {"DPTI_PA", raw(0x73)},
    {"CFGI_VMS_PIDM", cfgi_vms_pidm(1)},
    {"ATC_INVWithoutATS", atc_inv(1, 0, 52)},
    {"PRI_RESPWithoutPRI", pri_resp(1, 1, arch::PriResponse::success)},
    {"RESUMEWithoutStalls", resume_retry(1, 1)},
    {"STALL_TERMWithoutStalls", stall_term(1)},
    {"CFGI_CDWithoutStage1", cfgi_cd(1, 0, true), only_stage2},
    {"CFGI_CD_ALLWithoutStage1", cfgi_cd_all(1), only_stage2},
    {"NH_ALLWithoutStage1", tlbi_nh_all(1), only_stage2},
    {"NH_ASIDWithoutStage1", tlbi_nh_asid(1, 1), only_stage2},
    {"NH_VAWithoutStage1", tlbi_nh_va(1, 1, 0, true), only_stage2},
    {"NH_VAAWithoutStage1", tlbi_nh_vaa(1, 0, true), only_stage2},
    {"S12_VMALLWithoutStage2", tlbi_s12_vmall(1), only_stage1},
    {"S2_IPAWithoutStage2", tlbi_s2_ipa(1, 0, true), only_stage1},
    {"EL2_ALLWithoutHyp", tlbi_el2_all(), without_hyp},
    {"EL2_ASIDWithoutHyp", tlbi_el2_asid(1), without_hyp},
    {"EL2_VAWithoutHyp", tlbi_el2_va(1, 0, true), without_hyp},
    {"EL2_VAAWithoutHyp", tlbi_el2_vaa(0, true), without_hyp},
    {"SSecOfPREFETCH_CONFIG", ssec(prefetch_config(1))},
    {"SSecOfPREFETCH_ADDR", ssec(prefetch_addr(1, 0))},
    {"SSecOfCFGI_STE", ssec(cfgi_ste(1, true))},
    {"SSecOfCFGI_STE_RANGE", ssec(cfgi_ste_range(1, 2))},
    {"SSecOfCFGI_ALL", ssec(cfgi_all())},
    {"SSecOfCFGI_CD", ssec(cfgi_cd(1, 0, true))},
    {"SSecOfCFGI_CD_ALL", ssec(cfgi_cd_all(1))},
    {"SYNCWithCS3", sync(SyncSignal::reserved)},
    {"GranuleAloneInNH_VA", tlbi_nh_va(0, 1, 0, true, {0, 0, TlbiTg::k4, 0})},
    {"GranuleAloneInNH_VAA", tlbi_nh_vaa(0, 0, true, {0, 0, TlbiTg::k64, 0})},
    {"GranuleAloneInEL2_VA", tlbi_el2_va(0, 0, true, {0, 0, TlbiTg::k4, 0})},
    {"GranuleAloneInEL2_VAA", tlbi_el2_vaa(0, true, {0, 0, TlbiTg::k16, 0})},
    {"GranuleAloneInS2_IPA", tlbi_s2_ipa(0, 0, true, {0, 0, TlbiTg::k64, 0})},
    {"TTL1Of16K", tlbi_nh_va(0, 1, 0, true, {0, 0, TlbiTg::k16, 1})},
    {"RangeWithoutRIL", tlbi_nh_va(0, 1, 0, true, {1, 0, TlbiTg::k4, 0}), without_ril, true},
    {"SCALEWithoutRIL", tlbi_s2_ipa(0, 0, true, {0, 1, TlbiTg::any, 0}), without_ril, true},
    {"ReservedBitOfCFGI_STE", cfgi_ste(1, true).with(Command::ASID, 0).with(Command::TTL, 1), all, true},
    {"ReservedBitOfNSNH_ALL", tlbi_nsnh_all().with(Command::VMID, 1), all, true},
    {"ReservedBitOfNH_ALL", tlbi_nh_all(1).with(Command::ASID, 1), all, true},
    {"ReservedBitOfSYNC", raw(0x46 | 1ULL << 8), all, true},
    {"ReservedBitOfPREFETCH_CONFIG", raw(0x01, 1), all, true},
};
INSTANTIATE_TEST_SUITE_P(Each, Illegal, testing::ValuesIn(illegal), [](const auto& i) { return i.param.name; });

class Legal : public testing::TestWithParam<Command> {};

TEST_P(Legal, IsConsumedAndCompleted) {
  Rig rig;
  rig.run({GetParam()});
  EXPECT_EQ(rig.command_error(), arch::Cerror::NONE);
  EXPECT_TRUE(rig.events().empty());
}
const Command legal[] = {
    prefetch_config(1),
    prefetch_config(1, 2),
    prefetch_config(0xffff'ffff),
    prefetch_addr(1, 0x1000).with(Command::PrefetchSize, 31).with(Command::Stride, 31),
    cfgi_ste(1, true),
    cfgi_ste(0xffff'ffff, false),
    cfgi_ste_range(1, 0),
    cfgi_ste_range(0xffff'ffff, 30),
    cfgi_all(),
    cfgi_all().with(Command::StreamID, 77),
    cfgi_cd(1, 3, true),
    cfgi_cd(1, 0xfffff, false),
    cfgi_cd_all(1),
    tlbi_nh_all(0xffff),
    tlbi_nh_asid(1, 0xffff),
    tlbi_nh_va(1, 1, ~0ULL, false),
    tlbi_nh_vaa(1, 0, false),
    tlbi_el2_all(),
    tlbi_el2_asid(1),
    tlbi_el2_va(1, 0, true),
    tlbi_el2_vaa(0, true),
    tlbi_s12_vmall(1),
    tlbi_s2_ipa(1, ~0ULL, true),
    tlbi_nsnh_all(),
    tlbi_nh_va(1, 1, ~0ULL, false, {31, 31, TlbiTg::k64, 3}),
    sync(SyncSignal::none),
    sync(SyncSignal::irq),
    sync(SyncSignal::sev),
};
INSTANTIATE_TEST_SUITE_P(Each, Legal, testing::ValuesIn(legal));

TEST(Configuration, CFGI_STE_RANGEReachesItsAlignedBlockOfStreamsAndNoOther) {
  Rig rig;
  for (std::uint32_t sid = 0; sid < 16; ++sid) {
    rig.put_ste(sid, rig.bypass_ste());
    EXPECT_TRUE(rig.pa(sid, 0x1000));
    rig.put_ste(sid, Ste{}.set(Ste::V, 1));
  }
  rig.run({cfgi_ste_range(5, 1)}); // 4 .. 7
  for (std::uint32_t sid = 0; sid < 16; ++sid) {
    EXPECT_EQ(rig.pa(sid, 0x1000).has_value(), sid < 4 || sid > 7) << sid;
  }
  rig.run({cfgi_all().with(Command::StreamID, 9)});
  for (std::uint32_t sid = 0; sid < 16; ++sid) {
    EXPECT_FALSE(rig.pa(sid, 0x1000)) << sid;
  }
}

TEST(SEV, CMD_SYNCWithCSSEVSendsAnEventWithIDR0_SEV) {
  Rig rig{with([](Features& f) { f.sev = true; })};
  rig.submit(sync(SyncSignal::sev));
  EXPECT_EQ(rig.ram.wfe_events(), 1U);
  EXPECT_EQ(rig.ram.pulses(Wire::command_sync), 0U);
}

TEST(SEV, CSSEVIsAsNoneWithoutIDR0_SEV) {
  Rig rig;
  rig.run({sync(SyncSignal::sev)});
  EXPECT_EQ(rig.ram.wfe_events(), 0U);
}

TEST(SEV, ACommandQueueThatIsFullNoLongerSendsAnEvent) {
  Rig rig{with([](Features& f) { f.sev = true; })};
  rig.w32<arch::CR0>(0);
  for (unsigned i = 0; i < 32; ++i) {
    rig.submit(tlbi_nsnh_all());
  }
  rig.w32<arch::CR0>(8);
  EXPECT_TRUE(rig.drained());
  EXPECT_EQ(rig.ram.wfe_events(), 1U);
}

// 6.3.9 VMW
struct Wildcard : testing::Test {
  Wildcard() : rig{with([](Features& f) { f.vmw = true; })} {
    tree = rig.stage2_tree();
    for (std::uint32_t sid = 0; sid < 18; ++sid) {
      rig.put_ste(sid, rig.stage2_ste(tree, static_cast<std::uint16_t>(0x40 + sid)));
    }
  }
  // The streams, by their VMIDs' distance from 0x40, that a command makes fresh.
  std::vector<std::uint32_t> reached(std::uint32_t vmw, const Command& command) {
    rig.w32<arch::CR0>(0xd | vmw << 6);
    EXPECT_EQ(rig.r32<arch::CR0ACK>(), 0xdU | vmw << 6);
    rig.map(tree, 0x1000, 0x1000, s2_rw);
    rig.run({tlbi_nsnh_all()});
    for (std::uint32_t sid = 0; sid < 18; ++sid) {
      EXPECT_EQ(rig.pa(sid, 0x1000), 0x1000U);
    }
    rig.map(tree, 0x1000, 0x2000, s2_rw);
    rig.run({command});
    std::vector<std::uint32_t> fresh;
    for (std::uint32_t sid = 0; sid < 18; ++sid) {
      if (rig.pa(sid, 0x1000) == 0x2000U) {
        fresh.push_back(sid);
      }
    }
    return fresh;
  }
  Rig rig;
  Tree tree;
};
using Vmids = std::vector<std::uint32_t>;

TEST_F(Wildcard, VMW0MatchesOneVMID) {
  EXPECT_EQ(reached(0, tlbi_s12_vmall(0x45)), Vmids{5});
  EXPECT_EQ(reached(0, tlbi_s2_ipa(0x45, 0x1000, true)), Vmids{5});
}
TEST_F(Wildcard, VMWIgnoresAsManyLowBits) {
  EXPECT_EQ(reached(1, tlbi_s12_vmall(0x45)), (Vmids{4, 5}));
  EXPECT_EQ(reached(2, tlbi_s2_ipa(0x45, 0x1000, true)), (Vmids{4, 5, 6, 7}));
  EXPECT_EQ(reached(4, tlbi_s12_vmall(0x45)).size(), 16U);
}
TEST_F(Wildcard, ReservedValuesAre0) { EXPECT_EQ(reached(5, tlbi_s12_vmall(0x45)), Vmids{5}); }

TEST(VMW, IsReservedWithoutIDR0_VMW) {
  Rig rig;
  rig.w32<arch::CR0>(0xd | 4U << 6);
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), 0xdU);
}

} // namespace
} // namespace sluice::model::test
