#include "rig.hpp"

// Fields of STE, CD and registers whose encodings are ignored, reserved or of the upper half alone.
namespace sluice::model::test {
namespace {

struct FieldRules : testing::Test {
  FieldRules() : low{rig.stage1_stream(1)}, high{rig.tree(arch::Granule::k4, 39)}, page{rig.ram.alloc(4096)} {}
  Cd both_halves() const {
    return rig.cd(low.tree).set(Cd::EPD1, 0).set(Cd::TTB1, high.root).set(Cd::T1SZ, 25).set(Cd::TG1, arch::Tg1::k4);
  }
  // Of a page that table descriptors of level 2 make read-only.
  bool writes(std::uint64_t va) { return rig.write(1, va).served(); }
  void map_below_read_only_table(const Tree& tree, std::uint64_t va) {
    rig.map(tree, va, page, s1_rw);
    const std::uint64_t table = rig.slot(tree, va, 2);
    rig.ram.put(table, rig.ram.get(table) | 2ULL << 61);
  }
  static constexpr std::uint64_t upper = ~0ULL << 39;

  Rig rig;
  Rig::Stage1Stream low;
  Tree high;
  std::uint64_t page;
};

// 5.4 TBI1
TEST_F(FieldRules, TBI1IgnoresTheTopByteOfTheUpperHalfAlone) {
  rig.put(low.cd_at, both_halves().set(Cd::TBI1, 1));
  rig.map(high, upper | 0x1000, page, s1_rw);
  rig.map(low.tree, 0x1000, page, s1_rw);
  EXPECT_EQ(rig.pa(1, (upper | 0x1000) ^ 0xabULL << 56), page);
  EXPECT_EQ(rig.pa(1, 0x1000), page);
  EXPECT_FALSE(rig.pa(1, 0x1000 | 0xabULL << 56));
}

// 5.4 HAD1
TEST_F(FieldRules, HAD1IgnoresTheTablesOfTheUpperHalfAlone) {
  rig.put(low.cd_at, both_halves().set(Cd::HAD1, 1));
  map_below_read_only_table(high, upper | 0x1000);
  map_below_read_only_table(low.tree, 0x1000);
  EXPECT_TRUE(writes(upper | 0x1000));
  EXPECT_FALSE(writes(0x1000));
}

TEST(FieldRulesV30, WithoutIDR3_HADTablesCountWhateverHADSays) {
  Features f;
  f.version = 0;
  f.bbml = 0;
  f.range_invalidation = f.fwb = f.small_tables = f.had = false;
  Rig rig{f};
  const auto s = rig.stage1_stream(1);
  rig.put(s.cd_at, rig.cd(s.tree).set(Cd::HAD0, 1));
  rig.map(s.tree, 0x1000, rig.ram.alloc(4096), s1_rw);
  const std::uint64_t table = rig.slot(s.tree, 0x1000, 2);
  rig.ram.put(table, rig.ram.get(table) | 2ULL << 61);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
}

// 5.4 UWXN: of VMSAv8-32
TEST_F(FieldRules, UWXNIsIgnored) {
  rig.put(low.cd_at, rig.cd(low.tree).set(Cd::UWXN, 1));
  rig.map(low.tree, 0x1000, page, s1_rw);
  EXPECT_TRUE(rig.port->translate({1, {}, 0x1000, 1, false, true, false}).outcome.served());
}

// 5.2 SW_RESERVED, IMPLEMENTATION DEFINED fields
TEST_F(FieldRules, WhatIsSoftwaresOrTheImplementationsIsIgnored) {
  rig.map(low.tree, 0x1000, page, s1_rw);
  Ste ste = rig.stage1_ste(low.cd_at).set(Ste::SW_RESERVED, 0xf);
  ste.w[1] |= 0xfffULL << 52;
  ste.w[2] |= 0xffffULL << 16;
  ste.w[4] |= 0xffff;
  rig.put_ste(1, ste);
  Cd cd = rig.cd(low.tree);
  cd.w[5] |= 0xffff'ffff;
  rig.put(low.cd_at, cd);
  EXPECT_EQ(rig.pa(1, 0x1000), page);
}

// 5.2 CONT
TEST_F(FieldRules, CONTTakesNoNeighbourForAStream) {
  rig.put_ste(8, rig.bypass_ste().set(Ste::CONT, 3));
  rig.put_ste(9, Ste{}.set(Ste::V, 1).set(Ste::CONT, 3)); // aborts
  EXPECT_TRUE(rig.pa(8, 0x1000));
  EXPECT_FALSE(rig.pa(9, 0x1000));
  rig.put_ste(8, Ste{}.set(Ste::V, 1));
  rig.put_ste(9, rig.bypass_ste());
  rig.run({arch::cmd::cfgi_ste(9, true)});
  EXPECT_TRUE(rig.pa(9, 0x1000));
  EXPECT_TRUE(rig.pa(8, 0x1000)) << "its own CFGI_STE is missing";
}

// 6.3.25 SPLIT, FMT
TEST_F(FieldRules, AReservedSPLITIs6) {
  const auto l1 = rig.ram.alloc(64, 64);
  const auto l2 = rig.ram.alloc(64 << 6, 64 << 6);
  rig.ram.put(l1 + 8, l2 | 7);
  rig.put(l2 + 5 * 64, rig.bypass_ste());
  rig.w32<arch::CR0>(0xc);
  rig.w64<arch::STRTAB_BASE>(l1);
  for (const std::uint32_t split : {0U, 6U, 7U, 31U}) {
    rig.w32<arch::CR0>(0xc);
    rig.w32<arch::STRTAB_BASE_CFG>(1 << 16 | split << 6 | 9);
    rig.w32<arch::CR0>(0xd);
    rig.run({arch::cmd::cfgi_all()});
    EXPECT_TRUE(rig.pa(64 + 5, 0x1000)) << split;
  }
}

TEST_F(FieldRules, AReservedFMTIsLinear) {
  rig.put_ste(7, rig.bypass_ste());
  rig.w32<arch::CR0>(0xc);
  rig.w32<arch::STRTAB_BASE_CFG>(2 << 16 | 6 << 6 | Rig::streams_log2);
  rig.w32<arch::CR0>(0xd);
  EXPECT_TRUE(rig.pa(7, 0x1000));
}

// 6.3.11
TEST_F(FieldRules, AReservedCacheabilityOfCR1IsNonCacheable) {
  rig.w32<arch::CR0>(0xc);
  rig.w32<arch::CR1>(3 << 6 | 3 << 8 | 3 << 10);
  rig.w32<arch::CR0>(0xd);
  rig.ram.watch(rig.strtab + 64);
  rig.pa(1, 0x1000);
  EXPECT_EQ(rig.ram.watched_attributes().mair, 0x44U);
  EXPECT_EQ(rig.ram.watched_attributes().shareability, 2U) << "whatever TABLE_SH says";
}

} // namespace
} // namespace sluice::model::test
