#include "rig.hpp"

#include <sluice/model/validity.hpp>

#include <functional>

namespace sluice::model::test {
namespace {

struct SteCase {
  const char* name;
  BadSte expected;
  std::function<void(Features&)> features;
  std::function<void(Ste&)> change;
  char base; // '1' stage 1, '2' stage 2, 'n' nested, 'b' bypass
};

Ste legal_ste(char base) {
  Ste s;
  s.set(Ste::V, 1).set(Ste::SHCFG, arch::ShareabilityOverride::incoming);
  s.set(Ste::Config, base == '1'   ? arch::SteConfig::stage1
                     : base == '2' ? arch::SteConfig::stage2
                     : base == 'n' ? arch::SteConfig::nested
                                   : arch::SteConfig::bypass);
  if (base == '1' || base == 'n') {
    s.set(Ste::S1ContextPtr, 0x10'0000);
  }
  if (base == '2' || base == 'n') {
    s.set(Ste::S2T0SZ, 24).set(Ste::S2SL0, 1).set(Ste::S2PS, arch::AddressSize::bits44).set(Ste::S2AA64, 1);
    s.set(Ste::S2TTB, 0x20'0000);
  }
  return s;
}

// What an SMMU can have beside the one that is not there.
Features possible(Features f) {
  f.hyp = f.hyp && f.stage1 && f.stage2;
  f.fwb = f.fwb && f.stage2;
  f.stall_max = f.stall_model == 1 ? 0 : 4;
  return f;
}

class IllegalSte : public testing::TestWithParam<SteCase> {};

TEST_P(IllegalSte, IsC_BAD_STEForItsReason) {
  const auto& c = GetParam();
  Features f;
  f.substreamid_bits = 8;
  if (c.features) {
    c.features(f);
  }
  f = possible(f);
  Ste ste = legal_ste(c.base);
  c.change(ste);
  EXPECT_EQ(ste_illegal(ste, facts(f, {})), c.expected);
  Rig rig{f};
  rig.put_ste(1, ste);
  EXPECT_EQ(rig.read(1, 0x1000).event == EventType::C_BAD_STE, c.expected != BadSte::none);
}

TEST_P(IllegalSte, WouldBeLegalWithoutIt) {
  const auto& c = GetParam();
  Features f;
  f.substreamid_bits = 8;
  EXPECT_EQ(ste_illegal(legal_ste(c.base), facts(f, {})), BadSte::none);
}

const SteCase ste_cases[] = {
    {"V0", BadSte::n1_v0, {}, [](Ste& s) { s.set(Ste::V, 0); }, 'b'},
    {"Stage1Missing", BadSte::n2_no_stage1, [](Features& f) { f.stage1 = false; }, [](Ste&) {}, '1'},
    {"NestedWithoutStage1", BadSte::n2_no_stage1, [](Features& f) { f.stage1 = false; }, [](Ste&) {}, 'n'},
    {"Stage2Missing", BadSte::n3_no_stage2, [](Features& f) { f.stage2 = false; }, [](Ste&) {}, '2'},
    {"NestedWithoutStage2", BadSte::n3_no_stage2, [](Features& f) { f.stage2 = false; }, [](Ste&) {}, 'n'},
    {"SplitATSNotNested", BadSte::n4a_eats_split, [](Features& f) { f.ats = true; },
     [](Ste& s) { s.set(Ste::EATS, arch::Eats::split); }, '1'},
    {"SplitATSWithS2S", BadSte::n4a_eats_split,
     [](Features& f) {
       f.ats = true;
       f.stall_model = 0;
     },
     [](Ste& s) { s.set(Ste::EATS, arch::Eats::split).set(Ste::S2S, 1); }, 'n'},
    {"FullATSWithS2S", BadSte::n4b_eats_stall,
     [](Features& f) {
       f.ats = true;
       f.stall_model = 0;
     },
     [](Ste& s) { s.set(Ste::EATS, arch::Eats::full).set(Ste::S2S, 1); }, '2'},
    {"STRWReserved", BadSte::n5_strw, {}, [](Ste& s) { s.set(Ste::STRW, arch::Strw::reserved); }, '1'},
    {"STRW_EL3", BadSte::n5_strw, {}, [](Ste& s) { s.set(Ste::STRW, arch::Strw::el3); }, '1'},
    {"S1STALLD", BadSte::n6a_s1stalld, {}, [](Ste& s) { s.set(Ste::S1STALLD, 1); }, '1'},
    {"S1CDMaxTooLarge", BadSte::n6b_s1cdmax, {}, [](Ste& s) { s.set(Ste::S1CDMax, 9); }, '1'},
    {"TwoLevelCDsMissing", BadSte::n6c_two_level_cd, [](Features& f) { f.two_level_cds = false; },
     [](Ste& s) { s.set(Ste::S1CDMax, 8).set(Ste::S1Fmt, arch::S1Format::two_level_64k); }, '1'},
    {"S1ContextPtrBeyondOAS", BadSte::n6d_s1contextptr, {}, [](Ste& s) { s.set(Ste::S1ContextPtr, 1ULL << 44); }, '1'},
    {"S1ContextPtrBeyondIAS", BadSte::n6d_s1contextptr, {}, [](Ste& s) { s.set(Ste::S1ContextPtr, 1ULL << 44); }, 'n'},
    {"S2SWithoutStalls", BadSte::n7b_stall_model, {}, [](Ste& s) { s.set(Ste::S2S, 1); }, '2'},
    {"NoS2SWithForcedStalls", BadSte::n7b_stall_model, [](Features& f) { f.stall_model = 2; }, [](Ste&) {}, '2'},
    {"AArch32Stage2", BadSte::n7c_aarch32, {}, [](Ste& s) { s.set(Ste::S2AA64, 0); }, '2'},
    {"S2HAWithoutHTTU", BadSte::n7d_httu, {}, [](Ste& s) { s.set(Ste::S2HA, 1); }, '2'},
    {"S2HDWithoutHTTU", BadSte::n7d_httu, {}, [](Ste& s) { s.set(Ste::S2HD, 1); }, 'n'},
    {"S2HDWithAccessFlagOnly", BadSte::n7d_httu, [](Features& f) { f.httu = 1; },
     [](Ste& s) { s.set(Ste::S2HA, 1).set(Ste::S2HD, 1); }, '2'},
    {"GranuleReserved", BadSte::n7e_granule, {}, [](Ste& s) { s.set(Ste::S2TG, arch::S2Tg::reserved); }, '2'},
    {"GranuleMissing", BadSte::n7e_granule, [](Features& f) { f.gran4k = false; }, [](Ste&) {}, '2'},
    {"S2TTBBeyondS2PS",
     BadSte::n7f_s2ttb,
     {},
     [](Ste& s) { s.set(Ste::S2PS, arch::AddressSize::bits32).set(Ste::S2TTB, 1ULL << 32); },
     '2'},
    {"S2T0SZTooSmall", BadSte::n7g_s2t0sz, {}, [](Ste& s) { s.set(Ste::S2T0SZ, 19); }, '2'},
    {"S2T0SZTooLarge", BadSte::n7g_s2t0sz, {}, [](Ste& s) { s.set(Ste::S2T0SZ, 49); }, '2'},
    {"S2T0SZTooLargeWithoutSTT", BadSte::n7g_s2t0sz, [](Features& f) { f.small_tables = false; },
     [](Ste& s) { s.set(Ste::S2T0SZ, 40); }, '2'},
    {"StartLevelReserved", BadSte::n7h_start_level, [](Features& f) { f.small_tables = false; },
     [](Ste& s) { s.set(Ste::S2SL0, 3); }, '2'},
    {"StartLevelTooDeep", BadSte::n7h_start_level, {}, [](Ste& s) { s.set(Ste::S2SL0, 0); }, '2'},
    {"BigEndian", BadSte::n7j_endian, {}, [](Ste& s) { s.set(Ste::S2ENDI, 1); }, '2'},
    {"VMIDOf16Bits", BadSte::n8_vmid8, [](Features& f) { f.vmid16 = false; }, [](Ste& s) { s.set(Ste::S2VMID, 256); },
     '2'},
    {"VMIDOfAStage1Stream", BadSte::n8_vmid8, [](Features& f) { f.vmid16 = false; },
     [](Ste& s) { s.set(Ste::S2VMID, 256); }, '1'},
    {"ReservedBit", BadSte::reserved_bits, {}, [](Ste& s) { s.w[0] |= 1ULL << 57; }, 'b'},
    {"BitOfAnAbsentFeature", BadSte::reserved_bits, {}, [](Ste& s) { s.set(Ste::S2POE, 1); }, '2'},
};

INSTANTIATE_TEST_SUITE_P(Each, IllegalSte, testing::ValuesIn(ste_cases), [](const auto& i) { return i.param.name; });

struct LegalCase {
  const char* name;
  std::function<void(Features&)> features;
  std::function<void(Ste&)> change;
  char base;
};
class LegalSte : public testing::TestWithParam<LegalCase> {};

TEST_P(LegalSte, IsLegal) {
  const auto& c = GetParam();
  Features f;
  f.substreamid_bits = 8;
  if (c.features) {
    c.features(f);
  }
  Ste ste = legal_ste(c.base);
  c.change(ste);
  EXPECT_EQ(ste_illegal(ste, facts(f, {})), BadSte::none);
}

// IGNORED fields do not count.
const LegalCase legal_cases[] = {
    {"AbortWhateverElse",
     {},
     [](Ste& s) {
       s.set(Ste::Config, arch::SteConfig::abort).set(Ste::S2S, 1);
       s.w[1] = ~0ULL;
     },
     '2'},
    {"EATSWithoutATS", {}, [](Ste& s) { s.set(Ste::EATS, arch::Eats::split); }, '1'},
    {"STRWOfANestedStream", {}, [](Ste& s) { s.set(Ste::STRW, arch::Strw::reserved); }, 'n'},
    {"STRWWithoutHyp", [](Features& f) { f.hyp = false; }, [](Ste& s) { s.set(Ste::STRW, arch::Strw::reserved); }, '1'},
    {"S1CDMaxWithoutSubstreams", [](Features& f) { f.substreamid_bits = 0; }, [](Ste& s) { s.set(Ste::S1CDMax, 20); },
     '1'},
    {"Stage1FieldsOfAStage2Stream", {}, [](Ste& s) { s.set(Ste::S1CDMax, 20).set(Ste::S1STALLD, 1); }, '2'},
    {"Stage2FieldsOfAStage1Stream", {}, [](Ste& s) { s.set(Ste::S2T0SZ, 63).set(Ste::S2S, 1); }, '1'},
    {"VMIDInBypass", [](Features& f) { f.vmid16 = false; }, [](Ste& s) { s.set(Ste::S2VMID, 256); }, 'b'},
    {"VMIDOfAnEL2Stream", [](Features& f) { f.vmid16 = false; },
     [](Ste& s) { s.set(Ste::S2VMID, 256).set(Ste::STRW, arch::Strw::el2); }, '1'},
    {"S2PSBeyondOASIsCapped", {}, [](Ste& s) { s.set(Ste::S2PS, arch::AddressSize::bits56); }, '2'},
    {"LinearCDsWithoutCD2L", [](Features& f) { f.two_level_cds = false; },
     [](Ste& s) { s.set(Ste::S1CDMax, 8).set(Ste::S1Fmt, arch::S1Format::reserved); }, '1'},
};
INSTANTIATE_TEST_SUITE_P(Each, LegalSte, testing::ValuesIn(legal_cases), [](const auto& i) { return i.param.name; });

TEST(SteValidity, AReservedBitIsIgnoredWhenTheKnobSaysSo) {
  Knobs k;
  k.reserved_bits_illegal = false;
  Ste s = legal_ste('b');
  s.w[7] = ~0ULL;
  s.w[0] |= 1ULL << 57;
  EXPECT_EQ(ste_illegal(s, facts({}, k)), BadSte::none);
}

// Every S2T0SZ and S2SL0 against the table of translation.md section 2, written out.
TEST(SteValidity, StartLevelsFitInputSizesAsTheManualTabulates) {
  struct Row {
    arch::Granule granule;
    unsigned sl0;
    unsigned from, to; // concatenation included
  };
  constexpr Row rows[] = {
      {arch::Granule::k4, 2, 16, 24},  {arch::Granule::k4, 1, 21, 33},  {arch::Granule::k4, 0, 30, 42},
      {arch::Granule::k4, 3, 39, 48},  {arch::Granule::k16, 2, 16, 27}, {arch::Granule::k16, 1, 24, 38},
      {arch::Granule::k16, 0, 35, 48}, {arch::Granule::k64, 2, 16, 21}, {arch::Granule::k64, 1, 18, 34},
      {arch::Granule::k64, 0, 31, 47},
  };
  Features f;
  f.oas_bits = 48;
  const auto facts48 = facts(f, {});
  for (const auto g : {arch::Granule::k4, arch::Granule::k16, arch::Granule::k64}) {
    for (unsigned sl0 = 0; sl0 < 4; ++sl0) {
      for (unsigned t0sz = 0; t0sz < 64; ++t0sz) {
        Ste s = legal_ste('2');
        s.set(Ste::S2TG, arch::s2tg(g)).set(Ste::S2SL0, sl0).set(Ste::S2T0SZ, t0sz);
        bool expected = false;
        for (const auto& r : rows) {
          expected = expected || (r.granule == g && r.sl0 == sl0 && t0sz >= r.from && t0sz <= r.to);
        }
        EXPECT_EQ(ste_illegal(s, facts48) == BadSte::none, expected)
            << arch::granule_bits(g) << " SL0 " << sl0 << " T0SZ " << t0sz;
      }
    }
  }
}

TEST(Ste, AnIllegalOneIsRecordedAsC_BAD_STE) {
  Rig rig;
  EXPECT_EQ(rig.read(7, 0x1000).kind, Outcome::Kind::aborted);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::C_BAD_STE);
  EXPECT_EQ(e.get(Event::StreamID), 7U);
}

TEST(Ste, ConfigAbortIsSilent) {
  Rig rig;
  rig.put_ste(7, Ste{}.set(Ste::V, 1));
  const auto o = rig.read(7, 0x1000);
  EXPECT_EQ(o.kind, Outcome::Kind::aborted);
  EXPECT_EQ(o.event, std::nullopt);
  EXPECT_TRUE(rig.events().empty());
}

TEST(Ste, BypassLeavesTheAddress) {
  Rig rig;
  rig.put_ste(7, rig.bypass_ste());
  const auto at = rig.ram.alloc(4096);
  EXPECT_TRUE(rig.write(7, at + 8, 0x77).served());
  EXPECT_EQ(rig.ram.get(at + 8), 0x77U);
}

TEST(Ste, BypassOfAnAddressBeyondOASIsF_ADDR_SIZEOfStage1) {
  Rig rig;
  rig.put_ste(7, rig.bypass_ste());
  EXPECT_EQ(rig.read(7, 1ULL << 44).kind, Outcome::Kind::aborted);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_ADDR_SIZE);
  EXPECT_EQ(e.get(Event::S2), 0U);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::in);
}

TEST(Ste, OneStaysCachedUntilCFGI_STE) {
  Rig rig;
  rig.put_ste(7, rig.bypass_ste());
  EXPECT_EQ(rig.pa(7, 0x1000), 0x1000U);
  rig.put_ste(7, Ste{});
  EXPECT_EQ(rig.pa(7, 0x1000), 0x1000U);
  rig.run({arch::cmd::cfgi_ste(6, true), arch::cmd::cfgi_cd_all(7), arch::cmd::tlbi_nsnh_all()});
  EXPECT_EQ(rig.pa(7, 0x1000), 0x1000U);
  rig.run({arch::cmd::cfgi_ste(7, true)});
  EXPECT_FALSE(rig.pa(7, 0x1000));
}

TEST(Ste, AnInvalidOneStaysCachedToo) {
  Rig rig;
  EXPECT_FALSE(rig.pa(7, 0x1000));
  rig.put_ste(7, rig.bypass_ste());
  EXPECT_FALSE(rig.pa(7, 0x1000));
  rig.run({arch::cmd::cfgi_ste(7, true)});
  EXPECT_EQ(rig.pa(7, 0x1000), 0x1000U);
}

TEST(Ste, CFGI_STE_RANGEReachesItsAlignedStreams) {
  Rig rig;
  EXPECT_FALSE(rig.pa(7, 0x1000));
  EXPECT_FALSE(rig.pa(8, 0x1000));
  rig.put_ste(7, rig.bypass_ste());
  rig.put_ste(8, rig.bypass_ste());
  rig.run({arch::cmd::cfgi_ste_range(5, 1)}); // 4 to 7
  EXPECT_TRUE(rig.pa(7, 0x1000));
  EXPECT_FALSE(rig.pa(8, 0x1000));
  rig.run({arch::cmd::cfgi_all()});
  EXPECT_TRUE(rig.pa(8, 0x1000));
}

} // namespace
} // namespace sluice::model::test
