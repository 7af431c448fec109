#include "ats.hpp"

namespace sluice::model::test {
namespace {

constexpr std::uint64_t split_va = 0x40'0000;
constexpr std::uint64_t translated_pa = 0x60'0000;
constexpr std::uint64_t beyond_oas = 1ULL << 44;

// 3.9.1.3
TEST(Translated, WithATSCHK0PassesWithoutAnSTE) {
  AtsRig rig;
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::atschk);
  rig.ram.plant(rig.strtab + 3 * 64);
  EXPECT_TRUE(rig.write_translated(3, translated_pa, 0x1122).served());
  EXPECT_EQ(rig.ram.get(translated_pa), 0x1122u);
  EXPECT_TRUE(rig.events().empty());
}

TEST(Translated, WithFullATSPassesAsAPA) {
  AtsRig rig;
  rig.ats_stream(3);
  EXPECT_TRUE(rig.write_translated(3, translated_pa, 0x1122).served());
  EXPECT_EQ(rig.ram.get(translated_pa), 0x1122u);
  EXPECT_EQ(rig.ram.last().initiator.stream, 3u);
  EXPECT_TRUE(rig.read_translated(3, translated_pa).served());
}

TEST(Translated, WhileSMMUENIs0IsForbidden) {
  AtsRig rig;
  rig.ats_stream(3);
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::smmuen);
  EXPECT_FALSE(rig.read_translated(3, translated_pa + 8).served());
  const Event e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_TRANSL_FORBIDDEN);
  EXPECT_EQ(e.get(Event::StreamID), 3u);
  EXPECT_EQ(e.get(Event::InputAddr), translated_pa + 8);
  EXPECT_EQ(e.get(Event::RnW), 1u);
}

TEST(Translated, WithoutATSAbortsWithoutAnEvent) {
  Rig rig;
  Port::Burst burst{*rig.port};
  std::uint64_t value = 0;
  EXPECT_FALSE(burst.access_translated({.stream_id = 3, .address = translated_pa, .size = 8}, &value).served());
  EXPECT_TRUE(rig.events().empty());
}

TEST(Translated, WithoutEATSIsForbidden) {
  AtsRig rig;
  rig.stage1_stream(3);
  EXPECT_FALSE(rig.write_translated(3, translated_pa).served());
  const Event e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_TRANSL_FORBIDDEN);
  EXPECT_EQ(e.get(Event::RnW), 0u);
  EXPECT_EQ(rig.ram.get(translated_pa), 0u);
}

TEST(Translated, OfABypassStreamIsForbidden) {
  AtsRig rig;
  rig.put_ste(3, rig.full(rig.bypass_ste()));
  EXPECT_FALSE(rig.read_translated(3, translated_pa).served());
  EXPECT_EQ(rig.event().get(Event::Type), EventType::F_TRANSL_FORBIDDEN);
}

TEST(Translated, OfAStreamThatAbortsSilentlyAbortsSilently) {
  AtsRig rig;
  rig.put_ste(3, Ste{}.set(Ste::V, 1));
  EXPECT_FALSE(rig.read_translated(3, translated_pa).served());
  EXPECT_TRUE(rig.events().empty());
}

TEST(Translated, IsRefusedFromTheCFGIOnThatTakesEATSAway) {
  AtsRig rig;
  const auto s = rig.stage1_stream(3);
  rig.put_ste(3, rig.full(rig.stage1_ste(s.cd_at)));
  EXPECT_TRUE(rig.read_translated(3, translated_pa).served());
  rig.put_ste(3, rig.stage1_ste(s.cd_at));
  EXPECT_TRUE(rig.read_translated(3, translated_pa).served()) << "the STE is cached";
  rig.run({arch::cmd::cfgi_ste(3, true)});
  EXPECT_FALSE(rig.read_translated(3, translated_pa).served());
}

struct TranslatedErrorCase {
  const char* name;
  EventType event;
  std::uint32_t sid;
  std::function<void(AtsRig&)> make;
};
class TranslatedError : public testing::TestWithParam<TranslatedErrorCase> {};

TEST_P(TranslatedError, AbortsAndIsRecordedWithREC_CFG_ATSOnly) {
  for (const bool recorded : {false, true}) {
    AtsRig rig;
    rig.record_errors(recorded, false); // RECINVSID does not matter
    GetParam().make(rig);
    const Outcome o = rig.read_translated(GetParam().sid, translated_pa);
    EXPECT_EQ(o.kind, Outcome::Kind::aborted);
    EXPECT_EQ(o.event, GetParam().event);
    EXPECT_EQ(o.recorded, recorded);
    EXPECT_EQ(rig.events().size(), recorded ? 1u : 0u);
  }
}
const TranslatedErrorCase translated_errors[] = {
    {"BadStreamID", EventType::C_BAD_STREAMID, 64, [](AtsRig&) {}},
    {"STEFetch", EventType::F_STE_FETCH, 3, [](AtsRig& rig) { rig.ram.plant(rig.strtab + 3 * 64); }},
    {"BadSTE", EventType::C_BAD_STE, 3, [](AtsRig&) {}},
};
INSTANTIATE_TEST_SUITE_P(Each, TranslatedError, testing::ValuesIn(translated_errors),
                         [](const auto& i) { return i.param.name; });

// 3.9.1.1
TEST(Translated, BeyondOASAbortsWithoutAnEvent) {
  AtsRig rig;
  rig.ats_stream(3);
  EXPECT_FALSE(rig.read_translated(3, beyond_oas | translated_pa).served());
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::atschk);
  EXPECT_FALSE(rig.read_translated(3, beyond_oas | translated_pa).served());
  EXPECT_TRUE(rig.events().empty());
}

TEST(Translated, BeyondOASIsTruncatedByKnob) {
  AtsRig rig{AtsRig::with_ats(), {.truncate_translated = true}};
  rig.ats_stream(3);
  EXPECT_TRUE(rig.write_translated(3, beyond_oas | translated_pa, 0x55).served());
  EXPECT_EQ(rig.ram.get(translated_pa), 0x55u);
}

class SplitStage : public testing::Test {
protected:
  SplitStage() {
    rig.map(s2, 0, 0, s2_rw, 1);
    rig.put_ste(3, rig.split(rig.nested(rig.stage1_ste(s1.cd_at), rig.stage2_ste(s2))));
  }
  AtsRig rig;
  Rig::Stage1Stream s1 = rig.stage1_stream(3);
  Tree s2 = rig.stage2_tree();
};

TEST_F(SplitStage, TranslatedTrafficGoesThroughStage2) {
  rig.map(s2, 0x4000'0000, translated_pa, s2_rw);
  EXPECT_TRUE(rig.write_translated(3, 0x4000'0008, 0x99).served());
  EXPECT_EQ(rig.ram.get(translated_pa + 8), 0x99u);
  EXPECT_TRUE(rig.read_translated(3, 0x4000'0008).served());
}

TEST_F(SplitStage, AFaultOfStage2IsRecordedAsEver) {
  rig.map(s2, 0x4000'0000, translated_pa, s2_ro);
  EXPECT_EQ(rig.write_translated(3, 0x4000'0000).event, EventType::F_PERMISSION);
  Event e = rig.event();
  EXPECT_EQ(e.get(Event::S2), 1u);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::in);
  EXPECT_EQ(e.get(Event::IPA), 0x4000'0000u);
  EXPECT_EQ(rig.read_translated(3, 0x4000'1000).event, EventType::F_TRANSLATION);
  EXPECT_EQ(rig.event().get(Event::InputAddr), 0x4000'1000u);
}

TEST_F(SplitStage, AnAddressBeyondIASIsF_ADDR_SIZEOfStage1) {
  EXPECT_FALSE(rig.read_translated(3, beyond_oas).served());
  const Event e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_ADDR_SIZE);
  EXPECT_EQ(e.get(Event::S2), 0u);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::in);
}

TEST_F(SplitStage, StageOneIsAskedForInTheRequestAlone) {
  rig.map(s1.tree, split_va, 0x4000'0000, s1_rw);
  rig.map(s2, 0x4000'0000, translated_pa, s2_rw);
  EXPECT_EQ(rig.completion({.stream_id = 3, .address = split_va}).address, 0x4000'0000u);
  rig.ram.put(rig.slot(s1.tree, split_va, 3), 0);
  rig.run({arch::cmd::tlbi_nsnh_all()});
  EXPECT_TRUE(rig.write_translated(3, 0x4000'0000).served());
}

TEST_F(SplitStage, ATranslatedWriteMarksStage2Dirty) {
  constexpr std::uint64_t dbm = 1ULL << 51;
  rig.put_ste(3,
              rig.split(rig.nested(rig.stage1_ste(s1.cd_at), rig.stage2_ste(s2))).set(Ste::S2HA, 1).set(Ste::S2HD, 1));
  const std::uint64_t at = rig.map(s2, 0x4000'0000, translated_pa, s2_ro | dbm);
  EXPECT_TRUE(rig.read_translated(3, 0x4000'0000).served());
  EXPECT_EQ(rig.ram.get(at) & (2ULL << 6), 0u);
  EXPECT_TRUE(rig.write_translated(3, 0x4000'0000).served());
  EXPECT_NE(rig.ram.get(at) & (2ULL << 6), 0u);
}

TEST_F(SplitStage, WithoutATSCHKItsTrafficIsTakenForPAs) {
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::atschk);
  EXPECT_TRUE(rig.write_translated(3, translated_pa, 0x42).served());
  EXPECT_EQ(rig.ram.get(translated_pa), 0x42u);
}

TEST_F(SplitStage, IsIllegalWhereNS1ATSIsSet) {
  Features f = AtsRig::with_ats();
  f.split_stage_ats = false;
  AtsRig other{f};
  EXPECT_NE(other.r32<arch::IDR0>() & arch::IDR0::NS1ATS.mask, 0u);
  const Tree tree = other.stage2_tree();
  other.put_ste(3, other.split(other.nested(other.stage1_ste(other.ram.alloc(64, 64)), other.stage2_ste(tree))));
  EXPECT_EQ(other.read(3, split_va).event, EventType::C_BAD_STE);
}

// 6.3.4 PASIDTT
class WithPasids : public testing::Test {
protected:
  static Features features() {
    Features f = AtsRig::with_ats();
    f.pasid_translated = true;
    return f;
  }
  WithPasids() {
    rig.put(cds + 64, rig.cd(tree));
    rig.put_ste(3, ste);
  }
  Outcome access(std::optional<std::uint32_t> ssid, std::uint64_t address = translated_pa) {
    return rig.translated({.stream_id = 3, .substream_id = ssid, .address = address, .size = 8, .privileged = true});
  }
  AtsRig rig{features()};
  Tree tree = rig.tree();
  std::uint64_t cds = rig.ram.alloc(256, 256);
  Ste ste = rig.full(rig.stage1_ste(cds)).set(Ste::S1CDMax, 2);
};

TEST_F(WithPasids, TheSubstreamIsChecked) {
  EXPECT_TRUE(access(1).served());
  EXPECT_EQ(access(4).event, EventType::C_BAD_SUBSTREAMID);
  EXPECT_EQ(access(2).event, EventType::C_BAD_CD);
  EXPECT_TRUE(access({}).served()) << "asked for with a PASID, perhaps";
  rig.ram.plant(cds + 3 * 64);
  EXPECT_EQ(access(3).event, EventType::F_CD_FETCH);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(WithPasids, SubstreamID0IsDisabledWhereS1DSSGivesItAway) {
  rig.put_ste(3, ste.with(Ste::S1DSS, arch::S1Dss::cd0));
  EXPECT_EQ(access(0).event, EventType::F_STREAM_DISABLED);
  EXPECT_TRUE(rig.events().empty());
}

TEST(Translated, WithoutAPASIDIsTerminatedByS1DSSWithAKnob) {
  AtsRig rig{AtsRig::with_ats(), {.terminate_translated = true}};
  rig.put_ste(3, rig.full(rig.stage1_ste(rig.ram.alloc(256, 256))).set(Ste::S1CDMax, 2));
  EXPECT_EQ(rig.read_translated(3, translated_pa).event, EventType::F_STREAM_DISABLED);
  EXPECT_TRUE(rig.events().empty());
}

TEST_F(WithPasids, PrivGoesOn) {
  EXPECT_TRUE(access(1).served());
  EXPECT_TRUE(rig.ram.last().attributes.privileged);
}

TEST_F(WithPasids, PrivAloneDoesNot) {
  rig.put_ste(3, ste.with(Ste::S1DSS, arch::S1Dss::bypass));
  EXPECT_TRUE(access({}).served());
  EXPECT_FALSE(rig.ram.last().attributes.privileged);
}

TEST_F(WithPasids, OverridesCountUnlessAKnobSaysNo) {
  rig.put_ste(3, ste.with(Ste::PRIVCFG, arch::PrivilegeOverride::unprivileged));
  EXPECT_TRUE(access(1).served());
  EXPECT_FALSE(rig.ram.last().attributes.privileged);
  AtsRig other{features(), {.override_translated = false}};
  const std::uint64_t at = other.ram.alloc(256, 256);
  other.put(at + 64, other.cd(other.tree()));
  other.put_ste(
      3,
      other.full(other.stage1_ste(at)).set(Ste::S1CDMax, 2).set(Ste::PRIVCFG, arch::PrivilegeOverride::unprivileged));
  EXPECT_TRUE(
      other.translated({.stream_id = 3, .substream_id = 1, .address = translated_pa, .size = 8, .privileged = true})
          .served());
  EXPECT_TRUE(other.ram.last().attributes.privileged);
}

TEST_F(WithPasids, AStage2FaultOfTheCDFetchIsRecorded) {
  const Tree s2 = rig.stage2_tree();
  rig.put_ste(3, rig.full(rig.nested(ste, rig.stage2_ste(s2))));
  EXPECT_EQ(access(1).event, EventType::F_TRANSLATION);
  EXPECT_EQ(rig.event().get(Event::CLASS), arch::EventClass::cd);
}

TEST(Translated, WithoutPASIDTTTheSubstreamDoesNotCount) {
  AtsRig rig;
  rig.ats_stream(3);
  EXPECT_TRUE(
      rig.translated({.stream_id = 3, .substream_id = 77, .address = translated_pa, .size = 8, .privileged = true})
          .served());
  EXPECT_FALSE(rig.ram.last().attributes.privileged);
}

TEST(Translated, MemoryThatTheBusAbortsIsTheBusesAbort) {
  AtsRig rig;
  rig.ats_stream(3);
  rig.ram.plant(translated_pa);
  const Outcome o = rig.read_translated(3, translated_pa);
  EXPECT_TRUE(o.by_bus);
  EXPECT_TRUE(rig.events().empty());
}

TEST(Translated, MergedEventsDoNotLookAtTheOffset) {
  AtsRig rig{AtsRig::with_ats(), {.merge_events = true}};
  const auto s = rig.stage1_stream(3);
  rig.put_ste(3, rig.stage1_ste(s.cd_at).set(Ste::MEV, 1));
  EXPECT_FALSE(rig.read_translated(3, translated_pa).served());
  EXPECT_FALSE(rig.read_translated(3, translated_pa + 0x88).served());
  EXPECT_FALSE(rig.read_translated(3, translated_pa + 0x1000).served());
  EXPECT_EQ(rig.events().size(), 2u);
}

} // namespace
} // namespace sluice::model::test
