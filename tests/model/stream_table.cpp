#include "rig.hpp"

namespace sluice::model::test {
namespace {

// A two-level stream table of 2^8 StreamIDs, SPLIT 6, in place of the rig's.
struct TwoLevel : testing::Test {
  TwoLevel() {
    l1 = rig.ram.alloc(64, 64);
    l2 = rig.ram.alloc(64 * 64, 4096);
    rig.w64<arch::STRTAB_BASE>(l1);
    rig.w32<arch::STRTAB_BASE_CFG>(8U | 6U << 6 | 1U << 16);
    rig.w32<arch::CR0>(0xd);
  }
  void set(std::uint32_t index, std::uint64_t span) { rig.ram.put(l1 + index * 8, l2 | span); }
  void put_ste(std::uint32_t within, const Ste& ste) { rig.put(l2 + within * 64ULL, ste); }

  Rig rig{Rig::with_substreams(), {}, false};
  std::uint64_t l1{}, l2{};
};

TEST(StreamTable, AStreamIDBeyondTheTableIsC_BAD_STREAMID) {
  Rig rig;
  const auto o = rig.read(64, 0x1000);
  EXPECT_EQ(o.kind, Outcome::Kind::aborted);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::C_BAD_STREAMID);
  EXPECT_EQ(e.get(Event::StreamID), 64U);
}

TEST(StreamTable, ABadStreamIDIsNotRecordedWithoutRECINVSID) {
  Rig rig{Features{}, {}, false};
  rig.w32<arch::CR2>(0);
  rig.w32<arch::CR0>(0xd);
  const auto o = rig.read(64, 0x1000);
  EXPECT_EQ(o.event, EventType::C_BAD_STREAMID);
  EXPECT_FALSE(o.recorded);
  EXPECT_TRUE(rig.events().empty());
}

TEST(StreamTable, LOG2SIZEBeyondSIDSIZEIsCappedForTheRange) {
  Features f;
  f.streamid_bits = 6;
  Rig rig{f, {}, false};
  rig.w32<arch::STRTAB_BASE_CFG>(7);
  rig.w32<arch::CR0>(0xd);
  EXPECT_EQ(rig.read(64, 0).event, EventType::C_BAD_STREAMID);
  EXPECT_EQ(rig.read(63, 0).event, EventType::C_BAD_STE);
}

TEST(StreamTable, TheBaseIsAlignedDownToTheTable) {
  Rig rig{Features{}, {}, false};
  rig.put_ste(2, rig.bypass_ste());
  rig.w64<arch::STRTAB_BASE>(rig.strtab + 128);
  rig.w32<arch::CR0>(0xd);
  EXPECT_EQ(rig.pa(2, 0x5000), 0x5000U);
}

TEST(StreamTable, AnAbortOfTheSTEFetchIsF_STE_FETCH) {
  Rig rig;
  rig.ram.plant(rig.strtab + 5 * 64 + 40);
  EXPECT_EQ(rig.read(5, 0).kind, Outcome::Kind::aborted);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_STE_FETCH);
  EXPECT_EQ(e.get(Event::FetchAddr), rig.strtab + 5 * 64);
}

TEST(StreamTable, AFailedSTEFetchIsNotCached) {
  Rig rig;
  rig.put_ste(5, rig.bypass_ste());
  rig.ram.plant(rig.strtab + 5 * 64 + 40);
  EXPECT_FALSE(rig.pa(5, 0x1000));
  rig.ram.heal();
  EXPECT_EQ(rig.pa(5, 0x1000), 0x1000U);
}

TEST_F(TwoLevel, AnSTEBehindAnL1STDIsFound) {
  set(2, 7);
  put_ste(9, rig.bypass_ste());
  EXPECT_EQ(rig.pa(2 * 64 + 9, 0x7000), 0x7000U);
}

TEST_F(TwoLevel, SpanZeroIsC_BAD_STREAMID) {
  EXPECT_EQ(rig.read(2 * 64 + 9, 0).event, EventType::C_BAD_STREAMID);
  EXPECT_EQ(rig.event().get(Event::StreamID), 2U * 64 + 9);
}

TEST_F(TwoLevel, AReservedSpanIsC_BAD_STREAMID) {
  set(1, 12);
  EXPECT_EQ(rig.read(64, 0).event, EventType::C_BAD_STREAMID);
}

TEST_F(TwoLevel, ASpanWiderThanSPLITIsC_BAD_STREAMID) {
  set(1, 8);
  put_ste(0, rig.bypass_ste());
  EXPECT_EQ(rig.read(64, 0).event, EventType::C_BAD_STREAMID);
}

TEST_F(TwoLevel, AStreamIDBeyondItsSpanIsC_BAD_STREAMID) {
  set(1, 3); // 4 STEs
  for (std::uint32_t i = 0; i < 5; ++i) {
    put_ste(i, rig.bypass_ste());
  }
  EXPECT_EQ(rig.pa(64 + 3, 0x1000), 0x1000U);
  EXPECT_EQ(rig.read(64 + 4, 0).event, EventType::C_BAD_STREAMID);
}

TEST_F(TwoLevel, L2PtrIsAlignedDownToItsArray) {
  l2 = rig.ram.alloc(64 * 64, 4096);
  put_ste(1, rig.bypass_ste());
  rig.ram.put(l1, (l2 + 64) | 3); // an array of 4: bits [7:0] are taken as 0
  EXPECT_EQ(rig.pa(1, 0x1000), 0x1000U);
}

TEST_F(TwoLevel, AnAbortOfTheL1STDFetchIsF_STE_FETCH) {
  rig.ram.plant(l1 + 3 * 8);
  EXPECT_EQ(rig.read(3 * 64, 0).event, EventType::F_STE_FETCH);
  EXPECT_EQ(rig.event().get(Event::FetchAddr), l1 + 3 * 8);
}

TEST_F(TwoLevel, AnL1STDStaysCachedUntilCFGI_STEWithoutLeaf) {
  EXPECT_FALSE(rig.pa(64, 0x1000)); // Span 0 is cached
  set(1, 7);
  put_ste(0, rig.bypass_ste());
  rig.run({arch::cmd::cfgi_ste(64, true)});
  EXPECT_FALSE(rig.pa(64, 0x1000));
  rig.run({arch::cmd::cfgi_ste(64, false)});
  EXPECT_EQ(rig.pa(64, 0x1000), 0x1000U);
}

TEST_F(TwoLevel, CFGI_STEWithoutLeafOfAnySIDInTheSpanReachesTheL1STD) {
  EXPECT_FALSE(rig.pa(64, 0x1000));
  set(1, 7);
  put_ste(0, rig.bypass_ste());
  rig.run({arch::cmd::cfgi_ste(64 + 33, false)});
  EXPECT_EQ(rig.pa(64, 0x1000), 0x1000U);
}

TEST_F(TwoLevel, CFGI_STEOfAnotherSpanLeavesTheL1STD) {
  EXPECT_FALSE(rig.pa(64, 0x1000));
  set(1, 7);
  put_ste(0, rig.bypass_ste());
  rig.run({arch::cmd::cfgi_ste(128, false)});
  EXPECT_FALSE(rig.pa(64, 0x1000));
}

TEST(StreamTable, ALinearTableIgnoresFMTWithoutST_LEVEL) {
  Features f;
  f.streamid_bits = 6;
  f.two_level_streams = false;
  Rig rig{f, {}, false};
  rig.put_ste(2, rig.bypass_ste());
  rig.w32<arch::STRTAB_BASE_CFG>(6U | 6U << 6 | 1U << 16);
  rig.w32<arch::CR0>(0xd);
  EXPECT_EQ(rig.pa(2, 0x1000), 0x1000U);
}

} // namespace
} // namespace sluice::model::test
