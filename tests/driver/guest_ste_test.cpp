#include "guest.hpp"

#include <sluice/driver/guest_ste.hpp>

namespace sluice::test {
namespace {

using arch::Eats;
using arch::Ste;
using arch::SteConfig;
using driver::guest_ste;

const driver::EntryFacts facts{true, true, false, false, true};

Ste parent_ste() {
  pagetable::Fields f;
  f.TTB = 0x10000;
  f.T0SZ = 24;
  f.S2SL0 = 1;
  f.S2FWB = true;
  return driver::stage2_ste(facts, 7, f);
}

// Whether a guest's valid STE with this bit set is taken.
bool takes_bit(unsigned word, unsigned bit, const Ste& base) {
  auto words = guest_words(base);
  words.ste[word] |= 1ULL << bit;
  return guest_ste(words).ok();
}

TEST(GuestSte, EveryBitOfWord0ThatIsNotTheGuestsIsRefused) {
  const std::uint64_t allowed =
      Ste::V.mask | Ste::Config.mask | Ste::S1Fmt.mask | Ste::S1ContextPtr.mask | Ste::S1CDMax.mask;
  for (unsigned bit = 0; bit < 64; ++bit) {
    const bool config = bit >= 1 && bit <= 3; // another question
    if (!config) {
      EXPECT_EQ(takes_bit(0, bit, guest_stage1(0)), (allowed >> bit & 1) != 0) << bit;
    }
  }
}

TEST(GuestSte, EveryBitOfWord1ThatIsNotTheGuestsIsRefused) {
  const std::uint64_t allowed = Ste::S1DSS.mask | Ste::S1CIR.mask | Ste::S1COR.mask | Ste::S1CSH.mask |
                                Ste::S1STALLD.mask | (1ULL << Ste::EATS.shift);
  for (unsigned bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(takes_bit(1, bit, guest_config(SteConfig::stage1)), (allowed >> bit & 1) != 0) << bit;
  }
}

TEST(GuestSte, ThatIsInvalidAbortsWhateverElseItSays) {
  const auto guest = guest_ste({{~1ULL, ~0ULL}});
  ASSERT_TRUE(guest.ok());
  EXPECT_EQ(guest->config, SteConfig::abort);
  EXPECT_EQ(driver::merged_ste(*guest, parent_ste()), driver::abort_ste());
}

TEST(GuestSte, OnlyAbortBypassAndStage1AreTaken) {
  for (unsigned config = 0; config < 8; ++config) {
    const bool known = config == 0 || config == 4 || config == 5;
    const auto guest = guest_ste(guest_words(guest_config(static_cast<SteConfig>(config))));
    EXPECT_EQ(guest.ok(), known) << config;
    if (!known) {
      EXPECT_EQ(guest.error(), Errc::reserved_bits);
    }
  }
}

TEST(GuestSte, AsksForFullAtsOrNone) {
  EXPECT_TRUE(guest_ste(guest_words(guest_stage1().with(Ste::EATS, Eats::full)))->wants_ats);
  EXPECT_FALSE(guest_ste(guest_words(guest_stage1()))->wants_ats);
  EXPECT_EQ(guest_ste(guest_words(guest_stage1().with(Ste::EATS, Eats::split))), Errc::reserved_bits);
  EXPECT_EQ(guest_ste(guest_words(guest_stage1().with(Ste::EATS, Eats::full_dpt))), Errc::reserved_bits);
}

TEST(GuestSte, GetsAtsOnlyForItsStage1) {
  EXPECT_FALSE(guest_ste(guest_words(guest_config(SteConfig::bypass).with(Ste::EATS, Eats::full)))->wants_ats);
  EXPECT_FALSE(guest_ste(guest_words(guest_config(SteConfig::abort).with(Ste::EATS, Eats::full)))->wants_ats);
}

TEST(GuestSte, OfStage1IsMergedWithTheParentsStage2) {
  const Ste guests = guest_stage1()
                         .with(Ste::S1Fmt, arch::S1Format::two_level_64k)
                         .with(Ste::S1CDMax, 7)
                         .with(Ste::S1STALLD, 1)
                         .with(Ste::EATS, Eats::full);
  const Ste merged = driver::merged_ste(*guest_ste(guest_words(guests)), parent_ste());
  EXPECT_EQ(merged.get(Ste::V), 1U);
  EXPECT_EQ(merged.get(Ste::Config), SteConfig::nested);
  EXPECT_EQ(merged.get(Ste::S1Fmt), arch::S1Format::two_level_64k);
  EXPECT_EQ(merged.get(Ste::S1ContextPtr), 0x4128'9000U);
  EXPECT_EQ(merged.get(Ste::S1CDMax), 7U);
  EXPECT_EQ(merged.get(Ste::S1DSS), arch::S1Dss::cd0);
  EXPECT_EQ(merged.get(Ste::S1CIR), arch::Cacheability::write_back);
  EXPECT_EQ(merged.get(Ste::S1COR), arch::Cacheability::write_back);
  EXPECT_EQ(merged.get(Ste::S1CSH), arch::Shareability::inner);
  EXPECT_EQ(merged.get(Ste::S1STALLD), 1U);
  EXPECT_EQ(merged.get(Ste::EATS), Eats::none) << "until ATS is switched on";
  EXPECT_EQ(merged.get(Ste::S2PTW), 1U);
  EXPECT_EQ(merged.get(Ste::MEV), 1U);
  EXPECT_EQ(merged.get(Ste::S2FWB), 1U);
  EXPECT_EQ(merged.get(Ste::SHCFG), arch::ShareabilityOverride::incoming);
  EXPECT_EQ(merged.w[2], parent_ste().with(Ste::S2PTW, 1).w[2]);
  EXPECT_EQ(merged.w[3], parent_ste().w[3]);
}

TEST(GuestSte, ThatBypassesIsTheParentsStage2WithNothingOfTheGuests) {
  const Ste guests = guest_stage1().with(Ste::Config, SteConfig::bypass);
  EXPECT_EQ(driver::merged_ste(*guest_ste(guest_words(guests)), parent_ste()), parent_ste());
}

} // namespace
} // namespace sluice::test
