#include "rig.hpp"

// 3.21.1.1 to 3.21.1.3: a block becomes a table that maps the same, or a table a block, while both are cached.
namespace sluice::model::test {
namespace {

using namespace arch::cmd;

constexpr std::uint64_t va = 0x4000'0000, pa = 0x1000'0000;
constexpr std::uint64_t nT = 1 << 16;

Features with_bbml(unsigned level) {
  Features f = Rig::with_substreams();
  f.bbml = level;
  f.version = 1;
  f.httu = 0;
  return f;
}

struct Resized {
  explicit Resized(unsigned bbml = 2, const Knobs& knobs = {}) : rig{with_bbml(bbml), knobs}, s{rig.stage1_stream(1)} {}

  void map_block(std::uint64_t bits = 0) { rig.map(s.tree, va, pa, s1_rw | bits, 2); }
  // Pages in the block's place, which lead elsewhere so that one can tell them from it.
  void map_pages(std::uint64_t to) {
    const std::uint64_t table = rig.ram.alloc(4096, 4096);
    for (std::uint64_t i = 0; i < 512; ++i) {
      rig.ram.put(table + 8 * i, s1_rw | 3 | (to + 0x1000 * i));
    }
    rig.ram.put(rig.slot(s.tree, va, 2), table | 3);
  }

  Rig rig;
  Rig::Stage1Stream s;
};

TEST(ResizedBlock, ServesOneOfTheTwoAndNeverFaults) {
  Resized r{2, {.adversary = {.prefetch = true, .partial = true}}};
  r.map_block();
  ASSERT_EQ(r.rig.pa(1, va), pa);
  r.map_pages(2 * pa);
  unsigned as_block = 0, as_pages = 0;
  for (unsigned i = 0; i < 4000; ++i) {
    const std::uint64_t offset = 0x1000 * (i * 7 % 512);
    const auto got = r.rig.pa(1, va + offset);
    ASSERT_TRUE(got == pa + offset || got == 2 * pa + offset) << std::hex << offset;
    (got == pa + offset ? as_block : as_pages) += 1;
    r.rig.port->idle();
  }
  EXPECT_GT(as_block, 10U) << "also of addresses that were never asked for while the block was there";
  EXPECT_GT(as_pages, 10U);
}

TEST(ResizedBlock, LeavesByAnyOfItsAddressesAndNoLevel) {
  Resized r{2, {.adversary = {.prefetch = true}}};
  r.map_block();
  for (unsigned i = 0; i < 100; ++i) {
    ASSERT_TRUE(r.rig.pa(1, va + 0x1000 * i));
  }
  r.map_pages(2 * pa);
  r.rig.run({tlbi_nh_va(0, 1, va + 0x7000, true)});
  for (std::uint64_t i = 0; i < 512; ++i) {
    ASSERT_EQ(r.rig.pa(1, va + 0x1000 * i), 2 * pa + 0x1000 * i);
  }
}

TEST(ResizedBlock, StaysWhereAnInvalidationIsLimitedToPages) {
  Resized r;
  r.map_block();
  ASSERT_EQ(r.rig.pa(1, va + 0x7000), pa + 0x7000);
  r.map_pages(2 * pa);
  r.rig.run({tlbi_nh_va(0, 1, va + 0x7000, true, {0, 0, arch::TlbiTg::k4, 3})});
  EXPECT_EQ(r.rig.pa(1, va + 0x7000), pa + 0x7000);
}

// Whether the block is found in a TLB after the first access.
bool is_cached(unsigned bbml, std::uint64_t bits) {
  Resized r{bbml};
  r.map_block(bits);
  EXPECT_EQ(r.rig.pa(1, va), pa) << "never a fault";
  r.rig.map(r.s.tree, va, 2 * pa, s1_rw | bits, 2);
  return r.rig.pa(1, va) == pa;
}

TEST(ABlockWithNT, IsNotCachedAtLevel1AndAsAnyOtherAtLevel2) {
  EXPECT_TRUE(is_cached(1, 0));
  EXPECT_FALSE(is_cached(1, nT));
  EXPECT_TRUE(is_cached(2, nT));
}

TEST(ABlockWithNT, OfStage2IsNotCachedEitherNorWhatStage1MakesOfIt) {
  Rig rig{with_bbml(1)};
  const Tree s2 = rig.stage2_tree();
  rig.map(s2, va, pa, s2_rw | nT, 2);
  rig.put_ste(2, rig.stage2_ste(s2, 7));
  EXPECT_EQ(rig.pa(2, va), pa);
  rig.map(s2, va, 2 * pa, s2_rw | nT, 2);
  EXPECT_EQ(rig.pa(2, va), 2 * pa);
}

// 3.21.1.2, the procedure of its note: nT, invalidated, table, invalidated. No access is without its translation.
TEST(ABlockWithNT, BecomesATableAtLevel1WithoutAFault) {
  Resized r{1, {.adversary = {.prefetch = true, .partial = true}}};
  const auto all_served = [&] {
    for (std::uint64_t i = 0; i < 64; ++i) {
      ASSERT_EQ(r.rig.pa(1, va + 0x8000 * i), pa + 0x8000 * i);
      r.rig.port->idle();
    }
  };
  r.map_block();
  all_served();
  r.map_block(nT);
  all_served();
  r.rig.run({tlbi_nh_va(0, 1, va, true)});
  all_served();
  r.map_pages(pa);
  all_served();
  r.rig.run({tlbi_nh_va(0, 1, va, false)});
  all_served();
}

} // namespace
} // namespace sluice::model::test
