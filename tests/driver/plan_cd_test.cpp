#include "plans.hpp"

namespace sluice::test {
namespace {

using namespace arch;
using namespace plans;

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

} // namespace
} // namespace sluice::test
