#include "ats_rig.hpp"

namespace sluice::pcie {
namespace {

// The cache alone
class AtcTest : public testing::Test {
protected:
  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  Atc atc{sync, 4};
  static model::TranslationCompletion to(std::uint64_t address, std::uint8_t log2 = 12) {
    return {.status = model::TranslationCompletion::Status::success,
            .address = address,
            .log2_size = log2,
            .read = true,
            .write = true};
  }
};

TEST_F(AtcTest, WhatIsOlderThanAnInvalidationIsNotKept) {
  const auto before = atc.generation();
  atc.invalidate({.address = 0x9000});
  atc.insert({.address = 0x1000}, to(0x5000), before);
  EXPECT_FALSE(atc.find({.address = 0x1000}));
  EXPECT_EQ(atc.counters().too_late, 1u);
  atc.insert({.address = 0x1000}, to(0x5000), atc.generation());
  EXPECT_EQ(atc.find({.address = 0x1008}), 0x5008u);
}

TEST_F(AtcTest, APartOfABlockTakesAllOfItAway) {
  atc.insert({.address = 0x23'4000}, to(0x60'0000, 21), atc.generation());
  EXPECT_EQ(atc.find({.address = 0x20'0010}), 0x60'0010u);
  atc.invalidate({.address = 0x3f'f000, .log2_size = 12});
  EXPECT_FALSE(atc.find({.address = 0x20'0010}));
  atc.insert({.address = 0x1000}, to(0x5000), atc.generation());
  atc.invalidate({.log2_size = model::AtcInvalidation::everything});
  EXPECT_FALSE(atc.find({.address = 0x1000}));
}

TEST_F(AtcTest, TheOldestGoesForTheNewest) {
  for (std::uint64_t i = 1; i <= 5; ++i) {
    atc.insert({.address = i << 12}, to(i << 20), atc.generation());
  }
  EXPECT_FALSE(atc.find({.address = 0x1000}));
  EXPECT_TRUE(atc.find({.address = 0x2000}) && atc.find({.address = 0x5000}));
}

TEST_F(AtcTest, PrivilegeAndRightsAreToldApart) {
  atc.insert({.pasid = 1, .address = 0x1000, .privileged = true}, to(0x5000), atc.generation());
  EXPECT_TRUE(atc.find({.pasid = 1, .address = 0x1000, .privileged = true}));
  EXPECT_FALSE(atc.find({.pasid = 1, .address = 0x1000}));
  EXPECT_FALSE(atc.find({.address = 0x1000, .privileged = true}));
  EXPECT_FALSE(atc.find({.pasid = 1, .address = 0x1000, .execute = true, .privileged = true}));
}

TEST_F(AtcTest, WhatMustNotBeCachedIsNot) {
  auto c = to(0x5000);
  c.untranslated_only = true;
  atc.insert({.address = 0x1000}, c, atc.generation());
  c = to(0x5000);
  c.read = c.write = false;
  atc.insert({.address = 0x1000}, c, atc.generation());
  EXPECT_FALSE(atc.find({.address = 0x1000}));
}

} // namespace
} // namespace sluice::pcie
