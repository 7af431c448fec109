#include "rig.hpp"

#include <set>

// 3.21.3, 4.8: what an SMMU may do with its caches at any time, by knobs.
namespace sluice::model::test {
namespace {

using namespace arch::cmd;

constexpr unsigned many = 600;
Knobs knobs(const Adversary& adversary) { return {.adversary = adversary}; }

TEST(Adversaries, PrefetchCachesWhatNobodyHasAskedFor) {
  Rig rig{Rig::with_substreams(), knobs({.prefetch = true})};
  rig.put_ste(1, rig.bypass_ste());
  EXPECT_TRUE(rig.pa(1, 0)); // the neighbours of this one are of interest
  for (unsigned i = 0; i < 4 * many; ++i) {
    rig.port->idle();
  }
  rig.put_ste(3, rig.bypass_ste()); // V was 0
  EXPECT_EQ(rig.read(3, 0).event, EventType::C_BAD_STE);
  rig.run({cfgi_ste(3, true)});
  EXPECT_TRUE(rig.read(3, 0x1000).served());
}

TEST(Adversaries, WithoutTheKnobNothingIsPrefetched) {
  Rig rig;
  rig.put_ste(1, rig.bypass_ste());
  EXPECT_TRUE(rig.pa(1, 0));
  for (unsigned i = 0; i < many; ++i) {
    rig.port->idle();
  }
  rig.put_ste(3, rig.bypass_ste());
  EXPECT_TRUE(rig.read(3, 0x1000).served());
}

TEST(Adversaries, PrefetchWalksTablesBesideWhatIsUsed) {
  Rig rig{Rig::with_substreams(), knobs({.prefetch = true})};
  const auto s = rig.stage1_stream(1);
  for (std::uint64_t va = 0; va < 0x40'0000; va += 0x1000) {
    rig.map(s.tree, va, 0x10'0000, s1_rw);
  }
  EXPECT_TRUE(rig.pa(1, 0x5000));
  for (unsigned i = 0; i < 20 * many; ++i) {
    rig.port->idle();
  }
  unsigned cached = 0;
  for (std::uint64_t va = 0; va < 0x40'0000; va += 0x1000) {
    rig.map(s.tree, va, 0x20'0000, s1_rw);
    cached += rig.pa(1, va) == 0x10'0000U ? 1 : 0;
  }
  EXPECT_GT(cached, 200U);
}

// 3.17: streams with the same tags have the same translations. Where software gives them different tables, an access
// may go by either's, though the other stream has never asked for anything.
bool goes_by_anothers_tables(std::uint16_t asid) {
  Rig rig{Rig::with_substreams(), knobs({.prefetch = true})};
  rig.stage1_stream(1, 1); // maps nothing
  const auto other = rig.stage1_stream(3, asid);
  rig.map(other.tree, 0x5000, 0x10'0000, s1_rw);
  for (unsigned i = 0; i < 4 * many; ++i) {
    if (rig.pa(1, 0x5000)) {
      return true;
    }
  }
  return false;
}

TEST(Adversaries, StreamsWithOneASIDMeetEachOthersTranslationsThoughOneIsSilent) {
  EXPECT_TRUE(goes_by_anothers_tables(1));
}

TEST(Adversaries, StreamsWithDifferentASIDsDoNot) { EXPECT_FALSE(goes_by_anothers_tables(2)); }

TEST(Adversaries, NothingIsReachableWhileSMMUENIs0) {
  Rig rig{Rig::with_substreams(), knobs({.prefetch = true, .partial = true})};
  rig.w32<arch::CR0>(0xc);
  rig.put_ste(1, rig.bypass_ste());
  for (unsigned i = 0; i < many; ++i) {
    EXPECT_TRUE(rig.pa(1, 0)) << "GBPA";
    rig.port->idle();
  }
  EXPECT_EQ(rig.port->counters().config_reads, 0U);
}

TEST(Adversaries, PrefetchKeepsToTheTablesThatSoftwareHasConfigured) {
  Rig rig{Rig::with_substreams(), knobs({.prefetch = true, .any_order = true, .partial = true})};
  std::vector<std::pair<std::uint64_t, std::uint64_t>> tables{{rig.strtab, 64ULL << Rig::streams_log2}};
  const std::uint64_t forbidden = rig.ram.alloc(64 << 10, 64 << 10);
  const std::uint64_t from = rig.ram.alloc(0, 4096);
  const auto s = rig.stage1_stream(1);
  for (std::uint64_t va = 0; va < 0x10'0000; va += 0x1000) {
    rig.map(s.tree, va, 0x10'0000, s1_rw);
  }
  const std::uint64_t cds = rig.ram.alloc(64 * 16, 1024);
  rig.put(cds, rig.cd(s.tree));
  rig.put(cds + 64, rig.cd(s.tree).set(Cd::V, 0).set(Cd::TTB0, forbidden));
  rig.put_ste(2, rig.stage1_ste(cds).set(Ste::S1CDMax, 4).set(Ste::S1DSS, arch::S1Dss::cd0));
  rig.put_ste(3, rig.stage1_ste(forbidden).set(Ste::V, 0));
  rig.put_ste(4, rig.stage1_ste(forbidden).set(Ste::STRW, arch::Strw::reserved));
  rig.put_ste(5, rig.stage1_ste(forbidden).set(Ste::Config, arch::SteConfig::bypass));
  tables.emplace_back(from, rig.ram.alloc(0) - from);
  rig.ram.before_fetch([&](std::uint64_t at) {
    const bool inside =
        std::any_of(tables.begin(), tables.end(), [&](auto t) { return at >= t.first && at < t.first + t.second; });
    EXPECT_TRUE(inside) << std::hex << at;
  });
  for (unsigned i = 0; i < 4 * many; ++i) {
    rig.pa(i % 6, i * 0x1000 % 0x10'0000, i % 3 == 0 ? std::optional<std::uint32_t>{i % 20} : std::nullopt);
    rig.port->idle();
  }
}

// The order in which the words of stream 1's STE are fetched.
std::vector<std::uint64_t> order_of(Rig& rig) {
  std::vector<std::uint64_t> order;
  rig.ram.before_fetch([&](std::uint64_t at) { order.push_back((at - rig.strtab - 64) / 8); });
  rig.run({cfgi_ste(1, true)});
  EXPECT_TRUE(rig.pa(1, 0));
  rig.ram.before_fetch({});
  return order;
}

TEST(Adversaries, WordsAreFetchedInAnyOrderAndEachOnce) {
  Rig rig{Rig::with_substreams(), knobs({.any_order = true})};
  rig.put_ste(1, rig.bypass_ste());
  std::set<std::vector<std::uint64_t>> orders;
  std::set<std::uint64_t> first;
  for (int i = 0; i < 64; ++i) {
    auto order = order_of(rig);
    orders.insert(order);
    ASSERT_EQ(order.size(), 8U);
    first.insert(order.front());
    EXPECT_EQ(std::set(order.begin(), order.end()).size(), 8U);
  }
  EXPECT_GT(orders.size(), 50U);
  EXPECT_EQ(first.size(), 8U);
}

TEST(Adversaries, WithoutTheKnobWordsAreFetchedInTheirOrder) {
  Rig rig;
  rig.put_ste(1, rig.bypass_ste());
  EXPECT_EQ(order_of(rig), (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(Adversaries, AMixtureThatWasFetchedAroundAStoreStaysUntilItsCFGI) {
  Rig rig;
  rig.put_ste(1, rig.bypass_ste());
  const Ste now = rig.bypass_ste().set(Ste::MTCFG, 1).set(Ste::MemAttr, arch::MemAttr::device_ngnrne);
  rig.ram.before_fetch([&](std::uint64_t at) {
    if (at == rig.strtab + 64 + 8) { // between words 0 and 1
      rig.put_ste(1, Ste{now}.set(Ste::Config, arch::SteConfig::abort));
    }
  });
  const Request r{1, {}, 0x1000, 8, false, false, false};
  const auto mixture = rig.port->translate(r);
  rig.ram.before_fetch({});
  EXPECT_TRUE(mixture.outcome.served());
  EXPECT_EQ(mixture.attributes.mair, 0U) << "word 0 as it was, word 1 as it is";
  EXPECT_EQ(rig.port->translate(r).attributes.mair, 0U);
  rig.run({cfgi_ste(1, true)});
  EXPECT_FALSE(rig.port->translate(r).outcome.served());
}

// How stream 1 fares in accesses after its STE has changed in words 0 and 1, without CFGI: o by the old one, n by the
// new one, m by a mixture.
void note_changes(Rig& rig, const std::function<void()>& change, std::set<char>& seen) {
  const Request r{1, {}, 0x1000, 8, false, false, false};
  EXPECT_TRUE(rig.port->translate(r).outcome.served());
  change();
  for (unsigned i = 0; i < 200; ++i) {
    const auto t = rig.port->translate(r);
    const bool new_attributes = t.outcome.served() && t.attributes.mair == 0;
    seen.insert(!t.outcome.served() ? 'n' : new_attributes ? 'm' : 'o');
  }
}
const Ste device_abort = Ste{}.set(Ste::V, 1).set(Ste::Config, arch::SteConfig::abort).set(Ste::MTCFG, 1);

std::string seen_after_change(Adversary adversary) {
  std::set<char> seen;
  for (adversary.seed = 1; adversary.seed < 16; ++adversary.seed) {
    Rig rig{Rig::with_substreams(), knobs(adversary)};
    rig.put_ste(1, rig.bypass_ste());
    note_changes(
        rig, [&] { rig.put_ste(1, device_abort); }, seen);
  }
  return {seen.begin(), seen.end()};
}

TEST(Adversaries, WordsThatWereLostAreFetchedAnewAndCombined) {
  EXPECT_EQ(seen_after_change({.partial = true}), "mno");
  EXPECT_EQ(seen_after_change({}), "o");
}

// The second-level table is copied, and the copy swung in by its L1STD (rule 1 of the design).
std::string seen_after_swing(Adversary adversary) {
  std::set<char> seen;
  for (adversary.seed = 1; adversary.seed < 16; ++adversary.seed) {
    Rig rig{Rig::with_substreams(), knobs(adversary), false};
    const std::uint64_t l1 = rig.ram.alloc(64, 64);
    const std::uint64_t old_table = rig.ram.alloc(4096, 4096);
    const std::uint64_t new_table = rig.ram.alloc(4096, 4096);
    rig.put(old_table + 64, rig.bypass_ste());
    rig.put(new_table + 64, device_abort);
    rig.ram.put(l1, old_table | 7); // 64 STEs
    rig.w64<arch::STRTAB_BASE>(l1);
    rig.w32<arch::STRTAB_BASE_CFG>(1U << 16 | 6U << 6 | 7);
    rig.w32<arch::CR0>(0xd);
    note_changes(
        rig, [&] { rig.ram.put(l1, new_table | 7); }, seen);
  }
  return {seen.begin(), seen.end()};
}

TEST(Adversaries, WordsOfTwoPlacesAreCombinedOnlyIfTheKnobSaysSo) {
  EXPECT_EQ(seen_after_swing({.partial = true}), "no");
  EXPECT_EQ(seen_after_swing({.partial = true, .one_place = false}), "mno");
}

TEST(Adversaries, TranslationsAndTablesGoToo) {
  Rig rig{Rig::with_substreams(), knobs({.partial = true})};
  const auto s = rig.stage1_stream(1);
  rig.map(s.tree, 0x1000, 0x10'0000, s1_rw);
  EXPECT_EQ(rig.pa(1, 0x1000), 0x10'0000U);
  rig.map(s.tree, 0x1000, 0x20'0000, s1_rw);
  unsigned until = 0;
  while (rig.pa(1, 0x1000) != 0x20'0000U && until < many) {
    ++until;
  }
  EXPECT_LT(until, many);
}

TEST(Adversaries, LateInvalidationsTakeEffectWithTheirSYNC) {
  for (const bool late : {false, true}) {
    Rig rig{Rig::with_substreams(), knobs({.late = late})};
    const auto s = rig.stage1_stream(1);
    rig.map(s.tree, 0x1000, 0x10'0000, s1_rw);
    EXPECT_EQ(rig.pa(1, 0x1000), 0x10'0000U);
    rig.map(s.tree, 0x1000, 0x20'0000, s1_rw);
    rig.submit(tlbi_nh_all(0));
    EXPECT_TRUE(rig.drained());
    EXPECT_EQ(rig.pa(1, 0x1000), late ? 0x10'0000U : 0x20'0000U);
    rig.put_ste(1, rig.bypass_ste());
    rig.submit(cfgi_ste(1, true));
    EXPECT_EQ(rig.pa(1, 0x1000), late ? 0x10'0000U : 0x1000U);
    rig.submit(sync());
    EXPECT_TRUE(rig.drained());
    EXPECT_EQ(rig.pa(1, 0x1000), 0x1000U);
  }
}

TEST(Adversaries, ALateInvalidationHoldsItsSYNCForAnAccessOfABurst) {
  Rig rig{Rig::with_substreams(), knobs({.late = true})};
  const auto s = rig.stage1_stream(1);
  rig.map(s.tree, 0x1000, 0x10'0000, s1_rw);
  Port::Burst burst{*rig.port};
  const Request r{1, {}, 0x1000, 1, false, false, false};
  EXPECT_EQ(burst.translate(r).address, 0x10'0000U);
  rig.map(s.tree, 0x1000, 0x20'0000, s1_rw);
  rig.submit(tlbi_nh_all(0));
  EXPECT_EQ(burst.translate(r).address, 0x10'0000U);
  rig.submit(sync());
  EXPECT_FALSE(rig.drained());
  EXPECT_EQ(burst.translate(r).address, 0x20'0000U);
  EXPECT_TRUE(rig.drained());
}

TEST(Adversaries, ALateBroadcastTakesEffectWithItsDVMSync) {
  auto f = Rig::with_substreams();
  f.btm = true;
  Rig rig{f, knobs({.late = true})};
  const auto s = rig.stage1_stream(1);
  rig.map(s.tree, 0x1000, 0x10'0000, s1_rw);
  EXPECT_EQ(rig.pa(1, 0x1000), 0x10'0000U);
  rig.map(s.tree, 0x1000, 0x20'0000, s1_rw);
  rig.smmu->broadcast(tlbi_nh_all(0));
  EXPECT_EQ(rig.pa(1, 0x1000), 0x10'0000U);
  const auto number = rig.smmu->dvm_sync();
  EXPECT_TRUE(rig.smmu->dvm_synced(number));
  EXPECT_EQ(rig.pa(1, 0x1000), 0x20'0000U);
}

TEST(Adversaries, TheSameSeedMakesTheSameChoices) {
  const auto run = [](std::uint64_t seed) {
    Rig rig{Rig::with_substreams(), knobs({.prefetch = true, .any_order = true, .partial = true, .seed = seed})};
    std::vector<std::uint64_t> fetches;
    rig.ram.before_fetch([&](std::uint64_t at) { fetches.push_back(at); });
    const auto s = rig.stage1_stream(1);
    rig.map(s.tree, 0x1000, 0x10'0000, s1_rw);
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(rig.pa(1, 0x1000), 0x10'0000U);
    }
    return fetches;
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

TEST(Adversaries, AHitIsNoMiss) {
  Rig rig{Rig::with_substreams(), knobs({.prefetch = true})};
  const auto s = rig.stage1_stream(1);
  rig.map(s.tree, 0x1000, 0x10'0000, s1_rw);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(rig.pa(1, 0x1000));
  }
  EXPECT_LE(rig.port->counters().tlb_misses, 1U);
  EXPECT_EQ(rig.port->stages_of({.stream_id = 1}), Stages::first);
  EXPECT_EQ(rig.port->audit().compared, 1U);
}

} // namespace
} // namespace sluice::model::test
