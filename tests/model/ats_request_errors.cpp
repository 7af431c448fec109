#include "ats.hpp"

namespace sluice::model::test {
namespace {

using CompletionStatus = TranslationCompletion::Status;

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

} // namespace
} // namespace sluice::model::test
