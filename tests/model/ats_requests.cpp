#include "ats.hpp"

namespace sluice::model::test {
namespace {

using CompletionStatus = TranslationCompletion::Status;

constexpr std::uint64_t ats_va = 0x40'0000;
constexpr std::uint64_t ats_pa = 0x80'0000;
constexpr std::uint64_t ats_xn = 1ULL << 54, ats_pxn = 1ULL << 53, ats_dbm = 1ULL << 51, ats_af = 1ULL << 10;
constexpr std::uint64_t ats_ap_user = 1ULL << 6, ats_ap_ro = 1ULL << 7;

// 3.9.1.2
TEST(TranslationRequests, GetThePAWithTheRightsThatThePageHas) {
  AtsRig rig;
  const Tree t = rig.ats_stream(3);
  rig.map(t, ats_va, ats_pa, s1_rw);
  rig.map(t, ats_va + 0x1000, ats_pa + 0x5000, s1_ro);
  auto c = rig.completion({.stream_id = 3, .address = ats_va + 0x123});
  EXPECT_EQ(c.address, ats_pa);
  EXPECT_EQ(c.log2_size, 12u);
  EXPECT_TRUE(c.read && c.write);
  EXPECT_FALSE(c.execute || c.privileged || c.global || c.untranslated_only);
  c = rig.completion({.stream_id = 3, .address = ats_va + 0x1000});
  EXPECT_EQ(c.address, ats_pa + 0x5000);
  EXPECT_TRUE(c.read);
  EXPECT_FALSE(c.write);
  EXPECT_TRUE(rig.events().empty());
}

TEST(TranslationRequests, GetAWholeBlock) {
  AtsRig rig;
  const Tree t = rig.ats_stream(3);
  rig.map(t, 0x20'0000, 0x60'0000, s1_rw, 2);
  const auto c = rig.completion({.stream_id = 3, .address = 0x23'4567});
  EXPECT_EQ(c.address, 0x60'0000u);
  EXPECT_EQ(c.log2_size, 21u);
}

// 13.6.3
TEST(TranslationRequests, NestedTheSizeIsTheSmallerOfBothStages) {
  AtsRig rig;
  const auto s1 = rig.stage1_stream(3);
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, 0, 0, s2_rw, 1); // tables and all, one to one
  rig.put_ste(3, rig.full(rig.nested(rig.stage1_ste(s1.cd_at), rig.stage2_ste(s2))));
  rig.map(s1.tree, 0x20'0000, 0x4000'0000, s1_rw, 2);
  rig.map(s2, 0x4000'3000, ats_pa, s2_rw);
  rig.map(s1.tree, 0x50'0000, 0x60'0000, s1_rw);
  auto c = rig.completion({.stream_id = 3, .address = 0x20'3000});
  EXPECT_EQ(c.address, ats_pa);
  EXPECT_EQ(c.log2_size, 12u);
  c = rig.completion({.stream_id = 3, .address = 0x50'0000});
  EXPECT_EQ(c.address, 0x60'0000u);
  EXPECT_EQ(c.log2_size, 12u);
}

TEST(TranslationRequests, WhileSMMUENIs0AreUnsupportedAndSaidSo) {
  AtsRig rig;
  rig.ats_stream(3);
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::smmuen);
  const auto r = rig.ask({.stream_id = 3, .address = ats_va, .no_write = true});
  EXPECT_EQ(r.completion.status, CompletionStatus::unsupported_request);
  const Event e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_BAD_ATS_TREQ);
  EXPECT_EQ(e.get(Event::StreamID), 3u);
  EXPECT_EQ(e.get(Event::InputPage), ats_va);
}

// 7.3.6
TEST(TranslationRequests, WhatWasAskedForIsInTheRecord) {
  AtsRig rig;
  rig.put_ste(3, rig.bypass_ste());
  EXPECT_FALSE(rig.ask({.stream_id = 3, .substream_id = 5, .address = ats_va, .execute = true}).completion.succeeded());
  Event e = rig.event();
  EXPECT_EQ(e.get(Event::SSV), 1u);
  EXPECT_EQ(e.get(Event::SubstreamID), 5u);
  EXPECT_EQ(e.get(Event::Span), 1u);
  EXPECT_EQ(e.get(Event::R), 1u);
  EXPECT_EQ(e.get(Event::W), 1u);
  EXPECT_EQ(e.get(Event::X), 1u);
  EXPECT_EQ(e.get(Event::P), 0u);
  EXPECT_FALSE(
      rig.ask({.stream_id = 3, .address = ats_va, .no_write = true, .privileged = true}).completion.succeeded());
  e = rig.event();
  EXPECT_EQ(e.get(Event::SSV), 0u);
  EXPECT_EQ(e.get(Event::W), 0u);
  EXPECT_EQ(e.get(Event::P), 0u);
}

TEST(TranslationRequests, OfABypassStreamAreUnsupported) {
  AtsRig rig;
  rig.put_ste(3, rig.full(rig.bypass_ste()));
  EXPECT_EQ(rig.ask({.stream_id = 3, .address = ats_va}).completion.status, CompletionStatus::unsupported_request);
  EXPECT_EQ(rig.event().get(Event::Type), EventType::F_BAD_ATS_TREQ);
}

TEST(TranslationRequests, WithoutEATSAreUnsupported) {
  AtsRig rig;
  const auto s = rig.stage1_stream(3);
  rig.map(s.tree, ats_va, ats_pa, s1_rw);
  EXPECT_EQ(rig.ask({.stream_id = 3, .address = ats_va}).completion.status, CompletionStatus::unsupported_request);
  EXPECT_EQ(rig.event().get(Event::Type), EventType::F_BAD_ATS_TREQ);
  rig.put_ste(3, rig.stage1_ste(s.cd_at).set(Ste::EATS, arch::Eats::full_dpt)); // reserved without DPT
  rig.run({arch::cmd::cfgi_ste(3, true)});
  EXPECT_EQ(rig.ask({.stream_id = 3, .address = ats_va}).completion.status, CompletionStatus::unsupported_request);
}

TEST(TranslationRequests, OfAStreamThatAbortsSilentlyAreUnsupportedWithoutAnEvent) {
  AtsRig rig;
  rig.put_ste(3, Ste{}.set(Ste::V, 1));
  EXPECT_EQ(rig.ask({.stream_id = 3, .address = ats_va}).completion.status, CompletionStatus::unsupported_request);
  EXPECT_TRUE(rig.events().empty());
}

TEST(TranslationRequests, WithoutATSAreUnsupportedWithoutAnEvent) {
  Rig rig;
  EXPECT_EQ(rig.port->request_translation({.stream_id = 3}).completion.status, CompletionStatus::unsupported_request);
  EXPECT_TRUE(rig.events().empty());
}

// 5.2, 3.9.2
TEST(TranslationRequests, OfASplitStageStreamNeedATSCHK) {
  AtsRig rig;
  const auto s1 = rig.stage1_stream(3);
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, 0, 0, s2_rw, 1);
  rig.map(s1.tree, ats_va, ats_pa, s1_rw);
  rig.put_ste(3, rig.split(rig.nested(rig.stage1_ste(s1.cd_at), rig.stage2_ste(s2))));
  EXPECT_TRUE(rig.ask({.stream_id = 3, .address = ats_va}).completion.succeeded());
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::atschk);
  EXPECT_TRUE(rig.ask({.stream_id = 3, .address = ats_va}).completion.succeeded()) << "ATSCHK is cached with the STE";
  rig.run({arch::cmd::cfgi_ste(3, true)});
  EXPECT_EQ(rig.ask({.stream_id = 3, .address = ats_va}).completion.status, CompletionStatus::unsupported_request);
}

struct RequestErrorCase {
  const char* name;
  EventType event;
  std::function<void(AtsRig&, TranslationRequest&)> make;
};
class ConfigurationError : public testing::TestWithParam<RequestErrorCase> {};

TEST_P(ConfigurationError, IsACompleterAbortAndRecordedWithREC_CFG_ATSOnly) {
  for (const bool recorded : {false, true}) {
    AtsRig rig;
    rig.record_errors(recorded);
    const Tree t = rig.ats_stream(3);
    rig.map(t, ats_va, ats_pa, s1_rw);
    TranslationRequest request{.stream_id = 3, .address = ats_va};
    GetParam().make(rig, request);
    const auto r = rig.ask(request);
    EXPECT_EQ(r.completion.status, CompletionStatus::completer_abort);
    EXPECT_EQ(r.event, GetParam().event);
    EXPECT_EQ(r.recorded, recorded);
    const auto events = rig.events();
    ASSERT_EQ(events.size(), recorded ? 1u : 0u);
    if (recorded) {
      EXPECT_EQ(events[0].get(Event::Type), GetParam().event);
    }
  }
}

const RequestErrorCase request_errors[] = {
    {"BadStreamID", EventType::C_BAD_STREAMID, [](AtsRig&, TranslationRequest& r) { r.stream_id = 64; }},
    {"STEFetch", EventType::F_STE_FETCH, [](AtsRig& rig, auto&) { rig.ram.plant(rig.strtab + 3 * 64); }},
    {"BadSTE", EventType::C_BAD_STE, [](AtsRig& rig, auto&) { rig.put_ste(3, Ste{}); }},
    {"BadSubstreamID", EventType::C_BAD_SUBSTREAMID, [](AtsRig&, TranslationRequest& r) { r.substream_id = 1; }},
    {"StreamDisabled", EventType::F_STREAM_DISABLED,
     [](AtsRig& rig, auto&) {
       rig.put_ste(3, rig.full(rig.stage1_ste(rig.ram.alloc(256, 256))).set(Ste::S1CDMax, 2));
     }},
    {"CDFetch", EventType::F_CD_FETCH,
     [](AtsRig& rig, auto&) {
       const std::uint64_t cd = rig.ram.alloc(64, 64);
       rig.put_ste(3, rig.full(rig.stage1_ste(cd)));
       rig.ram.plant(cd);
     }},
    {"BadCD", EventType::C_BAD_CD,
     [](AtsRig& rig, auto&) { rig.put_ste(3, rig.full(rig.stage1_ste(rig.ram.alloc(64, 64)))); }},
    {"WalkAbort", EventType::F_WALK_EABT,
     [](AtsRig& rig, TranslationRequest& r) {
       const Tree t = rig.ats_stream(4);
       rig.ram.plant(rig.map(t, ats_va, ats_pa, s1_rw));
       r.stream_id = 4;
     }},
};
INSTANTIATE_TEST_SUITE_P(Each, ConfigurationError, testing::ValuesIn(request_errors),
                         [](const auto& i) { return i.param.name; });

TEST(TranslationRequests, ABadStreamIDIsRecordedWithRECINVSIDOnly) {
  AtsRig rig;
  rig.record_errors(true, false);
  EXPECT_EQ(rig.ask({.stream_id = 64}).completion.status, CompletionStatus::completer_abort);
  EXPECT_TRUE(rig.events().empty());
}

// EATS comes before what the SubstreamID leads to.
TEST(TranslationRequests, WithoutEATSABadSubstreamIDIsUnsupported) {
  AtsRig rig;
  rig.stage1_stream(3);
  EXPECT_EQ(rig.ask({.stream_id = 3, .substream_id = 200}).completion.status, CompletionStatus::unsupported_request);
}

struct DenialCase {
  const char* name;
  std::function<void(AtsRig&, const Tree& s1, const Tree& s2)> make;
};
class Denial : public testing::TestWithParam<DenialCase> {};

// 3.9.1.2: nested; the tables' IPAs are 2^36 above their PAs.
TEST_P(Denial, IsASuccessWithoutRightsOfTheSmallestUnitAndNoEvent) {
  constexpr std::uint64_t tables_at = 1ULL << 36;
  AtsRig rig;
  rig.record_errors(true);
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, tables_at, 0, s2_rw, 2);
  rig.map(s2, tables_at + 0x20'0000, 0x20'0000, s2_rw, 2);
  rig.map(s2, ats_pa, ats_pa, s2_rw);
  Tree s1 = rig.tree();
  Cd cd = rig.cd(s1);
  cd.set(Cd::TTB0, s1.root + tables_at);
  const std::uint64_t cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, cd);
  rig.map(s1, ats_va, ats_pa, s1_rw, 3, tables_at);
  rig.put_ste(3, rig.full(rig.nested(rig.stage1_ste(cd_at + tables_at), rig.stage2_ste(s2))));
  GetParam().make(rig, s1, s2);
  const auto c = rig.completion({.stream_id = 3, .address = ats_va});
  EXPECT_FALSE(c.read || c.write || c.execute);
  EXPECT_EQ(c.log2_size, 12u);
  EXPECT_EQ(c.address, ats_va);
  EXPECT_TRUE(rig.events().empty());
}

constexpr std::uint64_t tables_at_ipa = 1ULL << 36;
const DenialCase denials[] = {
    {"TranslationAtStage1",
     [](AtsRig& r, const Tree& s1, const Tree&) { r.ram.put(r.slot(s1, ats_va, 3, tables_at_ipa), 0); }},
    {"AddressSizeAtStage1",
     [](AtsRig& r, const Tree& s1, const Tree&) { r.map(s1, ats_va, 1ULL << 45, s1_rw, 3, tables_at_ipa); }},
    {"AccessFlagAtStage1",
     [](AtsRig& r, const Tree& s1, const Tree&) { r.map(s1, ats_va, ats_pa, s1_rw & ~ats_af, 3, tables_at_ipa); }},
    {"NoPermissionAtStage1",
     [](AtsRig& r, const Tree& s1, const Tree&) { r.map(s1, ats_va, ats_pa, s1_rw & ~ats_ap_user, 3, tables_at_ipa); }},
    {"TranslationAtStage2", [](AtsRig& r, const Tree&, const Tree& s2) { r.ram.put(r.slot(s2, ats_pa, 3), 0); }},
    {"AccessFlagAtStage2", [](AtsRig& r, const Tree&, const Tree& s2) { r.map(s2, ats_pa, ats_pa, s2_rw & ~ats_af); }},
    {"NoPermissionAtStage2",
     [](AtsRig& r, const Tree&, const Tree& s2) { r.map(s2, ats_pa, ats_pa, s2_rw & ~0xc0ULL); }},
    {"OfTheCDFetch", [](AtsRig& r, const Tree&, const Tree& s2) { r.ram.put(r.slot(s2, tables_at_ipa, 2), 0); }},
    {"OfTheStage1WalkByPermission",
     [](AtsRig& r, const Tree&, const Tree& s2) { r.map(s2, tables_at_ipa, 0, s2_rw & ~0xc0ULL, 2); }},
};
INSTANTIATE_TEST_SUITE_P(Each, Denial, testing::ValuesIn(denials), [](const auto& i) { return i.param.name; });

// 5.2 S1DSS, 13.6.4
TEST(TranslationRequests, ThatSkipTheOnlyStageGetTheIdentity) {
  AtsRig rig;
  rig.put_ste(
      3, rig.full(rig.stage1_ste(rig.ram.alloc(256, 256))).set(Ste::S1CDMax, 2).set(Ste::S1DSS, arch::S1Dss::bypass));
  auto c = rig.completion({.stream_id = 3, .address = 0x1234'5000});
  EXPECT_TRUE(c.read && c.write);
  EXPECT_EQ(c.address, 0u);
  EXPECT_EQ(c.log2_size, 44u);
  c = rig.completion({.stream_id = 3, .address = 1ULL << 44}); // 3.4: beyond IAS
  EXPECT_FALSE(c.read || c.write);
}

TEST(TranslationRequests, ThatSkipStage1GetStage2) {
  AtsRig rig;
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, ats_va, ats_pa, s2_ro);
  const Ste ste = rig.nested(rig.stage1_ste(rig.ram.alloc(256, 256)), rig.stage2_ste(s2))
                      .set(Ste::S1CDMax, 2)
                      .set(Ste::S1DSS, arch::S1Dss::bypass);
  rig.put_ste(3, rig.full(ste));
  auto c = rig.completion({.stream_id = 3, .address = ats_va});
  EXPECT_EQ(c.address, ats_pa);
  EXPECT_TRUE(c.read);
  EXPECT_FALSE(c.write);
  rig.put_ste(4, rig.split(ste)); // 13.6.5
  c = rig.completion({.stream_id = 4, .address = ats_va});
  EXPECT_EQ(c.address, ats_va);
  EXPECT_EQ(c.log2_size, 12u);
  EXPECT_TRUE(c.read);
  EXPECT_FALSE(c.write);
}

// 13.6.3
TEST(TranslationRequests, OfASplitStageStreamGetTheIPAWithTheRightsOfBothStages) {
  AtsRig rig;
  const auto s1 = rig.stage1_stream(3);
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, 0, 0, s2_rw, 1);
  rig.map(s2, 0x4000'0000, ats_pa, s2_ro);
  rig.map(s1.tree, ats_va, 0x4000'0000, s1_rw);
  rig.put_ste(3, rig.split(rig.nested(rig.stage1_ste(s1.cd_at), rig.stage2_ste(s2))));
  const auto c = rig.completion({.stream_id = 3, .address = ats_va});
  EXPECT_EQ(c.address, 0x4000'0000u);
  EXPECT_TRUE(c.read);
  EXPECT_FALSE(c.write);
}

struct AtsRightsCase {
  const char* name;
  std::uint64_t page;
  bool no_write, execute, privileged;
  const char* granted; // of "rwxp"
  arch::PrivilegeOverride privcfg{};
  arch::InstructionOverride instcfg{};
};
class AtsRights : public testing::TestWithParam<AtsRightsCase> {};

// 13.7, 13.7.1
TEST_P(AtsRights, AreGrantedFromWhatThePageHasForThatPrivilege) {
  const auto& p = GetParam();
  AtsRig rig;
  const Tree t = rig.tree();
  const std::uint64_t cds = rig.ram.alloc(256, 256);
  rig.put(cds + 64, rig.cd(t));
  rig.put_ste(
      3, rig.full(rig.stage1_ste(cds)).set(Ste::S1CDMax, 2).set(Ste::PRIVCFG, p.privcfg).set(Ste::INSTCFG, p.instcfg));
  rig.map(t, ats_va, ats_pa, (s1_rw & ~ats_ap_user) | p.page);
  const auto c = rig.completion({.stream_id = 3,
                                 .substream_id = 1,
                                 .address = ats_va,
                                 .no_write = p.no_write,
                                 .execute = p.execute,
                                 .privileged = p.privileged});
  std::string got;
  got += c.read ? "r" : "";
  got += c.write ? "w" : "";
  got += c.execute ? "x" : "";
  got += c.privileged ? "p" : "";
  EXPECT_EQ(got, p.granted);
  EXPECT_FALSE(c.global);
}

constexpr auto as_privileged = arch::PrivilegeOverride::privileged;
constexpr auto as_unprivileged = arch::PrivilegeOverride::unprivileged;
constexpr auto as_asked = arch::PrivilegeOverride{};
constexpr auto as_fetch = arch::InstructionOverride::instruction;
constexpr auto as_data = arch::InstructionOverride::data;
const AtsRightsCase ats_rights_cases[] = {
    {"ReadOnly", ats_ap_user | ats_ap_ro, true, false, false, "r"},
    {"ReadWrite", ats_ap_user, false, false, false, "rw"},
    {"WriteThatNobodyAskedFor", ats_ap_user, true, false, false, "rw"},
    {"WriteToAReadOnlyPage", ats_ap_user | ats_ap_ro, false, false, false, "r"},
    {"ExecuteAsked", ats_ap_user, false, true, false, "rwx"},
    {"ExecuteNotAsked", ats_ap_user, false, false, false, "rw"},
    {"ExecuteNever", ats_ap_user | ats_xn, false, true, false, "rw"},
    {"ExecuteOnlyIsNoAccess", 0, false, true, false, ""},
    {"NothingUnprivileged", ats_xn, false, true, false, ""},
    {"Privileged", ats_xn, false, true, true, "rwxp"},
    {"PrivilegedNeverExecutes", ats_pxn, false, true, true, "rwp"},
    {"PrivilegedDeniedKeepsItsPriv", ats_ap_ro | ats_pxn, false, true, true, "rp"},
    {"OverriddenToPrivileged", ats_xn, false, true, false, "rwx", as_privileged},
    {"OverriddenToUnprivileged", ats_xn, false, true, true, "p", as_unprivileged},
    {"FetchesOfAnExecuteOnlyPage", 0, false, true, false, "rx", as_asked, as_fetch},
    {"FetchesWithoutAsking", 0, true, false, false, "r", as_asked, as_fetch},
    {"FetchesOfAPageThatIsNotExecuted", ats_ap_user | ats_xn, false, true, false, "w", as_asked, as_fetch},
    {"DataExecutesWhatItReads", ats_ap_user | ats_xn, false, true, false, "rwx", as_asked, as_data},
};
INSTANTIATE_TEST_SUITE_P(Each, AtsRights, testing::ValuesIn(ats_rights_cases),
                         [](const auto& i) { return i.param.name; });

TEST(TranslationRequests, WithoutAPASIDAreUnprivilegedData) {
  AtsRig rig;
  const Tree t = rig.ats_stream(3);
  rig.map(t, ats_va, ats_pa, s1_rw & ~ats_ap_user);
  auto c = rig.completion({.stream_id = 3, .address = ats_va, .execute = true, .privileged = true});
  EXPECT_FALSE(c.read || c.write || c.execute || c.privileged);
  rig.map(t, ats_va + 0x1000, ats_pa, s1_rw);
  c = rig.completion({.stream_id = 3, .address = ats_va + 0x1000, .execute = true});
  EXPECT_TRUE(c.read && c.write);
  EXPECT_FALSE(c.execute);
}

TEST(TranslationRequests, AWriteThatNobodyAskedForIsAKnob) {
  AtsRig rig{AtsRig::with_ats(), {.grant_unasked_write = false}};
  const Tree t = rig.ats_stream(3);
  rig.map(t, ats_va, ats_pa, s1_rw);
  EXPECT_FALSE(rig.completion({.stream_id = 3, .address = ats_va, .no_write = true}).write);
  EXPECT_TRUE(rig.completion({.stream_id = 3, .address = ats_va}).write);
}

TEST(TranslationRequests, ThatMissWriteAtStage2GetReadAlone) {
  AtsRig rig;
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, ats_va, ats_pa, s2_rw & ~(1ULL << 6)); // write-only
  rig.put_ste(3, rig.full(rig.stage2_ste(s2)));
  const auto c = rig.completion({.stream_id = 3, .address = ats_va});
  EXPECT_FALSE(c.read);
  EXPECT_TRUE(c.write);
}

// 3.13.7
class AtsHttu : public testing::Test {
protected:
  AtsHttu() {
    t = rig.tree();
    rig.put(cd_at, rig.cd(t).set(Cd::HA, 1).set(Cd::HD, 1));
    rig.put_ste(3, rig.full(rig.stage1_ste(cd_at)));
  }
  std::uint64_t leaf() { return rig.ram.get(rig.slot(t, ats_va, 3)); }

  AtsRig rig;
  Tree t;
  std::uint64_t cd_at = rig.ram.alloc(64, 64);
};

TEST_F(AtsHttu, ARequestSetsTheAccessFlag) {
  rig.map(t, ats_va, ats_pa, s1_rw & ~ats_af);
  EXPECT_TRUE(rig.completion({.stream_id = 3, .address = ats_va, .no_write = true}).read);
  EXPECT_NE(leaf() & ats_af, 0u);
}

TEST_F(AtsHttu, ARequestToWriteMakesACleanPageDirtyBeforeItGetsW) {
  rig.map(t, ats_va, ats_pa, s1_ro | ats_dbm);
  EXPECT_TRUE(rig.completion({.stream_id = 3, .address = ats_va}).write);
  EXPECT_EQ(leaf() & ats_ap_ro, 0u);
}

TEST_F(AtsHttu, ACleanPageThatIsCachedIsMadeDirtyAllTheSame) {
  rig.map(t, ats_va, ats_pa, s1_ro | ats_dbm);
  EXPECT_FALSE(rig.completion({.stream_id = 3, .address = ats_va, .no_write = true}).write);
  EXPECT_NE(leaf() & ats_ap_ro, 0u);
  EXPECT_TRUE(rig.completion({.stream_id = 3, .address = ats_va}).write);
  EXPECT_EQ(leaf() & ats_ap_ro, 0u);
}

TEST_F(AtsHttu, WithoutHDACleanPageIsReadOnly) {
  rig.put(cd_at, rig.cd(t).set(Cd::HA, 1));
  rig.map(t, ats_va, ats_pa, s1_ro | ats_dbm);
  EXPECT_FALSE(rig.completion({.stream_id = 3, .address = ats_va}).write);
  EXPECT_NE(leaf() & ats_ap_ro, 0u);
}

TEST_F(AtsHttu, AReadOnlyPageOfStage1LeavesStage2Clean) {
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, 0, 0, s2_rw, 1);
  const std::uint64_t at = rig.map(s2, 0x4000'0000, ats_pa, s2_ro | ats_dbm);
  rig.put_ste(3, rig.full(rig.nested(rig.stage1_ste(cd_at), rig.stage2_ste(s2))).set(Ste::S2HA, 1).set(Ste::S2HD, 1));
  rig.map(t, ats_va, 0x4000'0000, s1_ro);
  auto c = rig.completion({.stream_id = 3, .address = ats_va});
  EXPECT_TRUE(c.read);
  EXPECT_FALSE(c.write);
  EXPECT_EQ(rig.ram.get(at) & (2ULL << 6), 0u);
  rig.map(t, ats_va + 0x1000, 0x4000'0000, s1_rw);
  c = rig.completion({.stream_id = 3, .address = ats_va + 0x1000});
  EXPECT_TRUE(c.write);
  EXPECT_NE(rig.ram.get(at) & (2ULL << 6), 0u);
}

TEST_F(AtsHttu, AnUpdateThatTheBusRefusesIsACompleterAbort) {
  rig.map(t, ats_va, ats_pa, s1_rw & ~ats_af);
  rig.ram.forbid_exchanges();
  EXPECT_EQ(rig.ask({.stream_id = 3, .address = ats_va}).completion.status, CompletionStatus::completer_abort);
}

// 5.5: A, R and S do not matter.
TEST(TranslationRequests, NeitherStallNorRecordNorReadZero) {
  AtsRig rig;
  const Tree t = rig.tree();
  const std::uint64_t cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(t).set(Cd::A, 0).set(Cd::S, 1));
  rig.put_ste(3, rig.full(rig.stage1_ste(cd_at)));
  const auto c = rig.completion({.stream_id = 3, .address = ats_va});
  EXPECT_FALSE(c.read || c.write);
  EXPECT_TRUE(rig.events().empty());
  EXPECT_EQ(rig.port->counters().stalls, 0u);
}

TEST(TranslationRequests, AreAnsweredByTheTLBUntilItIsInvalidated) {
  AtsRig rig;
  const Tree t = rig.ats_stream(3);
  rig.map(t, ats_va, ats_pa, s1_rw);
  static_cast<void>(rig.completion({.stream_id = 3, .address = ats_va}));
  rig.map(t, ats_va, ats_pa + 0x1000, s1_rw);
  EXPECT_EQ(rig.completion({.stream_id = 3, .address = ats_va}).address, ats_pa);
  rig.run({arch::cmd::tlbi_nh_asid(0, 1)});
  EXPECT_EQ(rig.completion({.stream_id = 3, .address = ats_va}).address, ats_pa + 0x1000);
}

TEST(TranslationRequests, TheSmallestUnitIsThatOfTheSmallestGranule) {
  Features f = AtsRig::with_ats();
  f.gran4k = f.gran16k = false;
  AtsRig rig{f};
  const Tree t = rig.tree(arch::Granule::k64, 42);
  const std::uint64_t cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(t));
  rig.put_ste(3, rig.full(rig.stage1_ste(cd_at)));
  const auto c = rig.completion({.stream_id = 3, .address = 0x12'3000});
  EXPECT_FALSE(c.read);
  EXPECT_EQ(c.log2_size, 16u);
  EXPECT_EQ(c.address, 0x12'0000u);
}

} // namespace
} // namespace sluice::model::test
