#include "rig.hpp"

#include <sluice/model/validity.hpp>

#include <functional>

namespace sluice::model::test {
namespace {

Cd legal_cd() {
  Cd c;
  c.set(Cd::V, 1).set(Cd::AA64, 1).set(Cd::A, 1).set(Cd::R, 1).set(Cd::IPS, arch::AddressSize::bits44);
  c.set(Cd::T0SZ, 25).set(Cd::TTB0, 0x10'0000);
  return c.set(Cd::T1SZ, 25).set(Cd::TG1, arch::Tg1::k4).set(Cd::TTB1, 0x20'0000);
}

std::optional<EventType> event_of(Rig& rig, Ste ste, const Cd& cd) {
  const auto at = rig.ram.alloc(64);
  rig.put(at, cd);
  rig.put_ste(1, ste.set(Ste::S1ContextPtr, at));
  return rig.read(1, 0x1000).event;
}

struct CdCase {
  const char* name;
  BadCd expected;
  std::function<void(Features&)> features;
  std::function<void(Cd&)> change;
};
class IllegalCd : public testing::TestWithParam<CdCase> {};

TEST_P(IllegalCd, IsC_BAD_CDForItsReason) {
  const auto& c = GetParam();
  Features f;
  if (c.features) {
    c.features(f);
  }
  f.stall_max = f.stall_model == 1 ? 0 : 4;
  Cd cd = legal_cd();
  c.change(cd);
  Ste ste;
  ste.set(Ste::V, 1).set(Ste::Config, arch::SteConfig::stage1);
  EXPECT_EQ(cd_illegal(cd, ste, World::el1, facts(f, {})), c.expected);
  Rig rig{f};
  EXPECT_EQ(event_of(rig, ste, cd) == EventType::C_BAD_CD, c.expected != BadCd::none);
}

const CdCase cd_cases[] = {
    {"Legal", BadCd::none, {}, [](Cd&) {}},
    {"V0", BadCd::n1_v0, {}, [](Cd& c) { c.set(Cd::V, 0); }},
    {"A0WithTERM_MODEL", BadCd::n3_term_model, [](Features& f) { f.terminate_only_abort = true; },
     [](Cd& c) { c.set(Cd::A, 0); }},
    {"A0WithoutTERM_MODEL", BadCd::none, {}, [](Cd& c) { c.set(Cd::A, 0); }},
    {"SWithoutStalls", BadCd::n4_stall_model, {}, [](Cd& c) { c.set(Cd::S, 1); }},
    {"NoSWithForcedStalls", BadCd::n4_stall_model, [](Features& f) { f.stall_model = 2; }, [](Cd&) {}},
    {"BigEndian", BadCd::n5_endian, {}, [](Cd& c) { c.set(Cd::ENDI, 1); }},
    {"BigEndianWithoutTables", BadCd::none, {}, [](Cd& c) { c.set(Cd::ENDI, 1).set(Cd::EPD0, 1).set(Cd::EPD1, 1); }},
    {"AArch32", BadCd::n6_aarch32, {}, [](Cd& c) { c.set(Cd::AA64, 0); }},
    {"HAWithoutHTTU", BadCd::n8_httu, {}, [](Cd& c) { c.set(Cd::HA, 1); }},
    {"HDWithAccessFlagOnly", BadCd::n8_httu, [](Features& f) { f.httu = 1; },
     [](Cd& c) { c.set(Cd::HA, 1).set(Cd::HD, 1); }},
    {"ASIDOf16Bits", BadCd::n9_asid8, [](Features& f) { f.asid16 = false; }, [](Cd& c) { c.set(Cd::ASID, 256); }},
    {"T0SZTooSmall", BadCd::n10_txsz0, {}, [](Cd& c) { c.set(Cd::T0SZ, 15); }},
    {"T0SZTooLarge", BadCd::n10_txsz0, {}, [](Cd& c) { c.set(Cd::T0SZ, 49); }},
    {"T0SZTooLargeWithoutSTT", BadCd::n10_txsz0, [](Features& f) { f.small_tables = false; },
     [](Cd& c) { c.set(Cd::T0SZ, 40); }},
    {"T0SZTooLargeFor64K", BadCd::n10_txsz0, {}, [](Cd& c) { c.set(Cd::T0SZ, 48).set(Cd::TG0, arch::Tg0::k64); }},
    {"T0SZ12For64KWithVAX", BadCd::none, [](Features& f) { f.va52 = true; },
     [](Cd& c) { c.set(Cd::T0SZ, 12).set(Cd::TG0, arch::Tg0::k64); }},
    {"T0SZ12For4KWithVAX", BadCd::n10_txsz0, [](Features& f) { f.va52 = true; }, [](Cd& c) { c.set(Cd::T0SZ, 12); }},
    {"T1SZTooSmall", BadCd::n10_txsz1, {}, [](Cd& c) { c.set(Cd::T1SZ, 15); }},
    {"T1SZOfADisabledHalf", BadCd::none, {}, [](Cd& c) { c.set(Cd::T1SZ, 15).set(Cd::EPD1, 1); }},
    {"T0SZOfADisabledHalf", BadCd::none, {}, [](Cd& c) { c.set(Cd::T0SZ, 15).set(Cd::EPD0, 1); }},
    {"TG0Reserved", BadCd::n11_tg0, {}, [](Cd& c) { c.set(Cd::TG0, arch::Tg0::reserved); }},
    {"TG0Missing", BadCd::n11_tg0, [](Features& f) { f.gran16k = false; },
     [](Cd& c) { c.set(Cd::TG0, arch::Tg0::k16); }},
    {"TG1Reserved", BadCd::n11_tg1, {}, [](Cd& c) { c.set(Cd::TG1, arch::Tg1::reserved); }},
    {"TTB0BeyondIPS",
     BadCd::n11_ttb0,
     {},
     [](Cd& c) { c.set(Cd::IPS, arch::AddressSize::bits32).set(Cd::TTB0, 1ULL << 32).set(Cd::EPD1, 1); }},
    {"TTB1BeyondIPS", BadCd::n11_ttb1, {}, [](Cd& c) { c.set(Cd::TTB1, 1ULL << 44); }},
    {"TTB0Beyond48BitsIn4K", BadCd::n11_ttb0, [](Features& f) { f.oas_bits = 52; },
     [](Cd& c) { c.set(Cd::IPS, arch::AddressSize::bits52).set(Cd::TTB0, 1ULL << 48); }},
    {"TTB0Beyond48BitsIn64K", BadCd::none, [](Features& f) { f.oas_bits = 52; },
     [](Cd& c) { c.set(Cd::IPS, arch::AddressSize::bits52).set(Cd::TTB0, 1ULL << 48).set(Cd::TG0, arch::Tg0::k64); }},
    {"ReservedBit", BadCd::reserved_bits, {}, [](Cd& c) { c.w[5] |= 1ULL << 56; }},
    {"E0PDWithoutIDR3_E0PD", BadCd::reserved_bits, {}, [](Cd& c) { c.set(Cd::E0PD0, 1); }},
    {"BitOfAnAbsentFeature", BadCd::reserved_bits, {}, [](Cd& c) { c.set(Cd::PIE, 1); }},
};
INSTANTIATE_TEST_SUITE_P(Each, IllegalCd, testing::ValuesIn(cd_cases), [](const auto& i) { return i.param.name; });

TEST(CdValidity, SWithS1STALLDIsIllegal) {
  Features f;
  f.stall_model = 0;
  f.stall_max = 4;
  Ste ste;
  ste.set(Ste::V, 1).set(Ste::Config, arch::SteConfig::stage1).set(Ste::S1STALLD, 1);
  const Cd cd = legal_cd().set(Cd::S, 1);
  EXPECT_EQ(cd_illegal(cd, ste, World::el1, facts(f, {})), BadCd::n2_s1stalld);
  Rig rig{f};
  EXPECT_EQ(event_of(rig, ste, cd), EventType::C_BAD_CD);
}

TEST(CdValidity, AnEL2StreamHasNoEPDAndNoSecondHalf) {
  Ste ste;
  ste.set(Ste::V, 1).set(Ste::Config, arch::SteConfig::stage1);
  EXPECT_EQ(cd_illegal(legal_cd().set(Cd::T1SZ, 0), ste, World::el2, facts({}, {})), BadCd::none);
  EXPECT_EQ(cd_illegal(legal_cd().set(Cd::T0SZ, 0).set(Cd::EPD0, 1), ste, World::el2, facts({}, {})), BadCd::n10_txsz0);
  EXPECT_EQ(cd_illegal(legal_cd().set(Cd::T1SZ, 0), ste, World::el2_e2h, facts({}, {})), BadCd::n10_txsz1);
}

// Substreams: 2^8 CDs.
struct Substreams : testing::Test {
  Substreams() : tree{rig.tree()}, page{rig.ram.alloc(4096)} { rig.map(tree, 0x1000, page, s1_rw); }
  void stream(arch::S1Format format, unsigned s1cdmax, std::uint64_t at, arch::S1Dss dss = arch::S1Dss::cd0) {
    rig.put_ste(1, rig.stage1_ste(at).set(Ste::S1Fmt, format).set(Ste::S1CDMax, s1cdmax).set(Ste::S1DSS, dss));
  }
  EventType fault(std::optional<std::uint32_t> ssid) {
    const auto o = rig.read(1, 0x1000, nullptr, ssid);
    EXPECT_EQ(o.kind, Outcome::Kind::aborted);
    return o.event.value_or(EventType{});
  }

  Rig rig;
  Tree tree;
  std::uint64_t page;
};

TEST_F(Substreams, ALinearTableIsIndexedBySubstreamID) {
  const auto table = rig.ram.alloc(64 * 256, 64 * 256);
  rig.put(table + 200 * 64, rig.cd(tree));
  stream(arch::S1Format::linear, 8, table);
  EXPECT_EQ(rig.pa(1, 0x1000, 200), page);
}

TEST_F(Substreams, ATwoLevelTableWith4KLeavesIsIndexedInSixBits) {
  const auto l1 = rig.ram.alloc(64, 64);
  const auto leaf = rig.ram.alloc(4096, 4096);
  rig.ram.put(l1 + 3 * 8, leaf | 1);
  rig.put(leaf + 8 * 64, rig.cd(tree));
  stream(arch::S1Format::two_level_4k, 8, l1);
  EXPECT_EQ(rig.pa(1, 0x1000, 3 * 64 + 8), page);
}

TEST_F(Substreams, ATwoLevelTableWith64KLeavesIsIndexedInTenBits) {
  Features f;
  f.substreamid_bits = 12;
  Rig wide{f};
  const auto t = wide.tree();
  const auto p = wide.ram.alloc(4096);
  wide.map(t, 0x1000, p, s1_rw);
  const auto l1 = wide.ram.alloc(64, 64);
  const auto leaf = wide.ram.alloc(65536, 65536);
  wide.ram.put(l1 + 2 * 8, leaf | 1);
  wide.put(leaf + 777 * 64, wide.cd(t));
  wide.put_ste(1, wide.stage1_ste(l1).set(Ste::S1Fmt, arch::S1Format::two_level_64k).set(Ste::S1CDMax, 12));
  EXPECT_EQ(wide.pa(1, 0x1000, 2 * 1024 + 777), p);
}

TEST_F(Substreams, AnInvalidL1CDIsC_BAD_SUBSTREAMIDWithoutSSV) {
  stream(arch::S1Format::two_level_4k, 8, rig.ram.alloc(64, 64));
  EXPECT_EQ(fault(0x41), EventType::C_BAD_SUBSTREAMID);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::SubstreamID), 0x41U);
  EXPECT_EQ(e.get(Event::SSV), 0U);
}

TEST_F(Substreams, AnL1CDBeyondOASIsC_BAD_SUBSTREAMID) {
  const auto l1 = rig.ram.alloc(64, 64);
  rig.ram.put(l1, 1ULL << 44 | 1);
  stream(arch::S1Format::two_level_4k, 8, l1);
  EXPECT_EQ(fault(1), EventType::C_BAD_SUBSTREAMID);
}

TEST_F(Substreams, AnAbortOfTheL1CDFetchIsF_CD_FETCH) {
  const auto l1 = rig.ram.alloc(64, 64);
  rig.ram.plant(l1 + 8);
  stream(arch::S1Format::two_level_4k, 8, l1);
  EXPECT_EQ(fault(0x41), EventType::F_CD_FETCH);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::FetchAddr), l1 + 8);
  EXPECT_EQ(e.get(Event::SSV), 1U);
  EXPECT_EQ(e.get(Event::SubstreamID), 0x41U);
}

TEST_F(Substreams, AnAbortOfTheCDFetchIsF_CD_FETCH) {
  const auto table = rig.ram.alloc(64 * 256, 64 * 256);
  rig.ram.plant(table + 3 * 64 + 8);
  stream(arch::S1Format::linear, 8, table);
  EXPECT_EQ(fault(3), EventType::F_CD_FETCH);
  EXPECT_EQ(rig.event().get(Event::FetchAddr), table + 3 * 64);
  rig.put(table + 3 * 64, rig.cd(tree));
  rig.ram.heal();
  EXPECT_EQ(rig.pa(1, 0x1000, 3), page); // what failed is not cached
}

TEST_F(Substreams, AnIllegalCDIsC_BAD_CD) {
  stream(arch::S1Format::linear, 8, rig.ram.alloc(64 * 256, 64 * 256));
  EXPECT_EQ(fault(3), EventType::C_BAD_CD);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::C_BAD_CD);
  EXPECT_EQ(e.get(Event::SubstreamID), 3U);
}

TEST_F(Substreams, ASubstreamIDBeyondS1CDMaxIsC_BAD_SUBSTREAMID) {
  stream(arch::S1Format::linear, 4, rig.ram.alloc(1024, 1024));
  EXPECT_EQ(fault(16), EventType::C_BAD_SUBSTREAMID);
}

TEST_F(Substreams, ASubstreamIDWithoutSubstreamsIsC_BAD_SUBSTREAMID) {
  stream(arch::S1Format::linear, 0, rig.ram.alloc(64, 64));
  EXPECT_EQ(fault(0), EventType::C_BAD_SUBSTREAMID);
}

TEST_F(Substreams, ASubstreamIDOfABypassStreamIsC_BAD_SUBSTREAMID) {
  rig.put_ste(1, rig.bypass_ste());
  EXPECT_EQ(fault(1), EventType::C_BAD_SUBSTREAMID);
}

TEST_F(Substreams, ASubstreamIDWithoutSSIDSIZEIsC_BAD_SUBSTREAMID) {
  Rig plain{Features{}};
  plain.stage1_stream(1);
  EXPECT_EQ(plain.read(1, 0x1000, nullptr, 0).event, EventType::C_BAD_SUBSTREAMID);
}

TEST_F(Substreams, S1DSSTerminateRefusesTrafficWithoutSubstreamID) {
  const auto table = rig.ram.alloc(1024, 1024);
  rig.put(table, rig.cd(tree));
  for (const auto dss : {arch::S1Dss::terminate, arch::S1Dss::reserved}) {
    stream(arch::S1Format::linear, 4, table, dss);
    rig.run({arch::cmd::cfgi_ste(1, true)});
    EXPECT_EQ(fault({}), EventType::F_STREAM_DISABLED);
    EXPECT_EQ(rig.pa(1, 0x1000, 0), page);
  }
  EXPECT_EQ(rig.events().front().w[0], 1ULL << 32 | 0x06U); // StreamID only
}

TEST_F(Substreams, S1DSSBypassLetsTrafficWithoutSubstreamIDPass) {
  stream(arch::S1Format::linear, 4, rig.ram.alloc(1024, 1024), arch::S1Dss::bypass);
  EXPECT_EQ(rig.pa(1, 0x1000), 0x1000U);
  EXPECT_EQ(rig.read(1, 1ULL << 44).event, EventType::F_ADDR_SIZE);
}

TEST_F(Substreams, S1DSSCd0UsesCD0AndRefusesSubstreamID0) {
  const auto table = rig.ram.alloc(1024, 1024);
  rig.put(table, rig.cd(tree));
  stream(arch::S1Format::linear, 4, table, arch::S1Dss::cd0);
  EXPECT_EQ(rig.pa(1, 0x1000), page);
  EXPECT_EQ(fault(0), EventType::F_STREAM_DISABLED);
}

TEST_F(Substreams, ACDStaysCachedUntilItsCFGI_CD) {
  const auto table = rig.ram.alloc(1024, 1024);
  stream(arch::S1Format::linear, 4, table);
  EXPECT_FALSE(rig.pa(1, 0x1000, 5)); // V = 0 is cached
  rig.put(table + 5 * 64, rig.cd(tree));
  rig.run({arch::cmd::cfgi_cd(1, 4, false), arch::cmd::cfgi_cd(2, 5, false)});
  EXPECT_FALSE(rig.pa(1, 0x1000, 5));
  rig.run({arch::cmd::cfgi_cd(1, 5, true)});
  EXPECT_EQ(rig.pa(1, 0x1000, 5), page);
}

TEST_F(Substreams, CFGI_STEAndCFGI_CD_ALLReachAllCDsOfTheStream) {
  const auto table = rig.ram.alloc(1024, 1024);
  for (const auto& c : {arch::cmd::cfgi_ste(1, true), arch::cmd::cfgi_cd_all(1)}) {
    rig.put(table + 5 * 64, Cd{});
    stream(arch::S1Format::linear, 4, table);
    rig.run({arch::cmd::cfgi_all()});
    EXPECT_FALSE(rig.pa(1, 0x1000, 5));
    rig.put(table + 5 * 64, rig.cd(tree));
    rig.run({c});
    EXPECT_EQ(rig.pa(1, 0x1000, 5), page);
  }
}

TEST_F(Substreams, AnL1CDStaysCachedUntilCFGI_CDWithoutLeaf) {
  const auto l1 = rig.ram.alloc(64, 64);
  const auto leaf = rig.ram.alloc(4096, 4096);
  rig.put(leaf + 64, rig.cd(tree));
  stream(arch::S1Format::two_level_4k, 8, l1);
  EXPECT_FALSE(rig.pa(1, 0x1000, 0x41));
  rig.ram.put(l1 + 8, leaf | 1);
  rig.run({arch::cmd::cfgi_cd(1, 0x41, true), arch::cmd::cfgi_cd(1, 0x81, false)});
  EXPECT_FALSE(rig.pa(1, 0x1000, 0x41));
  rig.run({arch::cmd::cfgi_cd(1, 0x7f, false)}); // any index behind the same L1CD
  EXPECT_EQ(rig.pa(1, 0x1000, 0x41), page);
}

} // namespace
} // namespace sluice::model::test
