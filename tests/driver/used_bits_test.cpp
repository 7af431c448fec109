#include "plans.hpp"

namespace sluice::test {
namespace {

using namespace arch;
using namespace plans;

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
