#include "rig.hpp"

#include <functional>

// 3.21, rule 6 of the design: what was cached is used until the right invalidation, and no longer.
namespace sluice::model::test {
namespace {

using namespace arch::cmd;
using arch::Granule;
using arch::TlbiTg;

// Stream 1: stage 1, VMID 0, ASID 1. Stream 2: likewise, ASID 2. Stream 3: stage 2, VMID 7. Stream 4: NS-EL2.
// Each maps 0x1000 .. 0x5fff as pages and 0x20'0000 as a 2 MB block; stage 1 maps 0x6000 as global.
struct Stale : testing::Test {
  Stale() : Stale(Rig::with_substreams(), 0) {}
  explicit Stale(const Features& f, std::uint32_t cr2) : rig{f, {}, false} {
    rig.w32<arch::CR2>(cr2);
    rig.w32<arch::CR0>(0xd);
    for (std::uint32_t sid : {1U, 2U}) {
      const auto s = rig.stage1_stream(sid, static_cast<std::uint16_t>(sid));
      fill(sid, s.tree, s1_rw);
    }
    const auto s2 = rig.stage2_tree();
    rig.put_ste(3, rig.stage2_ste(s2, 7));
    fill(3, s2, s2_rw);
    const auto s4 = rig.stage1_stream(4, 4);
    rig.put_ste(4, rig.stage1_ste(s4.cd_at).set(Ste::STRW, arch::Strw::el2));
    fill(4, s4.tree, s1_rw);
  }
  void fill(std::uint32_t sid, const Tree& t, std::uint64_t flags) {
    for (std::uint64_t va = 0x1000; va <= 0x5000; va += 0x1000) {
      rig.map(t, va, old_page + va, flags);
    }
    rig.map(t, 0x20'0000, old_block, flags, 2);
    if (sid != 3) {
      rig.map(t, 0x6000, old_page + 0x6000, flags & ~(1ULL << 11)); // nG = 0
    }
    tree[sid] = t;
    flag[sid] = flags;
  }
  // Uses all pages, then moves them all in memory.
  void use_and_move(std::initializer_list<std::uint32_t> sids) {
    for (const auto sid : sids) {
      for (const std::uint64_t va : addresses(sid)) {
        EXPECT_TRUE(rig.pa(sid, va)) << sid << " " << va;
      }
    }
    for (const auto sid : sids) {
      for (std::uint64_t va = 0x1000; va <= 0x5000; va += 0x1000) {
        rig.map(tree[sid], va, new_page + va, flag[sid]);
      }
      rig.map(tree[sid], 0x20'0000, new_block, flag[sid], 2);
      if (sid != 3) {
        rig.map(tree[sid], 0x6000, new_page + 0x6000, flag[sid] & ~(1ULL << 11));
      }
    }
  }
  static std::vector<std::uint64_t> addresses(std::uint32_t sid) {
    std::vector<std::uint64_t> all{0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x20'0000, 0x20'7000, 0x3f'f000};
    if (sid != 3) {
      all.push_back(0x6000);
    }
    return all;
  }
  // Digits of the pages that are fresh: 1-5 pages, b the block's three pieces, g the global page.
  std::string fresh(std::uint32_t sid) {
    std::string s;
    for (std::uint64_t va = 0x1000; va <= 0x5000; va += 0x1000) {
      if (rig.pa(sid, va) == new_page + va) {
        s += static_cast<char>('0' + va / 0x1000);
      }
    }
    for (const std::uint64_t va : {0x20'0000U, 0x20'7000U, 0x3f'f000U}) {
      s += rig.pa(sid, va) == new_block + (va - 0x20'0000) ? "b" : "";
    }
    if (sid != 3 && rig.pa(sid, 0x6000) == new_page + 0x6000) {
      s += 'g';
    }
    return s;
  }

  static constexpr std::uint64_t old_page = 0x60'0000, new_page = 0x70'0000;
  static constexpr std::uint64_t old_block = 0x20'0000, new_block = 0x40'0000;
  Rig rig;
  Tree tree[5];
  std::uint64_t flag[5]{};
};

struct ScopeCase {
  const char* name;
  Command command;
  const char* one;   // fresh of stream 1
  const char* two;   // of stream 2
  const char* three; // of stream 3
  const char* four;  // of stream 4
};
class Scope : public Stale, public testing::WithParamInterface<ScopeCase> {};

TEST_P(Scope, OfTheCommandIsFreshAfterItsSYNCAndTheRestIsNot) {
  const auto& c = GetParam();
  use_and_move({1, 2, 3, 4});
  for (const std::uint32_t sid : {1U, 2U, 3U, 4U}) {
    ASSERT_EQ(fresh(sid), "") << sid;
  }
  rig.run({c.command});
  EXPECT_EQ(fresh(1), c.one);
  EXPECT_EQ(fresh(2), c.two);
  EXPECT_EQ(fresh(3), c.three);
  EXPECT_EQ(fresh(4), c.four);
}

constexpr const char* all1 = "12345bbbg";
constexpr const char* all2 = "12345bbb";
constexpr arch::Range one_page{0, 0, TlbiTg::k4, 3};

// The global page of stream 1 is the one that stream 2 uses too: same VMID, same ASET.
const ScopeCase scopes[] = {
    {"NH_ALL", tlbi_nh_all(0), all1, all1, "", ""},
    {"NH_ALLOfAnotherVMID", tlbi_nh_all(7), "", "", "", ""},
    {"NH_ASID", tlbi_nh_asid(0, 1), "12345bbb", "", "", ""},
    {"NH_ASIDOfAnotherVMID", tlbi_nh_asid(7, 1), "", "", "", ""},
    {"NH_VA", tlbi_nh_va(0, 1, 0x2000, true), "2", "", "", ""},
    {"NH_VALowBitsOfTheBlock", tlbi_nh_va(0, 1, 0x2f'0000, true), "bbb", "", "", ""},
    {"NH_VAOfAGlobalPageWithAnyASID", tlbi_nh_va(0, 99, 0x6000, true), "g", "g", "", ""},
    {"NH_VAOfAnotherVMID", tlbi_nh_va(7, 1, 0x2000, true), "", "", "", ""},
    {"NH_VAA", tlbi_nh_vaa(0, 0x2000, true), "2", "2", "", ""},
    {"NH_VAAOfAGlobalPage", tlbi_nh_vaa(0, 0x6000, false), "g", "g", "", ""},
    {"NH_VARange", tlbi_nh_va(0, 1, 0x2000, true, {2, 0, TlbiTg::k4, 0}), "234", "", "", ""},
    {"NH_VARangeScaled", tlbi_nh_va(0, 1, 0x2000, true, {1, 1, TlbiTg::k4, 0}), "2345", "", "", ""},
    {"NH_VARangeOverAll", tlbi_nh_va(0, 1, 0, true, {31, 31, TlbiTg::k4, 0}), all1, "g", "", ""},
    {"NH_VATTL", tlbi_nh_va(0, 1, 0x2000, true, one_page), "2", "", "", ""},
    {"NH_VATTLOfAnotherLevel", tlbi_nh_va(0, 1, 0x2000, true, {0, 0, TlbiTg::k4, 2}), "", "", "", ""},
    {"NH_VATTLOfTheBlock", tlbi_nh_va(0, 1, 0x20'0000, true, {0, 0, TlbiTg::k4, 2}), "bbb", "", "", ""},
    {"NH_VATTLBesideTheBlocksLevel", tlbi_nh_va(0, 1, 0x20'0000, true, one_page), "", "", "", ""},
    {"NH_VAOfAnotherGranule", tlbi_nh_va(0, 1, 0, true, {7, 0, TlbiTg::k64, 0}), "", "", "", ""},
    {"S2_IPA", tlbi_s2_ipa(7, 0x3000, true), "", "", "3", ""},
    {"S2_IPARange", tlbi_s2_ipa(7, 0x3000, true, {1, 0, TlbiTg::k4, 0}), "", "", "34", ""},
    {"S2_IPAOfTheBlock", tlbi_s2_ipa(7, 0x3f'f000, false), "", "", "bbb", ""},
    {"S2_IPAOfAnotherVMID", tlbi_s2_ipa(0, 0x3000, true), "", "", "", ""},
    {"S12_VMALL", tlbi_s12_vmall(7), "", "", all2, ""},
    {"S12_VMALLOfStage1", tlbi_s12_vmall(0), all1, all1, "", ""},
    {"NSNH_ALL", tlbi_nsnh_all(), all1, all1, all2, ""},
    {"EL2_ALL", tlbi_el2_all(), "", "", "", all1},
    {"EL2_VA", tlbi_el2_va(99, 0x2000, true), "", "", "", "2"}, // E2H 0: no ASIDs
    {"EL2_VAA", tlbi_el2_vaa(0x2000, true), "", "", "", "2"},
    {"EL2_ASIDWithoutE2H", tlbi_el2_asid(4), "", "", "", ""},
    {"CFGI_ALL", cfgi_all(), "", "", "", ""},
};
INSTANTIATE_TEST_SUITE_P(Each, Scope, testing::ValuesIn(scopes), [](const auto& i) { return i.param.name; });

struct StaleE2H : Stale {
  StaleE2H() : Stale(Rig::with_substreams(), 1) {}
};

TEST_F(StaleE2H, EL2CommandsGoByASIDWithE2H) {
  use_and_move({4});
  rig.run({tlbi_el2_va(99, 0x2000, true), tlbi_el2_asid(99), tlbi_nsnh_all()});
  EXPECT_EQ(fresh(4), "");
  rig.run({tlbi_el2_va(4, 0x2000, true)});
  EXPECT_EQ(fresh(4), "2");
  rig.run({tlbi_el2_va(99, 0x6000, true)});
  EXPECT_EQ(fresh(4), "2g");
  rig.run({tlbi_el2_vaa(0x3000, true)});
  EXPECT_EQ(fresh(4), "23g");
  rig.run({tlbi_el2_asid(4)});
  EXPECT_EQ(fresh(4), all1);
}

TEST_F(Stale, AnInvalidationWithoutSYNCReachesAPortInABurstOnlyLater) {
  use_and_move({1});
  Port::Burst burst{*rig.port};
  const Request r{1, {}, 0x1000, 1, false, false, false};
  EXPECT_EQ(burst.translate(r).address, old_page + 0x1000);
  rig.submit(tlbi_nh_all(0));
  rig.submit(sync());
  EXPECT_FALSE(rig.drained()); // nothing is promised yet
  EXPECT_EQ(burst.translate(r).address, new_page + 0x1000);
  EXPECT_TRUE(rig.drained());
}

TEST_F(Stale, EachPortHasCachesOfItsOwn) {
  use_and_move({1});
  Port other{*rig.smmu};
  EXPECT_EQ(other.translate({1, {}, 0x1000, 1, false, false, false}).address, new_page + 0x1000);
  EXPECT_EQ(rig.pa(1, 0x1000), old_page + 0x1000);
}

TEST_F(Stale, APortThatMissedMoreThanTheLogHoldsForgetsEverything) {
  use_and_move({1});
  for (unsigned i = 0; i < 2000; ++i) {
    rig.submit(tlbi_nh_all(9));
  }
  EXPECT_EQ(fresh(1), all1);
  EXPECT_EQ(rig.port->counters().lost_log, 1U);
}

TEST_F(Stale, ARemovedTableStaysInUseUntilATLBIWithoutLeaf) {
  EXPECT_TRUE(rig.pa(1, 0x1000));
  const auto at = rig.slot(tree[1], 0x1000, 2);
  rig.ram.put(at, 0);
  EXPECT_EQ(rig.pa(1, 0x2000), old_page + 0x2000); // never used before: by the cached table
  rig.run({tlbi_nh_va(0, 1, 0x3000, true)});
  EXPECT_EQ(rig.pa(1, 0x3000), old_page + 0x3000);
  rig.run({tlbi_nh_va(0, 1, 0x4000, false)});
  EXPECT_FALSE(rig.pa(1, 0x4000));
  EXPECT_TRUE(rig.pa(1, 0x3000)); // a leaf of its own
}

TEST_F(Stale, ARemovedStage2TableStaysInUseUntilATLBIWithoutLeaf) {
  EXPECT_TRUE(rig.pa(3, 0x1000));
  rig.ram.put(rig.slot(tree[3], 0x1000, 2), 0);
  EXPECT_TRUE(rig.pa(3, 0x2000));
  rig.run({tlbi_s2_ipa(7, 0x3000, true)});
  EXPECT_TRUE(rig.pa(3, 0x3000));
  rig.run({tlbi_s2_ipa(7, 0x4000, false)});
  EXPECT_FALSE(rig.pa(3, 0x4000));
}

TEST_F(Stale, PermissionsAreStaleToo) {
  EXPECT_TRUE(rig.read(1, 0x1000).served());
  rig.map(tree[1], 0x1000, old_page + 0x1000, s1_ro);
  EXPECT_TRUE(rig.write(1, 0x1000).served());
  rig.run({tlbi_nh_va(0, 1, 0x1000, true)});
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
  rig.map(tree[1], 0x1000, old_page + 0x1000, s1_rw);
  EXPECT_EQ(rig.write(1, 0x1000).event, EventType::F_PERMISSION);
  rig.run({tlbi_nh_va(0, 1, 0x1000, true)});
  EXPECT_TRUE(rig.write(1, 0x1000).served());
}

TEST_F(Stale, FaultsAreNotCached) {
  EXPECT_FALSE(rig.pa(1, 0x9000));
  rig.map(tree[1], 0x9000, old_page, s1_rw);
  EXPECT_TRUE(rig.pa(1, 0x9000));
}

TEST_F(Stale, TwoStreamsWithOneASIDShareTranslations) {
  EXPECT_TRUE(rig.pa(1, 0x1000));
  const auto walks = rig.port->counters().walks;
  const auto cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(tree[1], 1));
  rig.put_ste(9, rig.stage1_ste(cd_at));
  EXPECT_TRUE(rig.pa(9, 0x1000));
  EXPECT_EQ(rig.port->counters().walks, walks);
}

TEST_F(Stale, GlobalPagesAreSharedWithinAnASETOnly) {
  EXPECT_EQ(rig.pa(1, 0x6000), old_page + 0x6000);
  rig.map(tree[2], 0x6000, new_page, s1_rw & ~(1ULL << 11));
  EXPECT_EQ(rig.pa(2, 0x6000), old_page + 0x6000); // stream 1's
  const auto cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(tree[2], 2).set(Cd::ASET, 1));
  rig.put_ste(9, rig.stage1_ste(cd_at));
  EXPECT_EQ(rig.pa(9, 0x6000), new_page);
}

TEST_F(Stale, AStage1StreamIsTaggedWithItsVMID) {
  EXPECT_EQ(rig.pa(1, 0x1000), old_page + 0x1000);
  rig.map(tree[1], 0x1000, new_page + 0x1000, s1_rw);
  const auto cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(tree[1], 1));
  rig.put_ste(9, rig.stage1_ste(cd_at).set(Ste::S2VMID, 5));
  EXPECT_EQ(rig.pa(9, 0x1000), new_page + 0x1000);
  EXPECT_EQ(rig.pa(1, 0x1000), old_page + 0x1000);
}

TEST_F(Stale, AChangedASIDNeedsOnlyItsCFGI) {
  EXPECT_TRUE(rig.pa(1, 0x1000));
  const auto other = rig.tree();
  rig.map(other, 0x1000, new_page, s1_rw);
  const auto cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(other, 50));
  rig.put_ste(1, rig.stage1_ste(cd_at));
  EXPECT_EQ(rig.pa(1, 0x1000), old_page + 0x1000);
  rig.run({cfgi_ste(1, true)});
  EXPECT_EQ(rig.pa(1, 0x1000), new_page);
}

TEST_F(Stale, MoreContextsThanAPortHasNamesForStillTranslate) {
  for (std::uint16_t asid = 100; asid < 500; ++asid) {
    const auto cd_at = rig.ram.alloc(64, 64);
    rig.put(cd_at, rig.cd(tree[1], asid));
    rig.put_ste(9, rig.stage1_ste(cd_at));
    rig.run({cfgi_ste(9, true)});
    ASSERT_EQ(rig.pa(9, 0x1000), old_page + 0x1000);
  }
}

// Nested: every mix of a stage 1 and a stage 2 size; a TLBI by any VA in the stage 1 leaf must take all its pieces.
TEST(StaleNested, ATLBIByAnyVAOfAStage1LeafTakesAllItsPieces) {
  for (const int level1 : {2, 3}) {
    for (const int level2 : {2, 3}) {
      Rig rig;
      const auto s2 = rig.stage2_tree();
      // Identity at stage 2 for all of RAM, so that the guest's tables need nothing.
      for (std::uint64_t at = 0; at < 64ULL << 20; at += 1ULL << 21) {
        rig.map(s2, at, at, s2_rw, 2);
      }
      const std::uint64_t ipa = 1ULL << 32;
      for (std::uint64_t i = 0; i < (level2 == 2 ? 1U : 512U); ++i) {
        rig.map(s2, ipa + i * 0x1000, 0x200'0000 + i * 0x1000, s2_rw, level2);
      }
      const auto s1 = rig.tree();
      const auto cd_at = rig.ram.alloc(64, 64);
      rig.put(cd_at, rig.cd(s1));
      rig.put_ste(1, rig.nested(rig.stage1_ste(cd_at), rig.stage2_ste(s2)));
      const std::uint64_t va = 0x4000'0000;
      rig.map(s1, va, ipa, s1_rw, level1);
      const std::uint64_t other = level1 == 2 ? 0x1f'f000 : 0;
      EXPECT_EQ(rig.pa(1, va), 0x200'0000U);
      EXPECT_EQ(rig.pa(1, va + other), 0x200'0000U + other);
      rig.map(s1, va, 0x20'0000, s1_rw, level1);
      rig.run({tlbi_s2_ipa(1, ipa, false)});
      EXPECT_EQ(rig.pa(1, va), 0x200'0000U); // combined: not stage 2's to take
      rig.run({tlbi_nh_va(1, 1, va + (level1 == 2 ? 0x8'1000 : 0), true)});
      EXPECT_EQ(rig.pa(1, va), 0x20'0000U);
      EXPECT_EQ(rig.pa(1, va + other), 0x20'0000U + other);
    }
  }
}

TEST(StaleNested, NH_ALLTakesCombinedEntriesAndLeavesStage2Ones) {
  Rig rig;
  const auto s2 = rig.stage2_tree();
  for (std::uint64_t at = 0; at < 64ULL << 20; at += 1ULL << 21) {
    rig.map(s2, at, at, s2_rw, 2);
  }
  const auto s1 = rig.tree();
  const auto cd_at = rig.ram.alloc(64, 64);
  rig.put(cd_at, rig.cd(s1));
  rig.put_ste(1, rig.nested(rig.stage1_ste(cd_at), rig.stage2_ste(s2)));
  rig.map(s1, 0x1000, 0x200'0000, s1_rw);
  EXPECT_EQ(rig.pa(1, 0x1000), 0x200'0000U);
  rig.map(s2, 0x200'0000, 0x220'0000, s2_rw, 2);
  rig.run({tlbi_nh_all(1)});
  EXPECT_EQ(rig.pa(1, 0x1000), 0x200'0000U); // stage 1 anew, stage 2 from its cache
  rig.run({tlbi_s2_ipa(1, 0x200'0000, true), tlbi_nh_all(1)});
  EXPECT_EQ(rig.pa(1, 0x1000), 0x220'0000U);
}

} // namespace
} // namespace sluice::model::test
