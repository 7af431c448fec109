#include "rig.hpp"

#include <sluice/model/presets.hpp>

#include <functional>

namespace sluice::model::test {
namespace {

struct RefusalCase {
  const char* name;
  Refusal why;
  base::Errc errc;
  std::function<void(Features&, Knobs&)> change;
};
class Refused : public testing::TestWithParam<RefusalCase> {};

TEST_P(Refused, ByName) {
  const auto& c = GetParam();
  Features f;
  Knobs k;
  c.change(f, k);
  EXPECT_EQ(refusal(f, k), c.why);
  Ram ram{4096};
  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  hosted::Time time{schedule};
  const auto made = Smmu::make(f, observed(k), ram, sync, time);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error(), c.errc);
}

constexpr auto value = base::Errc::invalid_argument;
constexpr auto together = base::Errc::bad_hardware;
constexpr auto later = base::Errc::unsupported;
using F = Features;
using K = Knobs;

const RefusalCase refusals[] = {
    {"Version", Refusal::version, value, [](F& f, K&) { f.version = 5; }},
    {"OAS", Refusal::oas, value, [](F& f, K&) { f.oas_bits = 43; }},
    {"OAS56", Refusal::oas, value, [](F& f, K&) { f.oas_bits = 56; }},
    {"StreamIDs", Refusal::streamid_bits, value, [](F& f, K&) { f.streamid_bits = 33; }},
    {"SubstreamIDs", Refusal::substream_bits, value, [](F& f, K&) { f.substreamid_bits = 21; }},
    {"CommandQueue", Refusal::queue_size, value, [](F& f, K&) { f.cmdq_log2 = 20; }},
    {"EventQueue", Refusal::queue_size, value, [](F& f, K&) { f.eventq_log2 = 20; }},
    {"BBML", Refusal::bbml, value, [](F& f, K&) { f.bbml = 3; }},
    {"HTTU", Refusal::httu, value, [](F& f, K&) { f.httu = 3; }},
    {"StallModel", Refusal::stall_model, value, [](F& f, K&) { f.stall_model = 3; }},
    {"STALL_MAX", Refusal::stall_max, value, [](F& f, K&) { f.stall_max = 0x1'0000; }},
    {"CacheOfNoPowerOfTwo", Refusal::cache_size, value, [](F&, K& k) { k.tlb = 3; }},
    {"NoCache", Refusal::cache_size, value, [](F&, K& k) { k.ste_cache = 0; }},
    {"NoStage", Refusal::no_stage, together, [](F& f, K&) { f.stage1 = f.stage2 = f.hyp = false; }},
    {"HypWithOneStage", Refusal::hyp_stages, together, [](F& f, K&) { f.stage2 = false; }},
    {"NoHypInV32", Refusal::hyp_stages, together, [](F& f, K&) { f.hyp = false; }},
    {"ManyStreamIDsInALinearTable", Refusal::needs_two_level, together, [](F& f, K&) { f.two_level_streams = false; }},
    {"PRIWithoutATS", Refusal::pri_without_ats, together, [](F& f, K&) { f.pri = true; }},
    {"NoGranule", Refusal::no_granule, together, [](F& f, K&) { f.gran4k = f.gran16k = f.gran64k = false; }},
    {"OAS52Without64K", Refusal::oas52_granule, together,
     [](F& f, K&) {
       f.oas_bits = 52;
       f.gran64k = false;
     }},
    {"VAX52Without64K", Refusal::va52_granule, together,
     [](F& f, K&) {
       f.va52 = true;
       f.gran64k = false;
     }},
    {"NoHADInV31", Refusal::v31_features, together,
     [](F& f, K&) {
       f.version = 1;
       f.had = false;
     }},
    {"NoXNXInV31", Refusal::v31_features, together,
     [](F& f, K&) {
       f.version = 1;
       f.xnx = false;
     }},
    {"NoRILInV32", Refusal::v32_features, together, [](F& f, K&) { f.range_invalidation = false; }},
    {"NoFWBInV32", Refusal::v32_features, together, [](F& f, K&) { f.fwb = false; }},
    {"NoBBMLInV32", Refusal::v32_features, together, [](F& f, K&) { f.bbml = 0; }},
    {"V32FeaturesInV30", Refusal::too_new, together, [](F& f, K&) { f.version = 0; }},
    {"StallsWithoutSTALL_MAX", Refusal::stall_max_zero, together, [](F& f, K&) { f.stall_model = 0; }},
    {"STALL_MAXWithoutStalls", Refusal::stall_max_zero, together, [](F& f, K&) { f.stall_max = 4; }},
    {"V33FeaturesInV31", Refusal::too_new, together,
     [](F& f, K&) {
       f.version = 1;
       f.e0pd = true;
     }},
    {"NoE0PDInV33", Refusal::v33_features, together,
     [](F& f, K&) {
       f.version = 3;
       f.ptwnnc = true;
     }},
    {"NoPTWNNCInV33", Refusal::v33_features, together,
     [](F& f, K&) {
       f.version = 3;
       f.e0pd = true;
     }},
    {"VMWWithoutStage2", Refusal::vmw_stage2, together,
     [](F& f, K&) {
       f.stage2 = f.hyp = f.fwb = false;
       f.vmw = true;
     }},
    {"OAS52InV30", Refusal::oas_version, together,
     [](F& f, K&) {
       f.version = 0;
       f.oas_bits = 52;
     }},
    {"WalkCacheTooLarge", Refusal::cache_size, value, [](F&, K& k) { k.walk_cache = 2U << 20; }},
    {"V34NotYet", Refusal::no_v34, later,
     [](F& f, K&) {
       f.version = 4;
       f.e0pd = f.ptwnnc = true;
     }},
    {"Secure", Refusal::no_secure, later, [](F& f, K&) { f.secure = true; }},
    {"RME", Refusal::no_rme, later, [](F& f, K&) { f.rme = true; }},
    {"VMSAv8_32", Refusal::no_aarch32, later, [](F& f, K&) { f.aarch32 = true; }},
    {"BigEndianTables", Refusal::no_big_endian, later, [](F& f, K&) { f.big_endian = true; }},
    {"ATOS", Refusal::no_atos, later, [](F& f, K&) { f.atos = true; }},
    {"VATOS", Refusal::no_vatos, later, [](F& f, K&) { f.vatos = true; }},
    {"ECMDQ", Refusal::no_ecmdq, later, [](F& f, K&) { f.ecmdq = true; }},
    {"MPAM", Refusal::no_mpam, later, [](F& f, K&) { f.mpam = true; }},
    {"DPT", Refusal::no_dpt, later, [](F& f, K&) { f.dpt = true; }},
    {"DS", Refusal::no_ds, later, [](F& f, K&) { f.ds = true; }},
    {"D128", Refusal::no_d128, later, [](F& f, K&) { f.d128 = true; }},
    {"ForcedStallsWithPCIe", Refusal::pcie_stalls, together,
     [](F& f, K&) {
       f.ats = true;
       f.stall_model = 2;
       f.stall_max = 4;
     }},
    {"ATSRECERRWithoutATS", Refusal::needs_ats, together, [](F& f, K&) { f.ats_record_errors = true; }},
    {"PPSWithoutPRI", Refusal::needs_ats, together,
     [](F& f, K&) {
       f.ats = f.pri_pasid = true;
       f.substreamid_bits = 8;
     }},
    {"PPSWithoutSubstreams", Refusal::needs_pasids, together, [](F& f, K&) { f.ats = f.pri = f.pri_pasid = true; }},
    {"PASIDTTInV32", Refusal::too_new, together,
     [](F& f, K&) {
       f.ats = f.pasid_translated = true;
       f.substreamid_bits = 8;
     }},
};
INSTANTIATE_TEST_SUITE_P(Each, Refused, testing::ValuesIn(refusals), [](const auto& i) { return i.param.name; });

TEST(Identity, TheWordsSayWhatTheFeaturesSay) {
  Features f;
  f.substreamid_bits = 8;
  const auto id = identity(f);
  // S2P S1P TTF=2 COHACC Hyp ASID16 VMID16 CD2L TTENDIAN=2 STALL_MODEL=1 ST_LEVEL=1
  EXPECT_EQ(id.idr0.raw(), 0x094c'121bU);
  EXPECT_EQ(id.idr1.raw(), 0x0d4a'0210U);
  EXPECT_EQ(id.idr3.raw(), 0x0000'1714U);
  EXPECT_EQ(id.idr5.raw(), 0x0000'0074U);
  EXPECT_EQ(id.aidr.raw(), 2U);
}

struct PresetCase {
  const char* name;
  std::uint32_t idr0, idr1, idr3, idr5, aidr;
};
class Presets : public testing::TestWithParam<PresetCase> {};

TEST_P(Presets, HaveTheirIDRWords) {
  const auto& c = GetParam();
  const auto features = preset(c.name);
  ASSERT_TRUE(features);
  EXPECT_EQ(refusal(*features, {}), Refusal::none);
  const auto id = identity(*features);
  EXPECT_EQ(id.idr0.raw(), c.idr0);
  EXPECT_EQ(id.idr1.raw(), c.idr1);
  EXPECT_EQ(id.idr3.raw(), c.idr3);
  EXPECT_EQ(id.idr5.raw(), c.idr5);
  EXPECT_EQ(id.aidr.raw(), c.aidr);
}
// Those of QEMU as a guest reads them.
const PresetCase preset_cases[] = {
    {"qemu7", 0x0d40'101a, 0x0273'0010, 0x1404, 0x74, 1},
    {"qemu11", 0x0d44'101b, 0x0273'0010, 0x1414, 0x74, 1},
};
INSTANTIATE_TEST_SUITE_P(Each, Presets, testing::ValuesIn(preset_cases), [](const auto& i) { return i.param.name; });

TEST(Presets, EachCanBeMade) {
  for (const auto& p : presets) {
    Ram ram{4096};
    hosted::FreeSchedule schedule;
    hosted::Sync sync{schedule};
    hosted::Time time{schedule};
    EXPECT_TRUE(Smmu::make(p.features, {}, ram, sync, time).ok()) << p.name;
  }
  EXPECT_FALSE(preset("v3.9"));
}

TEST(Presets, OfAVersionLackWhatTheNextOneDemands) {
  Features f = *preset("v3.1");
  f.version = 2;
  EXPECT_EQ(refusal(f, {}), Refusal::v32_features);
  f = *preset("v3.2");
  f.version = 3;
  EXPECT_EQ(refusal(f, {}), Refusal::v33_features);
}

TEST(Identity, IsWhatSoftwareReads) {
  Rig rig;
  const auto id = identity(Rig::with_substreams());
  EXPECT_EQ(rig.r32<arch::IDR0>(), id.idr0.raw());
  EXPECT_EQ(rig.r32<arch::IDR1>(), id.idr1.raw());
  EXPECT_EQ(rig.r32<arch::IDR5>(), id.idr5.raw());
  EXPECT_EQ(rig.r32<arch::AIDR>(), 2U);
}

} // namespace
} // namespace sluice::model::test
