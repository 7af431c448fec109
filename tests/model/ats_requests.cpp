#include "ats.hpp"

namespace sluice::model::test {
namespace {

using CompletionStatus = TranslationCompletion::Status;

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
