#include <sluice/driver/guest_ste.hpp>
#include <sluice/driver/plan.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sluice::test {
namespace {

using namespace arch;
using driver::EntryFacts;
using driver::EntryWords;
using driver::Plan;
using driver::PlanFacts;
using driver::Step;
using driver::Way;
using iommu::Gap;

const EntryFacts entry_facts{true, true, true, false, true};

pagetable::Fields table(std::uint64_t ttb) {
  pagetable::Fields f;
  f.TTB = ttb;
  f.T0SZ = 24;
  f.S2SL0 = 1;
  f.PS = AddressSize::bits48;
  f.IR = f.OR = Cacheability::write_back;
  f.SH = Shareability::inner;
  f.MAIR0 = 0x44ff;
  return f;
}

// A guest's stage 1 on one of our stage 2s.
Ste nested(const Ste& stage2, std::uint64_t cd_table, S1Dss dss = S1Dss::cd0) {
  const Ste guests = Ste{}
                         .with(Ste::V, 1)
                         .with(Ste::Config, SteConfig::stage1)
                         .with(Ste::S1ContextPtr, cd_table)
                         .with(Ste::S1Fmt, S1Format::two_level_64k)
                         .with(Ste::S1CDMax, 7)
                         .with(Ste::S1DSS, dss)
                         .with(Ste::S1CIR, Cacheability::write_back)
                         .with(Ste::S1COR, Cacheability::write_back)
                         .with(Ste::S1CSH, Shareability::inner);
  return driver::merged_ste(*driver::guest_ste({{guests.w[0], guests.w[1]}}), stage2);
}

struct Kind {
  const char* name;
  Ste ste;
};
const std::vector<Kind> kinds{
    {"invalid", Ste{}},
    {"abort", driver::abort_ste()},
    {"bypass", driver::bypass_ste(entry_facts)},
    {"stage 1 A", driver::stage1_ste(entry_facts, 0x1000)},
    {"stage 1 B", driver::stage1_ste(entry_facts, 0x2000)},
    {"table A", driver::table_ste(entry_facts, 0x6000, S1Format::two_level_4k, 9, S1Dss::cd0)},
    {"table A, bypass", driver::table_ste(entry_facts, 0x6000, S1Format::two_level_4k, 9, S1Dss::bypass)},
    {"table A, terminate", driver::table_ste(entry_facts, 0x6000, S1Format::two_level_4k, 9, S1Dss::terminate)},
    {"table B, linear", driver::table_ste(entry_facts, 0x7000, S1Format::linear, 4, S1Dss::cd0)},
    {"stage 2 A", driver::stage2_ste(entry_facts, 1, table(0x10000))},
    {"stage 2 B", driver::stage2_ste(entry_facts, 2, table(0x20000))},
    {"stage 2 A, other root", driver::stage2_ste(entry_facts, 1, table(0x30000))},
    {"nested on A", nested(driver::stage2_ste(entry_facts, 1, table(0x10000)), 0x4000)},
    {"nested on A, other CDs", nested(driver::stage2_ste(entry_facts, 1, table(0x10000)), 0x5000)},
    {"nested on A, other S1DSS", nested(driver::stage2_ste(entry_facts, 1, table(0x10000)), 0x4000, S1Dss::bypass)},
    {"nested on A, both", nested(driver::stage2_ste(entry_facts, 1, table(0x10000)), 0x5000, S1Dss::bypass)},
    {"nested on B", nested(driver::stage2_ste(entry_facts, 2, table(0x20000)), 0x4000)},
};
bool is_nested(const Ste& ste) { return ste.get(Ste::Config) == SteConfig::nested; }

bool same(const EntryWords& a, const EntryWords& b, const EntryWords& used) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (((a[i] ^ b[i]) & used[i]) != 0) {
      return false;
    }
  }
  return true;
}

// What an SMMU may hold: the words that it has fetched at any time since they were last invalidated.
struct Observer {
  std::array<std::vector<std::uint64_t>, 8> seen;

  void forget(const EntryWords& memory) {
    for (std::size_t i = 0; i < 8; ++i) {
      seen[i] = {memory[i]};
    }
  }
  void store(std::size_t word, std::uint64_t value) { seen[word].push_back(value); }

  // Calls f with every mixture of them.
  template <class F>
  void mixtures(F f) const {
    EntryWords e{};
    mix(0, e, f);
  }

private:
  template <class F>
  void mix(std::size_t word, EntryWords& e, F& f) const {
    if (word == 8) {
      return f(e);
    }
    for (const auto v : seen[word]) {
      e[word] = v;
      mix(word + 1, e, f);
    }
  }
};

EntryWords used(const EntryWords& words) {
  Ste s;
  s.w = words;
  return driver::used_bits(s, entry_facts);
}

// As an SMMU would take it: what it uses of the entry is all of the old one's meaning, or all of the new one's, but for
// what has no part in the result.
bool means(const EntryWords& entry, const EntryWords& meaning, const EntryWords& exempt) {
  EntryWords counts = used(meaning);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] &= ~exempt[i];
  }
  return used(entry) == used(meaning) && same(entry, meaning, counts);
}

// Carries the plan out on memory and asks `check` after each store with every mixture that may be cached. A 128-bit
// store is seen whole.
template <class Check>
EntryWords run(const Plan& plan, const EntryWords& from, Check check) {
  EntryWords memory = from;
  Observer observer;
  observer.forget(memory);
  for (const Step& step : plan.all()) {
    if (step.kind == Step::Kind::store) {
      memory[step.word] = step.value[0];
      observer.store(step.word, step.value[0]);
    } else if (step.kind == Step::Kind::store128) {
      check(memory); // before and after; nothing else of these two is ever seen
      memory[step.word] = step.value[0];
      memory[step.word + 1U] = step.value[1];
      check(memory);
      observer.forget(memory);
      continue;
    } else if (step.kind == Step::Kind::invalidate) {
      observer.forget(memory);
    }
    observer.mixtures(check);
  }
  return memory;
}

Plan make(const Ste& from, const Ste& to, const PlanFacts& facts) {
  return driver::plan(from.w, to.w, used(from.w), used(to.w), facts);
}

template <class F>
void each_pair(F f) {
  for (const auto& from : kinds) {
    for (const auto& to : kinds) {
      SCOPED_TRACE(std::string{from.name} + " -> " + to.name);
      f(from.ste, to.ste);
    }
  }
}

const PlanFacts facts_of_all[] = {
    {false, false, true, {}}, {false, true, true, {}},  {true, false, true, {}},
    {true, true, true, {}},   {false, true, false, {}}, {true, true, false, driver::exempt_bits(true)},
};

TEST(Plan, EveryMixtureOfAHitlessChangeIsTheOldEntryOrTheNew) {
  for (const auto& facts : facts_of_all) {
    each_pair([&](const Ste& from, const Ste& to) {
      const Plan plan = make(from, to, facts);
      if (!plan.hitless()) {
        return;
      }
      run(plan, from.w,
          [&](const EntryWords& e) { EXPECT_TRUE(means(e, from.w, facts.exempt) || means(e, to.w, facts.exempt)); });
    });
  }
}

TEST(Plan, ADisruptiveChangeGoesThroughInvalidOnly) {
  for (const auto& facts : facts_of_all) {
    each_pair([&](const Ste& from, const Ste& to) {
      const Plan plan = make(from, to, facts);
      run(plan, from.w, [&](const EntryWords& e) {
        EXPECT_TRUE(means(e, from.w, facts.exempt) || means(e, to.w, facts.exempt) || (e[0] & 1) == 0);
      });
    });
  }
}

TEST(Plan, MemoryEndsAsTheTargetBitForBit) {
  for (const auto& facts : facts_of_all) {
    each_pair([&](const Ste& from, const Ste& to) {
      const Plan plan = make(from, to, facts);
      if (plan.way != Way::swing) {
        EXPECT_EQ(run(plan, from.w, [](const EntryWords&) {}), to.w);
      }
    });
  }
}

TEST(Plan, EndsWithAnInvalidationUnlessThereIsNothingToDo) {
  for (const auto& facts : facts_of_all) {
    each_pair([&](const Ste& from, const Ste& to) {
      const Plan plan = make(from, to, facts);
      if (from.w == to.w) {
        EXPECT_EQ(plan.way, Way::nothing);
        EXPECT_EQ(plan.count, 0U);
        return;
      }
      ASSERT_GT(plan.count, 0U);
      const auto last = plan.all().back().kind;
      EXPECT_TRUE(last == Step::Kind::invalidate || last == Step::Kind::swing);
    });
  }
}

TEST(Plan, OnlyStage2BesideAnotherTranslationNeedsMoreThanOneWord) {
  each_pair([&](const Ste& from, const Ste& to) {
    if (is_nested(from) || is_nested(to)) {
      return;
    }
    const auto translates = [](const Ste& s) {
      return s.get(Ste::V) == 1 && (static_cast<unsigned>(s.get(Ste::Config)) & 3) != 0;
    };
    const bool stage2 = from.get(Ste::Config) == SteConfig::stage2 || to.get(Ste::Config) == SteConfig::stage2;
    // The same VMID in both needs S2TTB alone.
    const bool root_only = from.w[2] == to.w[2];
    const bool hard = translates(from) && translates(to) && stage2 && !root_only && from.w != to.w;
    if (from.get(Ste::S1CDMax) != 0 && to.get(Ste::S1CDMax) != 0 && from.w[0] != to.w[0]) {
      return; // two tables: S1DSS may differ as well
    }
    const Plan plan = make(from, to, {});
    EXPECT_EQ(plan.way == Way::disruptive, hard);
  });
}

Plan between(const char* from, const char* to, const PlanFacts& facts) {
  const auto find = [](const char* name) {
    return std::ranges::find_if(kinds, [&](const Kind& k) { return std::string{k.name} == name; })->ste;
  };
  return make(find(from), find(to), facts);
}

TEST(Plan, ANestedEntryIsOneWordFromWhatDoesNotTranslateAndFromItsParent) {
  const PlanFacts facts{.exempt = driver::exempt_bits(true)};
  for (const char* other : {"abort", "bypass", "stage 2 A"}) {
    for (const char* entry : {"nested on A", "nested on A, both"}) {
      EXPECT_EQ(between(entry, other, facts).way, Way::in_place) << other;
      EXPECT_EQ(between(other, entry, facts).way, Way::in_place) << other;
    }
  }
  EXPECT_EQ(between("stage 2 A", "nested on A", {}).way, Way::disruptive) << "MEV would decide too";
}

TEST(Plan, OfAGuestsOwnChangeOneWordDecidesUnlessItChangesBoth) {
  EXPECT_EQ(between("nested on A", "nested on A, other CDs", {}).way, Way::in_place);
  EXPECT_EQ(between("nested on A", "nested on A, other S1DSS", {}).way, Way::in_place);
  EXPECT_EQ(between("nested on A", "nested on A, both", {}).way, Way::disruptive);
  EXPECT_EQ(between("nested on A", "nested on A, both", {.atomic128 = true}).way, Way::store128);
}

TEST(Plan, FromOneParentToAnotherAPairOfWordsDecides) {
  EXPECT_EQ(between("nested on A", "nested on B", {.atomic128 = true}).way, Way::store128);
  EXPECT_EQ(between("nested on A", "stage 2 B", {.atomic128 = true}).way, Way::disruptive);
  EXPECT_EQ(between("nested on A", "stage 1 A", {.swing = true, .entry_from_place = true}).way, Way::swing);
}

TEST(Plan, Stage1ToStage1IsOneStore) {
  const Plan plan = between("stage 1 A", "stage 1 B", {});
  EXPECT_EQ(plan.way, Way::in_place);
  ASSERT_EQ(plan.count, 2U);
  EXPECT_EQ(plan.steps[0].kind, Step::Kind::store);
  EXPECT_EQ(plan.steps[0].word, 0U);
  EXPECT_EQ(plan.steps[1].kind, Step::Kind::invalidate);
}

TEST(Plan, APresetIsKnownEverywhereBeforeTheDecidingWord) {
  const Plan plan = between("bypass", "stage 2 A", {});
  ASSERT_EQ(plan.way, Way::in_place);
  const auto steps = plan.all();
  const auto flip =
      std::ranges::find_if(steps, [](const Step& s) { return s.kind == Step::Kind::store && s.word == 0; });
  ASSERT_NE(flip, steps.end());
  ASSERT_NE(flip, steps.begin());
  EXPECT_EQ((flip - 1)->kind, Step::Kind::invalidate);
}

TEST(Plan, Stage2ToStage2TakesOne128BitStoreWhereThereIsOne) {
  const Plan plan = between("stage 2 A", "stage 2 B", {.atomic128 = true, .swing = true, .entry_from_place = true});
  EXPECT_EQ(plan.way, Way::store128);
  ASSERT_EQ(plan.count, 2U);
  EXPECT_EQ(plan.steps[0].word, 2U);
}

TEST(Plan, WordsThatAreNoPairAreNotStoredTogether) {
  const Plan plan = between("stage 1 A", "stage 2 A", {.atomic128 = true, .swing = true, .entry_from_place = true});
  EXPECT_EQ(plan.way, Way::swing);
}

TEST(Plan, WithoutIndirectionTheGapIsNamed) {
  const Plan plan = between("stage 1 A", "stage 2 A", {.atomic128 = true, .swing = false, .entry_from_place = true});
  EXPECT_EQ(plan.way, Way::disruptive);
  EXPECT_EQ(plan.gap, Gap::no_indirection);
}

TEST(Plan, ASwingIsNotHitlessWhereAnEntrysWordsMayComeFromTwoPlaces) {
  const Plan plan = between("stage 1 A", "stage 2 A", {.atomic128 = false, .swing = true, .entry_from_place = false});
  EXPECT_EQ(plan.way, Way::disruptive);
  EXPECT_EQ(plan.gap, Gap::split_fetch);
}

TEST(Plan, ExemptBitsDoNotCount) {
  Ste from = driver::stage1_ste(entry_facts, 0x1000);
  Ste to = driver::stage1_ste(entry_facts, 0x2000).with(Ste::MEV, 1);
  EXPECT_EQ(make(from, to, {}).way, Way::disruptive);
  EXPECT_EQ(make(from, to, {.exempt = driver::exempt_bits(true)}).way, Way::in_place);
}

TEST(Plan, EatsIsExemptOnlyWhileAtsIsOff) {
  Ste from = driver::stage1_ste(entry_facts, 0x1000);
  Ste to = driver::stage1_ste(entry_facts, 0x2000).with(Ste::EATS, Eats::full);
  EXPECT_EQ(make(from, to, {.exempt = driver::exempt_bits(true)}).way, Way::in_place);
  EXPECT_EQ(make(from, to, {.exempt = driver::exempt_bits(false)}).way, Way::disruptive);
}

TEST(Plan, OfCdsOneWordDecidesForAnAsidAndTwoForAnotherTable) {
  const auto a = driver::stage1_cd(entry_facts, 1, table(0x10000));
  const auto b = driver::stage1_cd(entry_facts, 2, table(0x10000));
  const auto c = driver::stage1_cd(entry_facts, 2, table(0x20000));
  const auto plan = [](const Cd& from, const Cd& to, const PlanFacts& facts) {
    return driver::plan(from.w, to.w, driver::used_bits(from), driver::used_bits(to), facts);
  };
  EXPECT_EQ(plan(a, b, {}).way, Way::in_place);
  EXPECT_EQ(plan(a, c, {}).way, Way::disruptive);
  EXPECT_EQ(plan(a, c, {.atomic128 = true}).way, Way::store128);
  EXPECT_EQ(plan(Cd{}, c, {}).way, Way::in_place);
}

// Patches 25 and 26.
TEST(Plan, ATableOfCdsIsOneWordFromWhatHasNone) {
  for (const char* other : {"abort", "bypass", "stage 1 A"}) {
    for (const char* entry : {"table A", "table A, bypass", "table A, terminate"}) {
      EXPECT_EQ(between(entry, other, {}).way, Way::in_place) << other;
      EXPECT_EQ(between(other, entry, {}).way, Way::in_place) << other;
      EXPECT_EQ(between("table A", entry, {}).way == Way::nothing, std::string{entry} == "table A");
      EXPECT_TRUE(between("table A, bypass", entry, {}).hitless());
    }
  }
}

// Patch 5: every state of a CD that may be cached means what the old one did or what the new one does.
TEST(Plan, EveryMixtureOfCdsIsTheOldOneOrTheNew) {
  const auto a = driver::stage1_cd(entry_facts, 1, table(0x10000));
  const auto b = driver::stage1_cd(entry_facts, 2, table(0x10000));
  const auto c = driver::stage1_cd(entry_facts, 2, table(0x20000));
  const auto quiet = c.with(Cd::EPD0, 1).with(Cd::R, 0);
  const auto used_cd = [](const EntryWords& words) {
    Cd cd;
    cd.w = words;
    return driver::used_bits(cd);
  };
  const auto is = [&](const EntryWords& entry, const EntryWords& meaning) {
    return used_cd(entry) == used_cd(meaning) && same(entry, meaning, used_cd(meaning));
  };
  int hitless = 0;
  for (const bool atomic128 : {false, true}) {
    for (const Cd& from : {Cd{}, a, b, c, quiet}) {
      for (const Cd& to : {Cd{}, a, b, c, quiet}) {
        const Plan plan = driver::plan(from.w, to.w, used_cd(from.w), used_cd(to.w), {.atomic128 = atomic128});
        hitless += plan.hitless();
        const auto end = run(plan, from.w, [&](const EntryWords& e) {
          EXPECT_TRUE(is(e, from.w) || is(e, to.w) || (!plan.hitless() && (e[0] >> 31 & 1) == 0));
        });
        EXPECT_EQ(end, to.w);
      }
    }
  }
  EXPECT_EQ(hitless, 50 - 2) << "all but another ASID with another table by 64-bit stores";
}

// Patch 5: one store and one SYNC for another ASID.
TEST(Plan, AnotherAsidIsOneStoreOfACd) {
  const auto a = driver::stage1_cd(entry_facts, 1, table(0x10000));
  const auto b = driver::stage1_cd(entry_facts, 2, table(0x10000));
  const Plan plan = driver::plan(a.w, b.w, driver::used_bits(a), driver::used_bits(b), {});
  ASSERT_EQ(plan.count, 2U);
  EXPECT_EQ(plan.steps[0].kind, Step::Kind::store);
  EXPECT_EQ(plan.steps[1].kind, Step::Kind::invalidate);
}

// Patch 6: V first, then the rest, two SYNCs.
TEST(Plan, ClearingACdBeginsWithItsValidBit) {
  const auto a = driver::stage1_cd(entry_facts, 1, table(0x10000));
  const Plan plan = driver::plan(a.w, {}, driver::used_bits(a), driver::used_bits(Cd{}), {});
  EXPECT_EQ(plan.way, Way::in_place);
  EXPECT_EQ(plan.steps[0].word, 0U);
  EXPECT_EQ(plan.steps[0].value[0], 0U);
  EXPECT_EQ(plan.steps[1].kind, Step::Kind::invalidate);
  EXPECT_EQ(std::ranges::count(plan.all(), Step::Kind::invalidate, &Step::kind), 2);
}

TEST(UsedBits, S1dssAndS1fmtOnlyWithSubstreams) {
  const Ste alone = driver::stage1_ste(entry_facts, 0x1000);
  EXPECT_EQ(driver::used_bits(alone, entry_facts)[1] & Ste::S1DSS.mask, 0U);
  EXPECT_EQ(driver::used_bits(alone, entry_facts)[0] & Ste::S1Fmt.mask, 0U);
  const Ste table = driver::table_ste(entry_facts, 0x1000, S1Format::linear, 4, S1Dss::cd0);
  EXPECT_NE(driver::used_bits(table, entry_facts)[1] & Ste::S1DSS.mask, 0U);
  EXPECT_NE(driver::used_bits(table, entry_facts)[0] & Ste::S1Fmt.mask, 0U);
}

TEST(UsedBits, AreAllThatTheDriverSets) {
  for (const auto& k : kinds) {
    SCOPED_TRACE(k.name);
    EXPECT_TRUE(same(k.ste.w, {}, [&] {
      auto unused = used(k.ste.w);
      for (auto& w : unused) {
        w = ~w;
      }
      return unused;
    }()));
    EXPECT_TRUE(base::reserved_zero(k.ste));
  }
}

TEST(UsedBits, OfAnInvalidEntryAreItsValidBit) {
  EXPECT_EQ(driver::used_bits(Ste{}, entry_facts), (EntryWords{1}));
  EXPECT_EQ(driver::used_bits(Cd{}), (EntryWords{1ULL << 31}));
}

TEST(UsedBits, TheReservedConfigsAbort) {
  for (unsigned config = 0; config < 4; ++config) {
    const Ste ste = Ste{}.with(Ste::V, 1).with(Ste::Config, static_cast<SteConfig>(config));
    EXPECT_EQ(driver::used_bits(ste, entry_facts), (EntryWords{0xf}));
  }
}

TEST(UsedBits, S2VmidTagsStage1OnlyWhereThereIsAStage2) {
  const Ste ste = driver::stage1_ste(entry_facts, 0x1000);
  EXPECT_NE(driver::used_bits(ste, entry_facts)[2] & Ste::S2VMID.mask, 0U);
  auto without = entry_facts;
  without.stage2 = false;
  EXPECT_EQ(driver::used_bits(ste, without)[2] & Ste::S2VMID.mask, 0U);
}

TEST(UsedBits, ADisabledRangeOfACdHasNone) {
  const auto cd = driver::stage1_cd(entry_facts, 1, table(0x10000));
  EXPECT_EQ(driver::used_bits(cd)[2] & Cd::TTB1.mask, 0U);
  EXPECT_NE(driver::used_bits(cd)[1] & Cd::TTB0.mask, 0U);
  EXPECT_EQ(driver::used_bits(cd.with(Cd::EPD0, 1))[1] & Cd::TTB0.mask, 0U);
}

} // namespace
} // namespace sluice::test
