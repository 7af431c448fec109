#include "plans.hpp"

namespace sluice::test {
namespace {

using namespace arch;
using namespace plans;

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

} // namespace
} // namespace sluice::test
