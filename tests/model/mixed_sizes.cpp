#include "rig.hpp"

#include <set>

// 4.4: a TLBI is right for every mix of stage 1 and stage 2 granules and leaf sizes: whatever address of a leaf it
// names, nothing stays that was made of that leaf.
namespace sluice::model::test {
namespace {

using namespace arch::cmd;
using arch::Granule;

struct Leaf {
  Granule granule{};
  int level{};

  std::uint64_t size() const { return 1ULL << arch::level_shift(granule, level); }
};
constexpr Leaf leaves[] = {{Granule::k4, 1},  {Granule::k4, 2},  {Granule::k4, 3}, {Granule::k16, 2},
                           {Granule::k16, 3}, {Granule::k64, 2}, {Granule::k64, 3}};

// Stream 1 is nested and stream 2 has the same stage 2 alone. One stage 1 leaf at `va` leads to `ipa`, and what the
// probes need of stage 2 is mapped in leaves of its size.
class Mix : public testing::TestWithParam<std::tuple<Leaf, Leaf>> {
protected:
  static constexpr std::uint64_t va = 1ULL << 38, ipa = 1ULL << 38, other_ipa = 1ULL << 39;
  static constexpr std::uint64_t old_pa = 1ULL << 41, new_pa = 1ULL << 42;
  static constexpr std::uint16_t vmid = 7, asid = 5;

  Mix() {
    s1 = rig.tree(first.granule, 39);
    s2 = rig.stage2_tree(second.granule, 40, second.granule == Granule::k4 ? 1 : 2);
    // One to one for what the tables and the CD lie in.
    const std::uint64_t block = 1ULL << arch::level_shift(second.granule, 2);
    for (std::uint64_t at = 0; at < 8U << 20; at += block) {
      rig.map(s2, at, at, s2_rw, 2);
    }
    const std::uint64_t cd_at = rig.ram.alloc(64, 64);
    rig.put(cd_at, rig.cd(s1, asid));
    rig.put_ste(1, rig.nested(rig.stage1_ste(cd_at), rig.stage2_ste(s2, vmid)));
    rig.put_ste(2, rig.stage2_ste(s2, vmid));
    for (const auto near : {std::uint64_t{0}, second.size(), first.size() / 2, first.size() - 1}) {
      for (const auto offset : {near, near - 0x1000, near + 0x1000}) {
        probes.insert(offset & (first.size() - 1) & ~0xfffULL);
      }
    }
    map_stage2(old_pa);
    rig.map(s1, va, ipa, s1_rw, first.level);
  }
  void map_stage2(std::uint64_t pa) {
    for (const auto offset : probes) {
      const std::uint64_t unit = offset & ~(second.size() - 1);
      rig.map(s2, ipa + unit, pa + unit, s2_rw, second.level);
      rig.map(s2, other_ipa + unit, pa + other_ipa + unit, s2_rw, second.level);
    }
  }
  // Every probe of the stream leads to `to`.
  testing::AssertionResult all_lead(std::uint32_t sid, std::uint64_t to) {
    for (const auto offset : probes) {
      const auto got = rig.pa(sid, (sid == 1 ? va : ipa) + offset);
      if (got != to + offset) {
        return testing::AssertionFailure() << std::hex << offset << " leads to " << got.value_or(0);
      }
    }
    return testing::AssertionSuccess();
  }

  // Some probe does: not all, since what is cached may lose its place to another probe.
  bool any_leads(std::uint32_t sid, std::uint64_t to) {
    return std::any_of(probes.begin(), probes.end(),
                       [&](auto offset) { return rig.pa(sid, (sid == 1 ? va : ipa) + offset) == to + offset; });
  }

  const Leaf first{std::get<0>(GetParam())}, second{std::get<1>(GetParam())};
  Rig rig;
  Tree s1, s2;
  std::set<std::uint64_t> probes; // pages of the stage 1 leaf
};

TEST_P(Mix, AStage1LeafGoesByAnyOfItsAddresses) {
  bool moved = false;
  for (const auto named : probes) {
    for (const auto& command : {tlbi_nh_va(vmid, asid, va + named, true), tlbi_nh_vaa(vmid, va + named, false)}) {
      const std::uint64_t before = moved ? old_pa + other_ipa : old_pa;
      moved = !moved;
      ASSERT_TRUE(all_lead(1, before));
      rig.map(s1, va, moved ? other_ipa : ipa, s1_rw, first.level);
      ASSERT_TRUE(any_leads(1, before)) << "stale";
      rig.run({command});
      ASSERT_TRUE(all_lead(1, moved ? old_pa + other_ipa : old_pa)) << std::hex << named;
      ASSERT_TRUE(rig.port->audit().stale.empty());
    }
  }
}

TEST_P(Mix, AStage1LeafGoesByItsGranuleAndLevel) {
  const auto tg = static_cast<arch::TlbiTg>(static_cast<unsigned>(first.granule) + 1);
  ASSERT_TRUE(all_lead(1, old_pa));
  rig.map(s1, va, other_ipa, s1_rw, first.level);
  rig.run({tlbi_nh_va(vmid, asid, va, true, {0, 0, tg, static_cast<std::uint8_t>(first.level)})});
  EXPECT_TRUE(all_lead(1, old_pa + other_ipa));
}

TEST_P(Mix, AStage2LeafGoesByAnyOfItsAddressesWithWhatStage1HasMadeOfIt) {
  std::uint64_t now = old_pa;
  for (const auto named : probes) {
    ASSERT_TRUE(all_lead(1, now));
    ASSERT_TRUE(all_lead(2, now));
    const std::uint64_t before = now;
    now = now == old_pa ? new_pa : old_pa;
    map_stage2(now);
    ASSERT_TRUE(any_leads(1, before)) << "stale";
    ASSERT_TRUE(any_leads(2, before)) << "stale";
    // Each leaf of stage 2 by some address in it, which `named` picks.
    const std::uint64_t within = named & (second.size() - 1);
    for (const auto offset : probes) {
      rig.submit(tlbi_s2_ipa(vmid, ipa + (offset & ~(second.size() - 1)) + within, true));
      rig.submit(arch::cmd::sync());
    }
    ASSERT_TRUE(all_lead(2, now)) << "by stage 2 alone";
    ASSERT_TRUE(any_leads(1, before)) << "what stage 1 and 2 have made together is not for TLBI_S2_IPA to take";
    rig.run({tlbi_nh_all(vmid)});
    ASSERT_TRUE(all_lead(1, now)) << std::hex << named;
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Mix, testing::Combine(testing::ValuesIn(leaves), testing::ValuesIn(leaves)),
                         [](const auto& i) {
                           const auto name = [](const Leaf& l) {
                             return std::to_string(arch::granule_size(l.granule) >> 10) + "KLevel" +
                                    std::to_string(l.level);
                           };
                           return name(std::get<0>(i.param)) + "On" + name(std::get<1>(i.param));
                         });

} // namespace
} // namespace sluice::model::test
