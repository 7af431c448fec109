#include <sluice/arch/events.hpp>
#include <sluice/arch/pri.hpp>

#include <gtest/gtest.h>

namespace sluice::arch {
namespace {

using Four = std::array<std::uint64_t, 4>;

TEST(EventLayout, IsThirtyTwoBytes) { EXPECT_EQ(sizeof(Event), 32u); }

// 7.3.13: Type [7:0], SSV [11], SubstreamID [31:12], StreamID [63:32]; of word 1: STAG [15:0], Stall [31], PnU [33],
// InD [34], RnW [35], S2 [39], CLASS [41:40]; InputAddr is word 2; IPA [55:12] of word 3
TEST(EventLayout, ATranslationFaultIsTheWordsWorkedOutByHand) {
  Event e;
  e.set(Event::Type, EventType::F_TRANSLATION)
      .set(Event::SSV, 1)
      .set(Event::SubstreamID, 0xabcde)
      .set(Event::StreamID, 0x28)
      .set(Event::STAG, 0xbeef)
      .set(Event::Stall, 1)
      .set(Event::PnU, 1)
      .set(Event::RnW, 1)
      .set(Event::S2, 1)
      .set(Event::CLASS, EventClass::in)
      .set(Event::InputAddr, 0xffff'0000'1234'5678)
      .set(Event::IPA, 0x8000'1000);
  // word 1 [63:32]: CLASS 2 << 8 = 0x200, S2 0x80, RnW 8, PnU 2
  EXPECT_EQ(e.w, (Four{0x0000'0028'abcd'e810, 0x0000'028a'8000'beef, 0xffff'0000'1234'5678, 0x8000'1000}));
}

// 7.3.12: Reason [15:0] and GPCF [16] of word 1, FetchAddr [55:3] of word 3
TEST(EventLayout, AnAbortedWalkIsTheWordsWorkedOutByHand) {
  Event e;
  e.set(Event::Type, EventType::F_WALK_EABT)
      .set(Event::StreamID, 0xffff'ffff)
      .set(Event::Reason, 0x1234)
      .set(Event::GPCF, 1)
      .set(Event::InD, 1)
      .set(Event::RnW, 1)
      .set(Event::CLASS, EventClass::ttd)
      .set(Event::InputAddr, 0x1000)
      .set(Event::FetchAddr, 0xf'0000'0008);
  EXPECT_EQ(e.w, (Four{0xffff'ffff'0000'000b, 0x0000'010c'0001'1234, 0x1000, 0xf'0000'0008}));
}

// 7.3.6: Span [3:0], P [28], X [29], W [30], R [31] of word 1, InputAddr[63:12] of word 2
TEST(EventLayout, ARefusedTranslationRequestIsTheWordsWorkedOutByHand) {
  Event e;
  e.set(Event::Type, EventType::F_BAD_ATS_TREQ).set(Event::StreamID, 1).set(Event::Span, 0xf);
  e.set(Event::P, 1).set(Event::W, 1).set(Event::R, 1).set(Event::InputPage, 0x7'f000);
  EXPECT_EQ(e.w, (Four{0x1'0000'0005, 0xd000'000f, 0x7'f000, 0}));
}

// 7.3.19: uX [33], uW [34], uR [35], pX [37], pW [38], pR [39], Span [51:44] of word 1
TEST(EventLayout, APageRequestIsTheWordsWorkedOutByHand) {
  Event e;
  e.set(Event::Type, EventType::E_PAGE_REQUEST).set(Event::uW, 1).set(Event::uR, 1).set(Event::pR, 1);
  e.set(Event::PageSpan, 0x81).set(Event::InputPage, 0x5000);
  EXPECT_EQ(e.w, (Four{0x24, 0x0008'108c'0000'0000, 0x5000, 0}));
}

TEST(EventLayout, OtherBitsAreWhereTheManualHasThem) {
  EXPECT_EQ(Event::NSIPA.lo, 102u);
  EXPECT_EQ(Event::TTRnW.lo, 108u);
  EXPECT_EQ(Event::IMPDEF.lo, 112u);
  EXPECT_EQ(Event::Reason32.mask, 0xffff'ffffu);
}

TEST(EventForms, EachTypeHasOneForm) {
  for (const auto& form : event_forms) {
    EXPECT_EQ(event_form(form.type), &form);
    EXPECT_EQ(form.defined[0] & 0xff, 0xffu);
  }
  EXPECT_EQ(event_form(static_cast<EventType>(0x00)), nullptr);
  EXPECT_EQ(event_form(static_cast<EventType>(0x0c)), nullptr);
  EXPECT_EQ(event_form(static_cast<EventType>(0xe0)), nullptr);
}

TEST(EventForms, DefinedBitsAreThoseOfTheManual) {
  const auto defined = [](EventType t) { return event_form(t)->defined; };
  constexpr std::uint64_t substream = 0xffff'ffff'ffff'f8ff;
  constexpr std::uint64_t all = ~std::uint64_t{0};
  EXPECT_EQ(defined(EventType::F_UUT), (Four{substream, 0xe'0000'ffff, all, 0}));
  EXPECT_EQ(defined(EventType::C_BAD_STREAMID), (Four{substream, 0, 0, 0}));
  EXPECT_EQ(defined(EventType::F_STE_FETCH), (Four{substream, 0x1'ffff, 0, 0x00ff'ffff'ffff'fff8}));
  EXPECT_EQ(defined(EventType::F_BAD_ATS_TREQ), (Four{substream, 0xf000'000f, all & ~0xfffull, 0}));
  EXPECT_EQ(defined(EventType::F_STREAM_DISABLED), (Four{0xffff'ffff'0000'00ff, 0, 0, 0}));
  EXPECT_EQ(defined(EventType::F_TRANSL_FORBIDDEN), (Four{0xffff'ffff'0000'00ff, 0x8'0000'0000, all, 0}));
  EXPECT_EQ(defined(EventType::F_WALK_EABT), (Four{substream, 0x3ce'0001'ffff, all, 0x00ff'ffff'ffff'fff8}));
  EXPECT_EQ(defined(EventType::F_TRANSLATION), (Four{substream, 0xffff'03ce'8000'ffff, all, 0x00ff'ffff'ffff'f000}));
  EXPECT_EQ(defined(EventType::F_PERMISSION), (Four{substream, 0xffff'13ce'8000'ffff, all, 0x00ff'ffff'ffff'f000}));
  EXPECT_EQ(defined(EventType::F_TLB_CONFLICT), (Four{substream, 0xce'ffff'ffff, all, 0x00ff'ffff'ffff'f000}));
  EXPECT_EQ(defined(EventType::F_CFG_CONFLICT), (Four{substream, 0xffff'ffff, 0, 0}));
  EXPECT_EQ(defined(EventType::E_PAGE_REQUEST), (Four{substream, 0x000f'f0ee'0000'0000, all & ~0xfffull, 0}));
}
TEST(EventForms, ABadSubstreamHasNoSsv) {
  EXPECT_EQ(event_form(EventType::C_BAD_SUBSTREAMID)->defined[0], 0xffff'ffff'ffff'f0ffu);
}
TEST(EventForms, OnlyTheFourTranslationFaultsMayStall) {
  unsigned count = 0;
  for (const auto& form : event_forms) {
    count += form.may_stall;
  }
  EXPECT_EQ(count, 4u);
  for (auto t : {EventType::F_TRANSLATION, EventType::F_ADDR_SIZE, EventType::F_ACCESS, EventType::F_PERMISSION}) {
    EXPECT_TRUE(event_form(t)->may_stall);
  }
}

// Chapter 8: StreamID [31:0], SubstreamID [51:32], Priv [58], X [59], R [60], W [61], Last [62], SSV [63]; PRGIndex
// [8:0] and the page of word 1
TEST(PriLayout, ARequestIsTheWordsWorkedOutByHand) {
  PriRecord r;
  r.set(PriRecord::StreamID, 0x1234'5678).set(PriRecord::SubstreamID, 0xabcde).set(PriRecord::SSV, 1);
  r.set(PriRecord::R, 1).set(PriRecord::Last, 1).set(PriRecord::PRGIndex, 0x1ff).set(PriRecord::PageAddr, 0x7'f000);
  EXPECT_EQ(r.w, (std::array<std::uint64_t, 2>{0xd00a'bcde'1234'5678, 0x7'f1ff}));
  EXPECT_EQ(base::reserved_bits<PriRecord>(), (std::array<std::uint64_t, 2>{0x03f0'0000'0000'0000, 0xe00}));
}
TEST(PriLayout, LastWithoutAccessIsAStopMarkerOnlyWithAPasid) {
  PriRecord marker;
  marker.set(PriRecord::Last, 1).set(PriRecord::SSV, 1);
  EXPECT_TRUE(is_stop_marker(marker));
  EXPECT_FALSE(is_stop_marker(marker.with(PriRecord::SSV, 0)));
  EXPECT_FALSE(is_stop_marker(marker.with(PriRecord::R, 1)));
  EXPECT_FALSE(is_stop_marker(marker.with(PriRecord::W, 1)));
  EXPECT_FALSE(is_stop_marker(marker.with(PriRecord::Last, 0)));
}

} // namespace
} // namespace sluice::arch
